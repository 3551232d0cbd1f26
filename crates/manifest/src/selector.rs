//! Selectors of labels and annotations, and anchored patterns.

use regex::{Regex, RegexBuilder};

use crate::Value;

/// How large a compiled pattern may be.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;
/// How long a selector or pattern may be.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// Why a selector or pattern cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pattern is no regular expression, or too large a one.
    #[error("error parsing regexp: `{pattern}`: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the compiler says.
        why: String,
    },
    /// The selector breaks the grammar.
    #[error("unable to parse requirement: {0}")]
    Requirement(String),
    /// The text exceeds [`TEXT_BYTES_MAX`].
    #[error("selector exceeds its limit")]
    Limit,
}

/// A pattern that must match a whole text; an empty one matches everything.
#[derive(Clone, Debug)]
pub struct Pattern(Option<Regex>);

impl Pattern {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() {
            return Ok(Self(None));
        }
        compile(&format!("^(?:{pattern})$")).map(|regex| Self(Some(regex)))
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// Compiles a regular expression with bounded size; matching is linear.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    if pattern.len() > TEXT_BYTES_MAX {
        return Err(Error::Limit);
    }
    RegexBuilder::new(&go_syntax(pattern))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| Error::Pattern { pattern: pattern.to_owned(), why: error.to_string() })
}

/// Go reads a brace that begins no repetition as itself; here it needs an escape.
fn go_syntax(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    let mut in_class = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            '[' if in_class && !rest.as_str().starts_with(':') => out.push('\\'),
            '[' => in_class = true,
            ']' => in_class = false,
            '{' if !in_class && !is_repetition(rest.as_str()) => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Whether what follows a brace is `2}`, `2,}` or `2,3}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// A parsed label selector: `a=b,c in (d,e),!f`.
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
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = end_of_requirement(rest);
            requirements.push(requirement(rest[..end].trim())?);
            rest = rest[end..].trim_start_matches(',').trim_start();
        }
        Ok(Self(requirements))
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

/// Commas inside parentheses do not end a requirement.
fn end_of_requirement(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn requirement(text: &str) -> Result<Requirement, Error> {
    let broken = || Error::Requirement(format!("found '{text}'"));
    if let Some(key) = text.strip_prefix('!') {
        let key = checked(key.trim()).ok_or_else(broken)?;
        return Ok(Requirement { key, operator: Operator::DoesNotExist });
    }
    for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = text.split_once(sign) {
            let values = vec![value.trim().to_owned()];
            let key = checked(key.trim()).ok_or_else(broken)?;
            let operator = if negated { Operator::NotIn(values) } else { Operator::In(values) };
            return Ok(Requirement { key, operator });
        }
    }
    for (sign, make) in
        [('>', Operator::GreaterThan as fn(i64) -> Operator), ('<', Operator::LessThan)]
    {
        if let Some((key, bound)) = text.split_once(sign) {
            let key = checked(key.trim()).ok_or_else(broken)?;
            let bound = bound.trim().parse().map_err(|_| broken())?;
            return Ok(Requirement { key, operator: make(bound) });
        }
    }
    let Some((key, rest)) = text.split_once(char::is_whitespace) else {
        let key = checked(text).ok_or_else(broken)?;
        return Ok(Requirement { key, operator: Operator::Exists });
    };
    let key = checked(key).ok_or_else(broken)?;
    let rest = rest.trim();
    let (negated, list) = match rest.strip_prefix("notin") {
        Some(list) => (true, list),
        None => (false, rest.strip_prefix("in").ok_or_else(broken)?),
    };
    let list = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')'));
    let values: Vec<_> =
        list.ok_or_else(broken)?.split(',').map(|value| value.trim().to_owned()).collect();
    let operator = if negated { Operator::NotIn(values) } else { Operator::In(values) };
    Ok(Requirement { key, operator })
}

fn checked(key: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!key.is_empty() && key.chars().all(legal)).then(|| key.to_owned())
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
    }
}
