//! What makes an OCIRepository run (ocirepository.md, 13).

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use api::oci_repository::OCIRepositorySpec;
use kube::api::DynamicObject;
use tokio::time::Instant;

use super::request::Request;
use crate::context::Context;
use crate::objects::{asks, part};
use crate::runtime::cache::Key;
use crate::webhook::Notice;

/// An OCIRepository has been seen, `before` as it was known until then.
pub(crate) fn seen(context: &Context, before: Option<&DynamicObject>, after: &DynamicObject) {
    if asks(before, after) {
        wake(context, Key::of(after));
    }
}

fn wake(context: &Context, key: Key) {
    let cause = format!("OCIRepository/{key}");
    context.sources.queue.add(key, &cause);
}

/// Registries gave notice of pushes: whoever follows what may have moved asks its registry anew.
/// Nothing is written for it.
pub(crate) fn noticed(context: &Context, notices: &[Notice]) {
    if notices.is_empty() {
        return;
    }
    let now = context.clock.instant();
    for object in context.sources.cache.list() {
        if concerns(notices, &object) {
            let key = Key::of(&object);
            tracing::info!(%key, "a registry gave notice of a push");
            moments(context).insert(key.clone(), now);
            wake(context, key);
        }
    }
}

fn concerns(notices: &[Notice], object: &DynamicObject) -> bool {
    let spec: Option<OCIRepositorySpec> = part(object, "spec").ok();
    spec.and_then(|spec| Request::parse(&spec).ok()).is_some_and(|request| {
        notices.iter().any(|notice| notice.concerns(&request.reference, &request.select))
    })
}

/// When a registry last gave notice of a push to an OCIRepository's source: an answer of before
/// may be outdated.
pub(super) fn last_notice(context: &Context, key: &Key) -> Option<Instant> {
    moments(context).get(key).copied()
}

fn moments(context: &Context) -> MutexGuard<'_, HashMap<Key, Instant>> {
    context.noticed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An OCIRepository is gone.
pub(crate) fn gone(context: &Context, object: &DynamicObject) {
    moments(context).remove(&Key::of(object));
    context.metrics.forget("OCIRepository", &Key::of(object));
}
