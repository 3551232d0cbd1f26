//! Selectors of labels and annotations: `a=b,c in (d,e),!f`.

use crate::Value;

/// How long a selector may be.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// How long a name or a value may be.
const NAME_BYTES_MAX: usize = 63;
/// How long the domain before a name may be.
const DOMAIN_BYTES_MAX: usize = 253;

/// Why a selector cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar.
    #[error("{0}")]
    Syntax(String),
    /// The text exceeds [`TEXT_BYTES_MAX`].
    #[error("selector exceeds its limit")]
    Limit,
}

/// A parsed selector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq)]
enum Operator {
    Exists,
    DoesNotExist,
    In(Vec<String>),
    NotIn(Vec<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl Selector {
    /// Reads a selector; an empty one selects everything.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::Limit);
        }
        Parser { tokens: tokens(text), next: 0 }.selector().map(Self).map_err(Error::Syntax)
    }

    /// Whether a mapping of labels or annotations (or its absence) is selected.
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        self.0.iter().all(|requirement| {
            let text = labels.and_then(|labels| labels.get(&requirement.key)).map(Value::to_text);
            requirement.operator.accepts(text.as_deref())
        })
    }
}

impl Operator {
    fn accepts(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn is_symbol(c: char) -> bool {
    "=!(),><".contains(c)
}

/// Cuts a text into words and the longest symbols that mean something.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else { return tokens };
        let length = if ["==", "!="].iter().any(|double| rest.starts_with(double)) {
            2
        } else if is_symbol(first) {
            1
        } else {
            let ends = |c: char| is_symbol(c) || " \t\r\n".contains(c);
            rest.find(ends).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    next: usize,
}

impl<'a> Parser<'a> {
    /// The next token; empty at the end.
    fn peek(&self) -> &'a str {
        self.tokens.get(self.next).copied().unwrap_or_default()
    }

    fn take(&mut self) -> &'a str {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                "" => return Ok(requirements),
                "!" => {}
                word if is_word(word) => {}
                other => {
                    return Err(format!(
                        "found '{other}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self.requirement();
            requirements
                .push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.take() {
                "" => return Ok(requirements),
                "," => match self.peek() {
                    "!" => {}
                    word if is_word(word) => {}
                    other => {
                        return Err(format!("found '{other}', expected: identifier after ','"));
                    }
                },
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.take();
        }
        let key = match self.take() {
            word if is_word(word) => word.to_owned(),
            other => return Err(format!("found '{other}', expected: identifier")),
        };
        check_key(&key)?;
        if absent {
            return Ok(Requirement { key, operator: Operator::DoesNotExist });
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(Requirement { key, operator: Operator::Exists });
        }
        let sign = self.take();
        let values = match sign {
            "in" | "notin" => self.values()?,
            "=" | "==" | "!=" | ">" | "<" => vec![self.value()?],
            other => {
                return Err(format!("found '{other}', expected: '=', '!=', '==', 'in', notin'"));
            }
        };
        let operator = match sign {
            "in" | "=" | "==" => Operator::In(values),
            "notin" | "!=" => Operator::NotIn(values),
            _ => {
                let bound = values.first().and_then(|value| value.parse().ok());
                let bound =
                    bound.ok_or("for 'Gt', 'Lt' operators, the value must be an integer")?;
                if sign == ">" { Operator::GreaterThan(bound) } else { Operator::LessThan(bound) }
            }
        };
        if let Operator::In(values) | Operator::NotIn(values) = &operator {
            values.iter().try_for_each(|value| check_value(&key, value))?;
        }
        Ok(Requirement { key, operator })
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            "" | "," => Ok(String::new()),
            word if is_word(word) => Ok(self.take().to_owned()),
            other => Err(format!("found '{other}', expected: identifier")),
        }
    }

    /// A list in parentheses; what is missing between its commas is an empty text.
    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        let mut after_word = false;
        loop {
            match self.take() {
                ")" => {
                    if !after_word {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                "," => {
                    if !after_word {
                        values.push(String::new());
                    }
                    after_word = false;
                }
                word if is_word(word) && !after_word => {
                    values.push(word.to_owned());
                    after_word = true;
                }
                other if after_word => {
                    return Err(format!("found '{other}', expected: ',' or ')'"));
                }
                other if values.is_empty() => {
                    return Err(format!("found '{other}', expected: ',', ')' or identifier"));
                }
                other => return Err(format!("found '{other}', expected: ',', or identifier")),
            }
        }
    }
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.starts_with(is_symbol)
}

const NAME_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
    used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DOMAIN_RULE: &str = "a DNS-1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_domain(text: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('.').all(|part| {
        part.chars().all(|c| lower(c) || c == '-')
            && part.starts_with(lower)
            && part.ends_with(lower)
    })
}

fn check_key(key: &str) -> Result<(), String> {
    let mut errors = Vec::new();
    let (domain, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [domain, name] => (Some(domain), name),
        _ => {
            return Err(format!(
                "invalid label key {key:?}: a qualified name {NAME_RULE} with an optional DNS \
                 subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    match domain {
        Some("") => errors.push("prefix part must be non-empty".to_owned()),
        Some(domain) => {
            if domain.len() > DOMAIN_BYTES_MAX {
                errors.push(format!(
                    "prefix part must be no more than {DOMAIN_BYTES_MAX} characters"
                ));
            }
            if !is_domain(domain) {
                errors.push(format!("prefix part {DOMAIN_RULE}"));
            }
        }
        None => {}
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > NAME_BYTES_MAX {
        errors.push(format!("name part must be no more than {NAME_BYTES_MAX} characters"));
    }
    if !is_name(name) {
        errors.push(format!("name part {NAME_RULE}"));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(format!("invalid label key {key:?}: {}", errors.join("; ")))
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let mut errors = Vec::new();
    if value.len() > NAME_BYTES_MAX {
        errors.push(format!("must be no more than {NAME_BYTES_MAX} characters"));
    }
    if !value.is_empty() && !is_name(value) {
        errors.push(VALUE_RULE.to_owned());
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(format!("invalid label value: {value:?}: at key: {key:?}: {}", errors.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str) -> bool {
        let labels: Value = serde_json::json!({"app": "web", "tier": "db", "n": "5"}).into();
        Selector::parse(selector).is_ok_and(|selector| selector.matches(Some(&labels)))
    }

    #[test]
    fn understands_every_operator() {
        for yes in
            ["", "app=web", "app==web,tier", "app in (web,x), !other", "a!=b", "n>4", "x notin (y)"]
        {
            assert!(selects(yes), "{yes}");
        }
        for no in ["app=x", "other", "!app", "tier notin (db)", "n<5", "app in (a", "?"] {
            assert!(!selects(no), "{no}");
        }
        for (text, values) in [("()", &[""][..]), ("(,)", &["", ""]), ("(in,x)", &["in", "x"])] {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let parsed = Selector::parse(&format!("a in {text}"));
            let requirement = Requirement { key: "a".to_owned(), operator: Operator::In(values) };
            assert_eq!(parsed, Ok(Selector(vec![requirement])), "{text}");
        }
    }

    #[test]
    fn errors_are_worded_as_in_go() {
        for (text, why) in [
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("!!", "unable to parse requirement: found '!', expected: identifier"),
            (
                "a>b",
                "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(Selector::parse(text), Err(Error::Syntax(why.to_owned())), "{text}");
        }
    }
}
