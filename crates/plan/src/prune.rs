//! What to delete of what left the source, and what to leave (kustomization.md, 10).

use manifest::{Object, ObjectId};

use crate::inventory::Entry;
use crate::ownership::{OWNER_NAME, OWNER_NAMESPACE};
use crate::sighting::Sighting;
use crate::stage::rank;

/// Who a Kustomization is, on the labels of its objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// Whom an object's labels name; nobody has no name.
    pub fn of(object: &Object) -> Self {
        let label = |key: &str| object.label(key).unwrap_or_default().to_owned();
        Self { name: label(OWNER_NAME), namespace: label(OWNER_NAMESPACE) }
    }
}

/// What is to be done with one object that left the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delete exactly this incarnation.
    Delete {
        /// `metadata.uid`, the precondition of the deletion.
        uid: String,
    },
    /// It is gone already: say that it was deleted.
    Gone,
    /// It is on its way out: nothing to do, and nothing to say again.
    Terminating,
    /// It is not ours any more or asks to be kept: forget it.
    Skip,
}

/// Decides about one object that left the source.
pub fn verdict(seen: Option<&Sighting>, owner: &Owner) -> Verdict {
    let Some(seen) = seen else { return Verdict::Gone };
    if seen.owner != *owner || seen.is_kept {
        return Verdict::Skip;
    }
    if seen.is_terminating {
        return Verdict::Terminating;
    }
    Verdict::Delete { uid: seen.mark.uid.clone() }
}

/// Sorts into delete order, the reverse of apply order.
pub fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| key(&b.id).cmp(&key(&a.id)));
}

fn key(id: &ObjectId) -> (usize, &ObjectId) {
    (rank(&id.kind), id)
}
