//! Two Kustomizations that own the same object: the last to apply it wins, as with the reference, and
//! both are told of it (decisions.md, X01).

use std::collections::BTreeMap;

use api::kustomization::KustomizationStatus;
use kube::api::DynamicObject;
use manifest::ObjectId;
use plan::prune::Owner;

use super::converge::Attempt;
use super::entries;
use super::report::{happening, record};
use crate::events::Severity;
use crate::objects::part;
use crate::runtime::cache::Key;

/// Reason of the events.
const OWNER_CHANGED: &str = "OwnerChanged";

impl Attempt<'_> {
    /// Tells this Kustomization and the former owners of what it has `taken` of each other. Whoever
    /// is gone, or has let an object go, owns it no more: then it has one owner, and all is well.
    pub(super) fn tell_owners(&self, taken: BTreeMap<ObjectId, Owner>) {
        let mut by_owner: BTreeMap<Owner, Vec<ObjectId>> = BTreeMap::new();
        for (id, owner) in taken {
            by_owner.entry(owner).or_default().push(id);
        }
        for (owner, ids) in by_owner {
            let key = Key { namespace: owner.namespace, name: owner.name };
            let Some(other) = self.context.kustomizations.cache.get(&key) else { continue };
            let (revision, ids) = held(&other, ids);
            if ids.is_empty() {
                continue;
            }
            let origin = self.run.origin_revision.as_deref();
            let ours = text(&key, "from", &ids);
            self.warn(&self.object, &ours, (&self.run.revision, origin));
            self.warn(&other, &text(self.key, "by", &ids), (&revision, None));
        }
    }

    fn warn(&self, object: &DynamicObject, text: &str, facts: (&str, Option<&str>)) {
        let told = happening(Severity::Error, OWNER_CHANGED, text, facts);
        record(self.context, object, told);
    }
}

/// Which of these objects a Kustomization lists as its own, and the revision it has applied.
fn held(object: &DynamicObject, mut ids: Vec<ObjectId>) -> (String, Vec<ObjectId>) {
    let Ok(status) = part::<KustomizationStatus>(object, "status") else {
        return Default::default();
    };
    let listed = entries(&status);
    ids.retain(|id| listed.iter().any(|entry| entry.id == *id));
    (status.last_applied_revision.unwrap_or_default(), ids)
}

fn text(other: &Key, taken: &str, ids: &[ObjectId]) -> String {
    let list: Vec<_> = ids.iter().map(ObjectId::subject).collect();
    let list = list.join("\n");
    format!(
        "Kustomization/{other} owns this too, it was taken over {taken} it, and the last to apply it wins:\n{list}"
    )
}
