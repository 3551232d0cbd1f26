//! Version ranges in the reference's grammar (ocirepository.md, 5.1 and 20.4).
//!
//! The grammar differs from Cargo's and npm's: `||` joins groups, blanks and commas join
//! comparators, a partial version means its whole line, and one pre-release in a group opens the
//! whole group to pre-releases.

use std::cmp::Ordering;
use std::sync::LazyLock;

use artifact::text::quoted;
use regex::{Captures, Regex};

use crate::version::{Version, compare_pre};

/// A longer range is refused.
const TEXT_BYTES_MAX: usize = 512;
/// More `||` groups are refused.
const GROUPS_MAX: usize = 32;

/// White space is ASCII in this grammar.
const BLANK: &str = r"[\t\n\f\r ]";
const OPERATOR: &str = r"(?:=|!=|>|<|>=|=>|<=|=<|~|~>|\^|)";
const VERSION: &str = concat!(
    r"v?(?:[0-9|xX*]+)(?:\.[0-9|xX*]+)?(?:\.[0-9|xX*]+)?",
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
);
const PARTS: &str = concat!(
    r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?",
    r"(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
);

struct Grammar {
    hyphen_range: Regex,
    group: Regex,
    find: Regex,
    comparator: Regex,
}

#[expect(clippy::unwrap_used, reason = "the patterns are constants and every test compiles them")]
static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let regex = |pattern: String| Regex::new(&pattern).unwrap();
    let (s, o, v) = (BLANK, OPERATOR, VERSION);
    Grammar {
        hyphen_range: regex(format!("{s}*({v}){s}+-{s}+({v}){s}*")),
        group: regex(format!("^({s}*{o}{s}*{v}{s}*)((?:{s}+|,{s}*){o}{s}*{v}{s}*)*$")),
        find: regex(format!("{o}{s}*{v}")),
        comparator: regex(format!("^{s}*({o}){s}*{PARTS}{s}*$")),
    }
});

/// Why a text is no range; both texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConstraint {
    /// Not in the grammar.
    #[error("improper constraint: {}", quoted(.0))]
    Improper(String),
    /// In the grammar, but no version.
    #[error("constraint parser error")]
    Version,
    /// Too long.
    #[error("constraint string is too long (max {TEXT_BYTES_MAX} bytes)")]
    TooLong,
    /// Too many alternatives.
    #[error("too many constraint groups (max {GROUPS_MAX})")]
    TooManyGroups,
}

/// A range of versions: any of its groups, all of a group's comparators.
#[derive(Clone, Debug)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    comparators: Vec<Comparator>,
    admits_pre: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How much of a comparator's version was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    Whole,
    NoPatch,
    NoMinor,
    Any,
}

#[derive(Clone, Debug)]
struct Comparator {
    operator: Operator,
    version: Version,
    precision: Precision,
}

impl Constraint {
    /// Reads a range.
    pub fn parse(text: &str) -> Result<Self, InvalidConstraint> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidConstraint::TooLong);
        }
        let text = rewrite_hyphen_ranges(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > GROUPS_MAX {
            return Err(InvalidConstraint::TooManyGroups);
        }
        let groups = groups.into_iter().map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.admits(version))
    }

    /// Whether the version written as `text` is in the range; a text that is none is not.
    pub fn admits_text(&self, text: &str) -> bool {
        Version::parse(text).is_some_and(|version| self.admits(&version))
    }
}

/// `A - B` reads `>= A, <= B`; error texts show it so.
fn rewrite_hyphen_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    for range in GRAMMAR.hyphen_range.captures_iter(text) {
        out = out.replacen(&range[0], &format!(">= {}, <= {} ", &range[1], &range[2]), 1);
    }
    out
}

impl Group {
    fn parse(text: &str) -> Result<Self, InvalidConstraint> {
        if !GRAMMAR.group.is_match(text) {
            return Err(InvalidConstraint::Improper(text.into()));
        }
        let found = GRAMMAR.find.find_iter(text).map(|part| Comparator::parse(part.as_str()));
        let comparators: Vec<Comparator> = found.collect::<Result<_, _>>()?;
        let admits_pre = comparators.iter().any(|one| !one.version.pre.is_empty());
        Ok(Self { comparators, admits_pre })
    }

    fn admits(&self, version: &Version) -> bool {
        (self.admits_pre || version.pre.is_empty())
            && self.comparators.iter().all(|comparator| comparator.admits(version))
    }
}

impl Comparator {
    fn parse(text: &str) -> Result<Self, InvalidConstraint> {
        let parts = GRAMMAR
            .comparator
            .captures(text)
            .ok_or_else(|| InvalidConstraint::Improper(text.into()))?;
        let part = |index| parts.get(index).map_or("", |part| part.as_str());
        let pre = part(5);
        let (precision, version) = if is_any(part(2)) {
            (Precision::Any, format!("0.0.0{pre}"))
        } else if is_any(part(3)) {
            (Precision::NoMinor, format!("{}.0.0{pre}", part(2)))
        } else if is_any(part(4)) {
            (Precision::NoPatch, format!("{}{}.0{pre}", part(2), part(3)))
        } else {
            (Precision::Whole, format!("{}{}{}{pre}", part(2), part(3), part(4)))
        };
        let version = Version::parse(&version).ok_or(InvalidConstraint::Version)?;
        Ok(Self { operator: operator(&parts), version, precision })
    }

    fn admits(&self, version: &Version) -> bool {
        let bound = &self.version;
        let order = version.cmp(bound);
        match self.operator {
            Operator::Equal if self.precision == Precision::Whole => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.in_tilde(version),
            Operator::NotEqual => self.is_different(version),
            Operator::Greater => self.is_less_than(version),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual if self.precision == Precision::Whole => {
                order != Ordering::Greater
            }
            Operator::LessOrEqual => {
                let minor_open = self.precision == Precision::NoMinor;
                version.major < bound.major
                    || version.major == bound.major && (minor_open || version.minor <= bound.minor)
            }
            Operator::Caret => self.in_caret(version),
        }
    }

    fn is_less_than(&self, version: &Version) -> bool {
        let bound = &self.version;
        match self.precision {
            Precision::NoMinor => version.major > bound.major,
            Precision::NoPatch => (version.major, version.minor) > (bound.major, bound.minor),
            Precision::Whole | Precision::Any => version > bound,
        }
    }

    fn is_different(&self, version: &Version) -> bool {
        let bound = &self.version;
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        match self.precision {
            Precision::NoMinor => !same_major,
            Precision::NoPatch => {
                !same_minor || compare_pre(&version.pre, &bound.pre) != Ordering::Equal
            }
            Precision::Whole | Precision::Any => version != bound,
        }
    }

    /// `~0.0.0` and `~*` admit everything that is not lower.
    fn in_tilde(&self, version: &Version) -> bool {
        let bound = &self.version;
        let zero = (bound.major, bound.minor, bound.patch) == (0, 0, 0);
        if version < bound {
            return false;
        }
        match self.precision {
            Precision::Whole | Precision::Any if zero => true,
            Precision::NoMinor => version.major == bound.major,
            _ => (version.major, version.minor) == (bound.major, bound.minor),
        }
    }

    /// `^*` admits 0.0.0 only.
    fn in_caret(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version < bound || version.major != bound.major {
            return false;
        }
        if bound.major > 0 || self.precision == Precision::NoMinor {
            return true;
        }
        if version.minor != bound.minor {
            return false;
        }
        bound.minor > 0 || self.precision == Precision::NoPatch || version.patch == bound.patch
    }
}

fn is_any(part: &str) -> bool {
    matches!(part.strip_prefix('.').unwrap_or(part), "" | "x" | "X" | "*")
}

fn operator(parts: &Captures<'_>) -> Operator {
    match &parts[1] {
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::GreaterOrEqual,
        "<=" | "=<" => Operator::LessOrEqual,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => Operator::Equal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(range: &str, version: &str, expected: bool) {
        let found = Constraint::parse(range).map(|range| range.admits_text(version));
        assert_eq!(found, Ok(expected), "{range} {version}");
    }

    #[test]
    fn partial_versions_mean_their_line() {
        check("1.2", "1.2.9", true);
        check("1.2", "1.3.0", false);
        check(">1.2", "1.2.9", false);
        check(">1.2", "1.3.0", true);
        check("<=1.2", "1.2.9", true);
        check("~0.0.0", "9.0.0", true);
        check("^0.0.3", "0.0.4", false);
        check("1 - 2", "2.9.9", true);
        check("<1 || >=2, !=2.1.x", "2.1.5", false);
    }

    #[test]
    fn one_pre_release_opens_its_group() {
        check(">=1.0.0", "1.1.0-rc.1", false);
        check(">=1.0.0-0 <2.0.0", "2.0.0-rc.1", true);
        check(">=3.0.0-0 || >=1.0.0", "1.1.0-rc.1", false);
    }

    #[test]
    fn what_is_no_range_says_so() {
        let error = |text: &str| Constraint::parse(text).err().map(|error| error.to_string());
        assert_eq!(error("not a range").as_deref(), Some("improper constraint: \"not a range\""));
        assert_eq!(error("1 | 2").as_deref(), Some("constraint parser error"));
        let long = "constraint string is too long (max 512 bytes)";
        assert_eq!(error(&"1".repeat(513)).as_deref(), Some(long));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,64}", version in "[0-9.x-]{0,12}") {
            let _ = Constraint::parse(&text).map(|range| range.admits_text(&version));
        }

        #[test]
        fn a_version_is_in_its_own_line(a in 0u64..50, b in 0u64..50, c in 0u64..50) {
            let version = format!("{a}.{b}.{c}");
            for range in ["=", ">=", "<=", "~", "^", ""] {
                check(&format!("{range}{version}"), &version, true);
            }
            check(&format!("{a}.{b}"), &version, true);
            check(&format!("!={a}.{b}.x"), &version, false);
        }
    }
}
