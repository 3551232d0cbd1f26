//! Regular expressions in Go's syntax, with Go's errors.

pub use regex::Regex;
use regex::RegexBuilder;

/// How large a compiled pattern may be.
pub const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How long a pattern may be.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no regular expression.
    #[error("error parsing regexp: {why}: `{part}`")]
    Syntax {
        /// What is wrong.
        why: String,
        /// With which part.
        part: String,
    },
    /// The text or what it compiles to is too large.
    #[error("pattern exceeds its limit")]
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
    let built = RegexBuilder::new(&go_syntax(pattern)).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::Syntax(text) => go_error(pattern, &text),
        _ => Error::Limit,
    })
}

/// The compiler's report (the pattern, carets under the trouble, a sentence) in Go's words.
fn go_error(pattern: &str, report: &str) -> Error {
    const ERRORS: [(&str, &str); 7] = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("unclosed character class", "missing closing ]"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("invalid character class range", "invalid character class range"),
        ("invalid repetition count range", "invalid repeat count"),
        ("unrecognized escape sequence", "invalid escape sequence"),
    ];
    let sentence = report.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let known = ERRORS.iter().find(|(ours, _)| sentence.starts_with(ours));
    let range = report.lines().nth(2).and_then(|carets| {
        let start = carets.chars().position(|c| c == '^')?;
        Some((start, carets.trim().chars().count()))
    });
    let marked = |to_end: bool| {
        let (line, (start, length)) = (report.lines().nth(1)?, range?);
        let length = if to_end { usize::MAX } else { length };
        Some(line.chars().skip(start).take(length).collect::<String>())
    };
    let why = known.map_or(sentence, |(_, go)| go).to_owned();
    let part = match why.as_str() {
        "missing closing )" | "unexpected )" => None,
        "missing closing ]" => marked(true),
        _ => marked(false),
    };
    Error::Syntax { why, part: part.unwrap_or_else(|| pattern.to_owned()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// security.md, D5: what would be large or slow elsewhere is refused, or judged in one pass.
    #[test]
    fn patterns_are_bounded() {
        let text = "a".repeat(1 << 20);
        let matches = |pattern: &str| Pattern::new(pattern).map(|pattern| pattern.matches(&text));
        assert_eq!(matches("(a+)+b"), Ok(false));
        assert_eq!(matches("(a|aa)+"), Ok(true));
        let large = "x".repeat(1 << 20);
        for pattern in [large.as_str(), "((a{100}){100}){100}", "(\\w{500}){100}"] {
            assert_eq!(matches(pattern), Err(Error::Limit), "{}", &pattern[..8]);
        }
    }

    #[test]
    fn errors_are_worded_as_in_go() {
        let error = |pattern| Pattern::new(pattern).map(|_| ()).map_err(|e| e.to_string());
        for (pattern, expected) in [
            ("a(", "missing closing ): `^(?:a()$`"),
            ("a)", "unexpected ): `^(?:a))$`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[a", "missing closing ]: `[a)$`"),
            ("\\y", "invalid escape sequence: `\\y`"),
        ] {
            assert_eq!(error(pattern), Err(format!("error parsing regexp: {expected}")));
        }
        assert_eq!(error("a{,3}|b{2,}"), Ok(()));
    }
}
