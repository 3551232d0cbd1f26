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
