//! One path component against one pattern, as Go's `filepath.Match` does it.

/// A component pattern. A malformed one matches nothing (ocirepository.md, 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Option<Vec<Token>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Literal(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Reads a pattern: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
    pub fn new(pattern: &str) -> Self {
        Self(parse(pattern))
    }

    /// Whether all of `name` matches. Time is at most the product of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        let Some(tokens) = &self.0 else { return false };
        if let [Token::Star] = tokens.as_slice() {
            return true;
        }
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut token) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < name.len() || token < tokens.len() {
            match tokens.get(token) {
                Some(Token::Star) => {
                    retry = Some((at, token));
                    token += 1;
                    continue;
                }
                Some(one) if at < name.len() && one.accepts(name[at]) => {
                    at += 1;
                    token += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((from, star)) if from < name.len() => {
                    retry = Some((from + 1, star));
                    (at, token) = (from + 1, star + 1);
                }
                _ => return false,
            }
        }
        true
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Token>> {
    let mut rest = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' if tokens.last() == Some(&Token::Star) => continue,
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Literal(rest.next()?),
            '[' => class(&mut rest)?,
            c => Token::Literal(c),
        });
    }
    Some(tokens)
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let low = bound(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() { bound(rest)? } else { low };
        ranges.push((low, high));
    }
    Some(Token::Class { negated, ranges })
}

fn bound(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} {name}");
    }

    #[test]
    fn matches_whole_components() {
        check("*.jpg", "a.jpg", true);
        check("*.jpg", "a.jpg.txt", false);
        check("a*b*c", "aXbYbZc", true);
        check("?", "é", true);
        check("?", "", false);
        check("[^a]", "b", true);
        check("[!a]", "b", false);
        check("[a", "a", false);
        check(r"\*", "*", true);
        check("**", "", true);
    }

    #[test]
    fn many_stars_stay_fast() {
        check(&"a*".repeat(2000), &"a".repeat(4000), true);
        check(&format!("{}b", "a*".repeat(2000)), &"a".repeat(4000), false);
    }
}
