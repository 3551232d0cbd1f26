//! Versions as the reference's library reads and orders them (ocirepository.md, 5 and 20.5).

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

/// A longer text is no version.
const TEXT_BYTES_MAX: usize = 256;

#[expect(clippy::unwrap_used, reason = "the pattern is a constant and a test compiles it")]
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    let identifiers = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*";
    let pattern = format!(
        r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({identifiers}))?(?:\+{identifiers})?$"
    );
    Regex::new(&pattern).unwrap()
});

/// A version; build metadata is dropped, because it never decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    /// Empty for a release.
    pub(crate) pre: String,
}

impl Version {
    /// Reads `v?MAJOR[.MINOR][.PATCH][-pre][+meta]`; leading zeros of the numbers are tolerated.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let parts = VERSION.captures(text)?;
        let number = |index| parts.get(index).map_or(Some(0), |part| part.as_str().parse().ok());
        let pre = parts.get(4).map_or("", |part| part.as_str());
        let leading_zero = |id: &str| {
            id.len() > 1 && id.starts_with('0') && id.bytes().all(|c| c.is_ascii_digit())
        };
        if pre.split('.').any(leading_zero) {
            return None;
        }
        Some(Self { major: number(1)?, minor: number(2)?, patch: number(3)?, pre: pre.into() })
    }

    /// Reads a tag: a version that is written with at least three dotted parts.
    pub(crate) fn parse_tag(tag: &str) -> Option<Self> {
        if tag.splitn(3, '.').count() < 3 { None } else { Self::parse(tag) }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| compare_pre(&self.pre, &other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders two pre-releases; none at all is the highest.
pub(crate) fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.split('.').map(Identifier::new).cmp(b.split('.').map(Identifier::new)),
    }
}

/// Numbers come before text; a number beyond 64 bits counts as text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Text(&'a str),
}

impl<'a> Identifier<'a> {
    fn new(text: &'a str) -> Self {
        match text.parse() {
            Ok(number) if text.bytes().all(|c| c.is_ascii_digit()) => Self::Number(number),
            _ => Self::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(texts: &[&str]) {
        let versions: Vec<_> = texts.iter().filter_map(|text| Version::parse(text)).collect();
        assert_eq!(versions.len(), texts.len());
        assert!(versions.is_sorted_by(|a, b| a < b), "{texts:?}");
    }

    #[test]
    fn orders_by_precedence() {
        ordered(&["1.0.0-1", "1.0.0-2", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0", "v1.0.1", "1.10"]);
        ordered(&["1.0.0-9", "1.0.0-18446744073709551616"]);
    }

    #[test]
    fn tags_need_three_parts() {
        assert!(Version::parse_tag("1.2").is_none());
        assert!(Version::parse_tag("v1").is_none());
        assert!(Version::parse_tag("2025.02.03").is_some());
        assert!(Version::parse_tag("1.2-rc.1").is_some_and(|version| version.pre == "rc.1"));
        assert!(Version::parse_tag("1.2.3-01").is_none());
    }
}
