//! What the metadata of a live object says: enough to tell whether anything has changed that an
//! apply is about, and whether the object may be deleted (decisions.md, W7 and W14).

use manifest::{Object, Value};

use crate::digest::{Hasher, Sum};
use crate::markers;
use crate::prune::Owner;
use crate::reports::{asked, is_report, managers};

/// Which state of which incarnation of an object was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Digest of everything in the metadata that moves when somebody changes what an apply sets.
    sum: Sum,
}

/// What was seen of a live object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which state.
    pub mark: Mark,
    /// Whom its labels name as its owner.
    pub owner: Owner,
    /// Whether it asks to be kept when it leaves the source.
    pub is_kept: bool,
    /// Whether it is on its way out.
    pub is_terminating: bool,
}

impl Sighting {
    /// What an object's metadata says; its other parts, where there are any, do not matter.
    pub fn of(live: &Object) -> Self {
        Self {
            mark: Mark::of(live),
            owner: Owner::of(live),
            is_kept: markers::is_kept(live),
            is_terminating: live.at(&["metadata", "deletionTimestamp"]).is_some(),
        }
    }
}

impl Mark {
    /// The mark of an object's metadata.
    ///
    /// What controllers report through subresources moves the resource version, but not the
    /// generation, and is kept apart among the managed fields. A kind that counts no generations
    /// has only its resource version to go by.
    pub fn of(live: &Object) -> Self {
        let text = |key: &str| {
            let value = live.at(&["metadata", key]).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let part = |key: &str| live.at(&["metadata", key]);
        let mut hasher = Hasher::default();
        hasher
            .value(part("generation").or_else(|| part("resourceVersion")).unwrap_or(&Value::Null));
        for key in ["deletionTimestamp", "finalizers", "ownerReferences"] {
            hasher.value(part(key).unwrap_or(&Value::Null));
        }
        for entry in managers(live.value()).iter().filter(|entry| !is_report(entry)) {
            hasher.value(entry);
        }
        for key in ["labels", "annotations"] {
            hasher.pairs(asked(live.value(), key));
        }
        Self { uid: text("uid"), version: text("resourceVersion"), sum: hasher.finish() }
    }

    /// Whether `seen` shows the same state as this mark, or an older one: a watch that lags behind
    /// our own writes is no news.
    pub(crate) fn still_holds(&self, seen: &Mark) -> bool {
        self.uid == seen.uid && (self.sum == seen.sum || seen.is_older(self))
    }

    /// Whether this state came before another; resource versions are numbers that grow.
    pub fn is_older(&self, than: &Mark) -> bool {
        matches!(
            (self.version.parse::<u64>(), than.version.parse::<u64>()),
            (Ok(this), Ok(than)) if this < than
        )
    }
}
