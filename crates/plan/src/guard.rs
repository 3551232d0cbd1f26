//! The prune guard: how much may leave the cluster before somebody is asked (ours, off by default).
//!
//! What would be pruned has a digest; who has looked at it allows exactly that by naming the digest.

use std::fmt;
use std::str::FromStr;

use manifest::ObjectId;
use sha2::{Digest as _, Sha256};

use crate::inventory::Entry;

/// Longer rules are none of a person's.
const RULES_BYTES_MAX: usize = 4096;
/// Objects that a refusal names; the others are counted.
const OBJECTS_NAMED_MAX: usize = 20;

/// What may not be pruned unasked. Written as a list: `empty`, `10`, `25%`, `Namespace`, `apps/Deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Whether a build without objects is refused.
    empty: bool,
    /// The most objects.
    objects_max: Option<usize>,
    /// The largest share of the inventory, in percent.
    percent_max: Option<usize>,
    /// Kinds of which no object goes: group, if it counts, and kind.
    kinds: Vec<(Option<String>, String)>,
}

/// A rule that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no rule of a prune guard: write `empty`, a number of objects, a share as `25%`, or a \
     kind as `Namespace` or `apps/Deployment`, several with commas"
)]
pub struct InvalidGuard(String);

impl FromStr for Guard {
    type Err = InvalidGuard;

    /// Reads a list of rules; an empty list refuses nothing.
    fn from_str(text: &str) -> Result<Self, InvalidGuard> {
        let mut guard = Self::default();
        if text.len() > RULES_BYTES_MAX {
            return Err(InvalidGuard(format!("a text of {} bytes", text.len())));
        }
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let invalid = || InvalidGuard(rule.to_owned());
            if rule == "empty" {
                guard.empty = true;
            } else if let Some(share) = rule.strip_suffix('%') {
                let share = share.parse().ok().filter(|share| *share <= 100);
                guard.percent_max = Some(share.ok_or_else(invalid)?);
            } else if rule.starts_with(|c: char| c.is_ascii_digit()) {
                guard.objects_max = Some(rule.parse().map_err(|_| invalid())?);
            } else {
                guard.kinds.push(kind(rule).ok_or_else(invalid)?);
            }
        }
        Ok(guard)
    }
}

/// `Kind` or `group/Kind`.
fn kind(rule: &str) -> Option<(Option<String>, String)> {
    let (group, kind) = match rule.split_once('/') {
        Some((group, kind)) => (Some(group.to_owned()), kind),
        None => (None, rule),
    };
    let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    is_kind.then(|| (group, kind.to_owned()))
}

/// What a run would prune.
#[derive(Clone, Copy, Debug)]
pub struct Pruning<'a> {
    /// What left the source.
    pub stale: &'a [Entry],
    /// How many objects were ours before.
    pub owned: usize,
    /// How many the build has.
    pub built: usize,
}

/// Why nothing is pruned, and how it would be. Its text is for the person who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What speaks against it.
    pub causes: Vec<String>,
    /// Digest of what would be pruned: `sha256:` and hexadecimal digits.
    pub digest: String,
    named: Vec<String>,
    others: usize,
}

impl Guard {
    /// Decides about a prune; `allowed` is the digest that somebody has allowed.
    pub fn judge(&self, pruning: &Pruning<'_>, allowed: Option<&str>) -> Result<(), Blocked> {
        blocked(self.causes(pruning), pruning.stale, allowed)
    }

    fn causes(&self, pruning: &Pruning<'_>) -> Vec<String> {
        let count = pruning.stale.len();
        let mut causes = Vec::new();
        if count == 0 {
            return causes;
        }
        if self.empty && pruning.built == 0 {
            causes.push("the build is empty".into());
        }
        if let Some(most) = self.objects_max.filter(|most| count > *most) {
            causes.push(format!("{count} objects are more than {most}"));
        }
        if let Some(most) = self.percent_max.filter(|most| count * 100 > *most * pruning.owned) {
            causes.push(format!("{count} of {} objects are more than {most}%", pruning.owned));
        }
        let guarded = pruning.stale.iter().filter(|entry| self.protects(&entry.id)).count();
        if guarded > 0 {
            causes.push(format!("{guarded} are of a protected kind"));
        }
        causes
    }

    fn protects(&self, id: &ObjectId) -> bool {
        let fits = |group: &Option<String>| group.as_ref().is_none_or(|group| *group == id.group);
        self.kinds.iter().any(|(group, kind)| fits(group) && *kind == id.kind)
    }
}

impl InvalidGuard {
    /// Decides about a prune under a guard that cannot be read: nobody knows what it would refuse, so
    /// everything has to be allowed.
    pub fn judge(&self, pruning: &Pruning<'_>, allowed: Option<&str>) -> Result<(), Blocked> {
        let causes = if pruning.stale.is_empty() { Vec::new() } else { vec![self.to_string()] };
        blocked(causes, pruning.stale, allowed)
    }
}

fn blocked(causes: Vec<String>, stale: &[Entry], allowed: Option<&str>) -> Result<(), Blocked> {
    let digest = digest(stale);
    if causes.is_empty() || allowed == Some(&digest) {
        return Ok(());
    }
    let mut subjects: Vec<String> = stale.iter().map(|entry| entry.id.subject()).collect();
    subjects.sort();
    let others = subjects.len().saturating_sub(OBJECTS_NAMED_MAX);
    subjects.truncate(OBJECTS_NAMED_MAX);
    Err(Blocked { causes, digest, named: subjects, others })
}

/// Digest of a set of objects, whatever their order.
fn digest(stale: &[Entry]) -> String {
    let mut ids: Vec<String> = stale.iter().map(|entry| entry.id.to_string()).collect();
    ids.sort();
    let digits = Sha256::digest(ids.join("\n"));
    digits.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

impl fmt::Display for Blocked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (causes, named) = (self.causes.join("; "), self.named.join(", "));
        write!(out, "nothing is pruned: {causes}. It would be {named}")?;
        if self.others > 0 {
            write!(out, " and {} more", self.others)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn entries(ids: &[&str]) -> Vec<Entry> {
        let entry = |id: &&str| Entry { id: ObjectId::parse(id).unwrap(), version: "v1".into() };
        ids.iter().map(entry).collect()
    }

    fn causes(rules: &str, stale: &[&str], owned: usize, built: usize) -> String {
        let (guard, stale): (Guard, _) = (rules.parse().unwrap(), entries(stale));
        let judged = guard.judge(&Pruning { stale: &stale, owned, built }, None);
        judged.err().map_or_else(|| "-".into(), |blocked| blocked.causes.join("; "))
    }

    #[test]
    fn each_rule_refuses_what_it_is_about() {
        let two = ["ns_a__ConfigMap", "ns_b__ConfigMap"];
        assert_eq!(causes("", &two, 2, 0), "-");
        assert_eq!(causes("empty", &two, 2, 0), "the build is empty");
        assert_eq!(causes("empty", &two, 3, 1), "-");
        assert_eq!(causes("empty, 0, 0%, ConfigMap", &[], 0, 0), "-", "nothing goes");
        assert_eq!(causes("1", &two, 9, 7), "2 objects are more than 1");
        assert_eq!(causes("2", &two, 9, 7), "-");
        assert_eq!(causes("50%", &two, 3, 1), "2 of 3 objects are more than 50%");
        assert_eq!(causes("50%", &two, 4, 2), "-");
        assert_eq!(causes("ConfigMap", &two, 9, 7), "2 are of a protected kind");
        assert_eq!(causes("apps/ConfigMap, Namespace", &two, 9, 7), "-");
        assert_eq!(causes("Namespace,1", &["_x__Namespace"], 9, 8), "1 are of a protected kind");
        let all = causes("empty,1,25%,/ConfigMap", &two, 2, 0);
        assert_eq!(all.split("; ").count(), 4, "{all}");
    }

    #[test]
    fn rules_that_are_none_are_named_and_refuse_everything() {
        for rules in [
            "disable",
            "101%",
            "x%",
            "-1",
            "1x",
            "name space",
            "apps/",
            "empty;3",
            "99999999999999999999999",
        ] {
            assert!(rules.parse::<Guard>().is_err(), "{rules}");
        }
        let invalid = "empty, many".parse::<Guard>().unwrap_err();
        assert!(invalid.to_string().starts_with("'many' is no rule of a prune guard: "));
        assert!(Guard::from_str(&"1,".repeat(RULES_BYTES_MAX)).is_err());
        let stale = entries(&["ns_a__ConfigMap"]);
        let pruning = Pruning { stale: &stale, owned: 9, built: 8 };
        let blocked = invalid.judge(&pruning, None).unwrap_err();
        assert_eq!(invalid.judge(&pruning, Some(&blocked.digest)), Ok(()));
        assert_eq!(invalid.judge(&Pruning { stale: &[], ..pruning }, None), Ok(()));
    }

    #[test]
    fn exactly_what_was_looked_at_is_allowed() {
        let guard: Guard = "0".parse().unwrap();
        let judge = |ids: &[&str], allowed: Option<&str>| {
            let stale = entries(ids);
            guard.judge(&Pruning { stale: &stale, owned: 9, built: 1 }, allowed)
        };
        let seen = judge(&["ns_a__ConfigMap", "ns_b_apps_Deployment"], None).unwrap_err();
        expect![[r#"nothing is pruned: 2 objects are more than 0. It would be ConfigMap/ns/a, Deployment/ns/b"#]]
            .assert_eq(&seen.to_string());
        let digest = Some(seen.digest.as_str());
        assert_eq!(judge(&["ns_b_apps_Deployment", "ns_a__ConfigMap"], digest), Ok(()));
        for other in
            [&["ns_a__ConfigMap"][..], &["ns_a__ConfigMap", "ns_b_apps_Deployment", "ns_c__Secret"]]
        {
            assert!(judge(other, digest).is_err());
        }
        let many: Vec<String> = (0..25).map(|i| format!("ns_m{i}__ConfigMap")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = judge(&many, None).unwrap_err().to_string();
        assert!(text.ends_with(" and 5 more"), "{text}");
    }
}
