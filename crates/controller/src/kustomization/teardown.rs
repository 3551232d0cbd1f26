//! The order in which Kustomizations go that are deleted together (docs/guards.md).

use std::time::Duration;

use api::kustomization::KustomizationSpec;
use api::well_known::WAIT_FOR_DEPENDENTS;
use kube::api::DynamicObject;

use super::request;
use crate::context::Context;
use crate::objects::{is_on, part};
use crate::runtime::cache::Key;
use crate::runtime::queue::Requeue;

/// Lets a Kustomization that is being deleted wait for dependents that are too, for its timeout at
/// most: when it looks again, unless the end of the last of them wakes it before.
pub(super) fn wait(
    context: &Context,
    key: &Key,
    object: &DynamicObject,
    spec: &KustomizationSpec,
) -> Option<Requeue> {
    let asked = context.settings.guards.wait_for_dependents;
    let began = object.metadata.deletion_timestamp.as_ref()?;
    if !is_on(object, WAIT_FOR_DEPENDENTS, asked) {
        return None;
    }
    // An unfit duration ends reconciles, not deletions: it waits as briefly as it may.
    let timeout = request::timeout(spec).unwrap_or(request::TIMEOUT_MIN);
    // A clock that was set back has not waited yet.
    let waited =
        Duration::try_from(context.clock.now().duration_since(began.0)).unwrap_or_default();
    let left = timeout.checked_sub(waited).filter(|left| !left.is_zero())?;
    let dependents = leaving_dependents(context, key);
    if dependents.is_empty() {
        return None;
    }
    context.waiting.begin(key, dependents.iter());
    // One that went while we were not waiting yet wakes nobody.
    if dependents.iter().all(|dependent| context.kustomizations.cache.get(dependent).is_none()) {
        context.waiting.end(key);
        return None;
    }
    tracing::info!(%key, ?dependents, "waits for the end of its dependents");
    Some(Requeue::After(left))
}

/// The Kustomizations that depend on one and are being deleted.
fn leaving_dependents(context: &Context, key: &Key) -> Vec<Key> {
    let depends = |object: &DynamicObject| {
        let Ok(spec) = part::<KustomizationSpec>(object, "spec") else { return false };
        let own = object.metadata.namespace.as_deref().unwrap_or_default();
        spec.depends_on.iter().flatten().any(|dependency| {
            let namespace = dependency.namespace.as_deref().unwrap_or(own);
            dependency.name == key.name && namespace == key.namespace
        })
    };
    let objects = context.kustomizations.cache.list();
    let leaving = objects.iter().filter(|object| object.metadata.deletion_timestamp.is_some());
    leaving
        .filter(|object| depends(object))
        .map(|object| Key::of(object))
        .filter(|k| k != key)
        .collect()
}
