//! Which tag of a repository is wanted (ocirepository.md, 1 and 5).

use crate::constraint::{Constraint, InvalidConstraint};
use crate::filter::{Filter, InvalidFilter};
use crate::version::Version;

/// The layer media type whose tags write `_` for `+`.
const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What a source asks for, by precedence: digest, range, tag, `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Select {
    /// This content; not checked before it is used.
    Digest(String),
    /// The highest tag of a range.
    SemVer(Range),
    /// This tag; sent as it is.
    Tag(String),
}

/// A range of versions over the tags that pass a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The range as written.
    pub expression: String,
    /// A regular expression on raw tags; empty means all.
    pub filter: String,
    /// How tags spell versions.
    pub spelling: Spelling,
}

/// How tags spell versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Spelling {
    /// As they are.
    #[default]
    Plain,
    /// With `_` for `+`, because a tag cannot hold `+`.
    Chart,
}

/// No tag can be chosen; the texts are those of ocirepository.md, 5.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTag {
    /// The filter is no regular expression.
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    /// The range is none.
    #[error("semver '{expression}' parse error")]
    Range {
        /// As written.
        expression: String,
        /// Why.
        source: InvalidConstraint,
    },
    /// Nothing matches.
    #[error("no match found for semver: {0}")]
    NoMatch(String),
}

impl Select {
    /// The newest tag by name.
    pub fn latest() -> Self {
        Self::Tag("latest".into())
    }
}

impl Spelling {
    /// The spelling that goes with a source's layer media type.
    pub fn of_layer(media_type: Option<&str>) -> Self {
        if media_type == Some(CHART_LAYER) { Self::Chart } else { Self::Plain }
    }

    fn tag(self, listed: &str) -> String {
        match self {
            Self::Plain => listed.into(),
            Self::Chart => listed.replace('+', "_"),
        }
    }

    fn version(self, tag: &str) -> Option<Version> {
        match self {
            Self::Plain => Version::parse_tag(tag),
            Self::Chart => Version::parse_tag(&tag.replace('_', "+")),
        }
    }
}

impl Range {
    /// The highest of `tags` in the range, spelled as it is in the registry.
    ///
    /// Tags that are no versions are passed over; of equal versions the first listed wins.
    pub fn select(&self, tags: &[String]) -> Result<String, NoTag> {
        let (filter, range) = self.parse()?;
        let passes = |tag: &str| filter.as_ref().is_none_or(|filter| filter.matches(tag));
        let mut best: Option<(Version, &str)> = None;
        for tag in tags.iter().filter(|tag| passes(tag)) {
            let Some(version) = self.spelling.version(tag) else { continue };
            let better = best.as_ref().is_none_or(|(highest, _)| version > *highest);
            if better && range.admits(&version) {
                best = Some((version, tag));
            }
        }
        best.map(|(_, tag)| self.spelling.tag(tag))
            .ok_or_else(|| NoTag::NoMatch(self.expression.clone()))
    }

    /// Whether a registry that offers `to` now, and offered `from` before, has lost what the range
    /// still prefers: `from` is in the range and higher (security.md, E6).
    ///
    /// A range that does not admit `from` any more was changed by somebody who wants something else.
    pub fn steps_back(&self, from: &str, to: &str) -> bool {
        let Ok((filter, range)) = self.parse() else { return false };
        let (Some(before), Some(now)) = (self.spelling.version(from), self.spelling.version(to))
        else {
            return false;
        };
        let passes = filter.is_none_or(|filter| filter.matches(from));
        passes && range.admits(&before) && before > now
    }

    fn parse(&self) -> Result<(Option<Filter>, Constraint), NoTag> {
        let filter = (!self.filter.is_empty()).then(|| Filter::new(&self.filter)).transpose()?;
        let range = Constraint::parse(&self.expression)
            .map_err(|source| NoTag::Range { expression: self.expression.clone(), source })?;
        Ok((filter, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(tags: &str, expression: &str, filter: &str, spelling: Spelling) -> Option<String> {
        let tags: Vec<String> = tags.split(' ').map(str::to_owned).collect();
        let range = Range { expression: expression.into(), filter: filter.into(), spelling };
        range.select(&tags).ok()
    }

    /// Scenarios B06 to B17.
    #[test]
    fn the_highest_version_in_range_wins() {
        let tags = "1.0.0 v1.2.0 1.2 1.2.3 1.10.0 2.0.0-rc.1 2.0.0 nightly latest";
        for (range, tag) in [
            ("1.x", "1.10.0"),
            ("^1.2", "1.10.0"),
            ("~1.2", "1.2.3"),
            (">=1.0.0, <2.0.0", "1.10.0"),
            (">=1.0.0 <2.0.0", "1.10.0"),
            ("1.2.0", "v1.2.0"),
            ("1.0.0 - 1.2.3", "1.2.3"),
            ("<1.1 || >=2", "2.0.0"),
            ("*", "2.0.0"),
        ] {
            assert_eq!(select(tags, range, "", Spelling::Plain).as_deref(), Some(tag), "{range}");
        }
        let pre = select("6.1.5-rc.1 6.1.6-rc.1 6.1.6", ">=6.1.x-0", ".*-rc.*", Spelling::Plain);
        assert_eq!(pre.as_deref(), Some("6.1.6-rc.1"));
    }

    /// Scenarios B02 to B05, B14, B24.
    #[test]
    fn filters_dates_and_empty_lists() {
        let podinfo = "6.1.4 6.1.5 6.1.5-beta.1 6.1.5-rc.1 6.1.6 6.1.6-rc.1 latest";
        let plain = |range: &str, filter: &str| select(podinfo, range, filter, Spelling::Plain);
        assert_eq!(plain("~6.1.x", "").as_deref(), Some("6.1.6"));
        assert_eq!(plain(">= 6.1.x-0", ".*-rc.*").as_deref(), Some("6.1.6-rc.1"));
        assert_eq!(plain(">= 6.1.x-0", ".*-alpha.*"), None);
        assert_eq!(plain("<= 6.1.0", ""), None);
        let dates = select("2025.02.03 2025.2.4", ">=2025.0.0", "", Spelling::Plain);
        assert_eq!(dates.as_deref(), Some("2025.2.4"));
        let range =
            Range { expression: "*".into(), filter: String::new(), spelling: Spelling::Plain };
        let none = range.select(&[]).map_err(|error| error.to_string());
        assert_eq!(none, Err("no match found for semver: *".into()));
    }

    /// security.md, E6: what a registry adds to a version chooses nothing, and neither does the order
    /// of other tags.
    #[test]
    fn twins_of_a_version_are_told_apart_by_the_list_only() {
        let plain = |tags: &str| select(tags, ">=1.0.0", "", Spelling::Plain);
        assert_eq!(plain("1.0.0+a 1.0.0+b 0.9.0").as_deref(), Some("1.0.0+a"));
        assert_eq!(plain("0.9.0 1.0.0+b 1.0.0+a").as_deref(), Some("1.0.0+b"));
        assert_eq!(plain("1.0.0 v1.0.0").as_deref(), Some("1.0.0"));
    }

    /// security.md, E6: only what the range would choose again has been lost.
    #[test]
    fn a_step_back_is_to_a_lower_version_of_the_same_range() {
        let back = |expression: &str, filter: &str, from: &str, to: &str| {
            let spelling = Spelling::Plain;
            let range = Range { expression: expression.into(), filter: filter.into(), spelling };
            range.steps_back(from, to)
        };
        assert!(back(">=1.0.0", "", "1.2.0", "1.1.0"));
        assert!(back(">=1.0.0-0", "-rc", "1.2.0-rc.2", "1.2.0-rc.1"));
        for (expression, filter, from, to) in [
            (">=1.0.0", "", "1.1.0", "1.2.0"),
            (">=1.0.0", "", "1.1.0+a", "1.1.0+b"),
            ("<=1.1.0", "", "1.2.0", "1.1.0"),
            (">=1.0.0", "^v", "1.2.0", "v1.1.0"),
            (">=1.0.0", "", "latest", "1.1.0"),
            (">=1.0.0", "", "1.2.0-rc.1", "1.1.0"),
            ("nonsense", "", "1.2.0", "1.1.0"),
        ] {
            assert!(!back(expression, filter, from, to), "{expression} {filter} {from} {to}");
        }
    }

    #[test]
    fn charts_spell_a_plus_as_an_underscore() {
        let chart = Spelling::of_layer(Some(CHART_LAYER));
        assert_eq!(select("6.2.1_a.1", ">=6.2.0", "", chart).as_deref(), Some("6.2.1_a.1"));
        assert_eq!(select("6.2.1_a.1", ">=6.2.0", "", Spelling::of_layer(None)), None);
    }
}
