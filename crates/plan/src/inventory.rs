//! The set of objects that we own, and its algebra (kustomization.md, 10; decisions.md, W1, W14).
//!
//! An id leaves the inventory only when its deletion is confirmed, or when the user's settings
//! forget it. So it is written ahead (what was ∪ what is planned) before the first write, and
//! trimmed after the last.

use std::collections::HashSet;

use manifest::{Object, ObjectId};

/// One object that we own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which object.
    pub id: ObjectId,
    /// The version it was applied in, without the group.
    pub version: String,
}

impl Entry {
    /// The entry of an object.
    pub fn of(object: &Object) -> Self {
        Self { id: object.id(), version: object.gvk().version }
    }
}

/// `planned`, followed by what `stored` has beyond it.
pub fn union(planned: &[Entry], stored: &[Entry]) -> Vec<Entry> {
    planned.iter().cloned().chain(stale(stored, planned)).collect()
}

/// What `stored` has and `desired` has not, whatever the version.
pub fn stale(stored: &[Entry], desired: &[Entry]) -> Vec<Entry> {
    let kept: HashSet<&ObjectId> = desired.iter().map(|entry| &entry.id).collect();
    stored.iter().filter(|entry| !kept.contains(&entry.id)).cloned().collect()
}
