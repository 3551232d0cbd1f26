//! Tag filters in Go's regular expression syntax (ocirepository.md, 5).
//!
//! Rust's engine is as linear as Go's, but reads other syntax: this translates, and answers what
//! Go refuses with Go's texts.

use regex::bytes::{Regex, RegexBuilder};

use crate::filter_syntax::{
    class_escape, escaped_char, flags, literal, posix_class, repeat_counts,
};

/// A longer pattern is refused.
const PATTERN_BYTES_MAX: usize = 16 * 1024;
/// The most that a compiled pattern may take.
const PROGRAM_BYTES_MAX: usize = 32 << 20;
/// Go's bound on nested groups.
const DEPTH_MAX: u32 = 1000;
/// Go's bound on a repeat count, and on the product of nested ones.
const REPEAT_MAX: u32 = 1000;

/// A pattern that Go refuses; the text is Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {problem}: `{part}`")]
pub struct InvalidFilter {
    pub(crate) problem: &'static str,
    pub(crate) part: String,
}

/// Refuses `part` of a pattern.
pub(crate) fn refuse<T>(
    problem: &'static str,
    part: impl Into<String>,
) -> Result<T, InvalidFilter> {
    Err(InvalidFilter { problem, part: part.into() })
}

/// A compiled filter; it searches, so it need not match the whole tag.
#[derive(Clone, Debug)]
pub struct Filter(Regex);

impl Filter {
    /// Compiles `pattern`.
    pub fn new(pattern: &str) -> Result<Self, InvalidFilter> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return refuse("expression too large", &pattern[..0]);
        }
        let translated = Translation::new(pattern).run()?;
        RegexBuilder::new(&translated)
            .size_limit(PROGRAM_BYTES_MAX)
            .nest_limit(DEPTH_MAX * 4)
            .build()
            .map(Self)
            .or_else(|_| refuse("expression too large", ""))
    }

    /// Whether any part of `tag` matches.
    pub fn matches(&self, tag: &str) -> bool {
        self.0.is_match(tag.as_bytes())
    }
}

struct Translation<'a> {
    whole: &'a str,
    rest: &'a str,
    out: String,
    /// Repeat product of what was read in each open group.
    open: Vec<u32>,
    /// What a repetition would apply to.
    last: Last,
}

/// The element before the current place.
#[derive(Clone, Copy)]
enum Last {
    /// None: start of a group or of an alternative.
    None,
    /// One that may be repeated; its nested repeat product.
    Element(u32),
    /// A repetition, and where it began.
    Repeated(usize),
}

impl<'a> Translation<'a> {
    fn new(pattern: &'a str) -> Self {
        Self { whole: pattern, rest: pattern, out: String::new(), open: vec![1], last: Last::None }
    }

    fn run(mut self) -> Result<String, InvalidFilter> {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.out.push('|');
                    self.advance(1);
                    self.last = Last::None;
                }
                '*' | '+' | '?' => self.repeat(1, None)?,
                '{' => self.brace()?,
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' | '^' | '$' => self.element(c.encode_utf8(&mut [0; 4]), 1),
                c => self.element(&regex::escape(c.encode_utf8(&mut [0; 4])), c.len_utf8()),
            }
        }
        if self.open.len() > 1 {
            return refuse("missing closing )", self.whole);
        }
        Ok(self.out)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    fn element(&mut self, text: &str, bytes: usize) {
        self.out.push_str(text);
        self.advance(bytes);
        self.last = Last::Element(1);
    }

    fn open_group(&mut self) -> Result<(), InvalidFilter> {
        if let Some(named) = self.rest.strip_prefix("(?P<").or(self.rest.strip_prefix("(?<")) {
            let Some(end) = named.find('>') else {
                return refuse("invalid named capture", self.rest);
            };
            let head = self.rest.len() - named.len() + end + 1;
            let name = &named[..end];
            if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
                return refuse("invalid named capture", &self.rest[..head]);
            }
            // Names are of no use here, and Rust's may not begin with a digit.
            return self.push_group("(", head);
        }
        if !self.rest.starts_with("(?") {
            return self.push_group("(", 1);
        }
        let (flags, bytes) = flags(self.rest)?;
        if self.rest[..bytes].ends_with(':') {
            return self.push_group(&format!("(?{flags}:"), bytes);
        }
        if !flags.is_empty() {
            self.out.extend(["(?", flags, ")"]);
        }
        self.advance(bytes);
        Ok(())
    }

    fn push_group(&mut self, text: &str, bytes: usize) -> Result<(), InvalidFilter> {
        if self.open.len() > DEPTH_MAX as usize - 1 {
            return refuse("expression nests too deeply", self.whole);
        }
        self.out.push_str(text);
        self.advance(bytes);
        self.open.push(1);
        self.last = Last::None;
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), InvalidFilter> {
        if self.open.len() == 1 {
            return refuse("unexpected )", self.whole);
        }
        let inner = self.open.pop().unwrap_or(1);
        self.out.push(')');
        self.advance(1);
        self.note(inner);
        self.last = Last::Element(inner);
        Ok(())
    }

    /// Remembers the largest repeat product of the open group.
    fn note(&mut self, product: u32) {
        if let Some(open) = self.open.last_mut() {
            *open = product.max(*open);
        }
    }

    /// `*`, `+`, `?` or `{n,m}` of `bytes` bytes, and a following `?`.
    fn repeat(&mut self, bytes: usize, most: Option<u32>) -> Result<(), InvalidFilter> {
        let operator = &self.rest[..bytes];
        let lazy = usize::from(self.rest[bytes..].starts_with('?'));
        let product = match self.last {
            Last::None => return refuse("missing argument to repetition operator", operator),
            Last::Repeated(from) => {
                let part = &self.whole[from..self.at() + bytes + lazy];
                return refuse("invalid nested repetition operator", part);
            }
            Last::Element(inner) => inner.saturating_mul(most.unwrap_or(1).max(1)),
        };
        if most.is_some_and(|most| most >= 2) && product > REPEAT_MAX {
            return refuse("invalid repeat count", operator);
        }
        let from = self.at();
        self.out.push_str(&self.rest[..bytes + lazy]);
        self.advance(bytes + lazy);
        self.note(product);
        self.last = Last::Repeated(from);
        Ok(())
    }

    fn brace(&mut self) -> Result<(), InvalidFilter> {
        let Some((bytes, least, most)) = repeat_counts(self.rest) else {
            self.element(r"\{", 1);
            return Ok(());
        };
        let most = most.unwrap_or(least);
        if least > REPEAT_MAX || most > REPEAT_MAX || least > most {
            return refuse("invalid repeat count", &self.rest[..bytes]);
        }
        self.repeat(bytes, Some(most))
    }

    fn escape(&mut self) -> Result<(), InvalidFilter> {
        if let Some(quoted) = self.rest.strip_prefix(r"\Q") {
            let (text, end) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            for c in text.chars() {
                self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                self.last = Last::Element(1);
            }
            self.rest = end;
            return Ok(());
        }
        let translated = match self.rest.as_bytes().get(1) {
            Some(b'A') => r"\A",
            Some(b'z') => r"\z",
            Some(b'b') => r"(?-u:\b)",
            Some(b'B') => r"(?-u:\B)",
            _ => "",
        };
        if !translated.is_empty() {
            self.element(translated, 2);
            return Ok(());
        }
        if let Some((class, bytes)) = class_escape(self.rest)? {
            self.element(&format!("(?-i:[{class}])"), bytes);
            return Ok(());
        }
        let (c, bytes) = escaped_char(self.rest)?;
        self.element(&literal(c), bytes);
        Ok(())
    }

    fn class(&mut self) -> Result<(), InvalidFilter> {
        let whole = self.rest;
        let negated = whole.starts_with("[^");
        self.out.push_str(if negated { "[^" } else { "[" });
        self.advance(1 + usize::from(negated));
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.is_empty() {
                return refuse("missing closing ]", whole);
            }
            if let Some((class, bytes)) = posix_class(self.rest)? {
                self.out.push_str(&class);
                self.advance(bytes);
                continue;
            }
            if let Some((class, bytes)) = class_escape(self.rest)? {
                self.out.extend(["[", &class, "]"]);
                self.advance(bytes);
                continue;
            }
            self.class_range(whole)?;
        }
        self.out.push(']');
        self.advance(1);
        self.last = Last::Element(1);
        Ok(())
    }

    fn class_range(&mut self, whole: &str) -> Result<(), InvalidFilter> {
        let start = self.rest;
        let low = self.class_char(whole)?;
        let range =
            self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1;
        if !range {
            self.out.push_str(&literal(low));
            return Ok(());
        }
        self.advance(1);
        let high = self.class_char(whole)?;
        if high < low {
            let part = &start[..start.len() - self.rest.len()];
            return refuse("invalid character class range", part);
        }
        self.out.extend([&literal(low), "-", &literal(high)]);
        Ok(())
    }

    fn class_char(&mut self, whole: &str) -> Result<char, InvalidFilter> {
        let (c, bytes) = match self.rest.chars().next() {
            None => return refuse("missing closing ]", whole),
            Some('\\') => escaped_char(self.rest)?,
            Some(c) => (c, c.len_utf8()),
        };
        self.advance(bytes);
        Ok(c)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// security.md, D5.
    #[test]
    fn filters_are_bounded() {
        let tag = "a".repeat(1 << 20);
        let matches = |pattern: &str| Filter::new(pattern).map(|filter| filter.matches(&tag)).ok();
        assert_eq!(matches("(a+)+$"), Some(true));
        assert_eq!(matches("(a|aa)+b"), Some(false));
        for pattern in ["x".repeat(1 << 20), "((a{100}){100}){100}".into()] {
            assert_eq!(matches(&pattern), None, "{}", &pattern[..8]);
        }
    }

    #[test]
    fn searches_with_ascii_classes() {
        for (pattern, tag, expected) in [
            (r"\d", "٣", false),
            (r"[\w.]+$", "é", false),
            (r"^(?P<1v>\Q1.\E)", "1.2", true),
            (r"[a&&b]", "&", true),
            (r"a{,2}", "a{,2}", true),
        ] {
            let found = Filter::new(pattern).map(|filter| filter.matches(tag));
            assert_eq!(found, Ok(expected), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_answered(pattern in r"[\[\](){}\\|*+?^$.:a-z0-9,<>!=é-]{0,24}") {
            let answer = Filter::new(&pattern).map(|filter| filter.matches("v1.2.3"));
            // What Go accepts, Rust's engine must accept too.
            if let Err(error) = answer {
                prop_assert_ne!(error.problem, "expression too large");
            }
        }
    }
}
