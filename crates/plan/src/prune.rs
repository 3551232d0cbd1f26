//! What to delete of what left the source, and what to leave (kustomization.md, 10).

use manifest::{Object, ObjectId, Value};

use crate::inventory::Entry;
use crate::markers;
use crate::ownership::{OWNER_NAME, OWNER_NAMESPACE};
use crate::stage::rank;

/// Who a Kustomization is, on the labels of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
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
pub fn verdict(live: Option<&Object>, owner: &Owner) -> Verdict {
    let Some(live) = live else { return Verdict::Gone };
    let ours = live.label(OWNER_NAME) == Some(&owner.name)
        && live.label(OWNER_NAMESPACE) == Some(&owner.namespace);
    if !ours || markers::is_kept(live) {
        return Verdict::Skip;
    }
    let text = |key: &str| live.at(&["metadata", key]).and_then(Value::as_str);
    match (text("deletionTimestamp"), text("uid")) {
        (Some(_), _) => Verdict::Terminating,
        (None, uid) => Verdict::Delete { uid: uid.unwrap_or_default().to_owned() },
    }
}

/// Sorts into delete order, the reverse of apply order.
pub fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| key(&b.id).cmp(&key(&a.id)));
}

fn key(id: &ObjectId) -> (usize, &ObjectId) {
    (rank(&id.kind), id)
}
