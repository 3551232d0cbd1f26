//! What makes an OCIRepository run (ocirepository.md, 13).

use kube::api::DynamicObject;

use crate::context::Context;
use crate::objects::asks;
use crate::runtime::cache::Key;

/// An OCIRepository has been seen, `before` as it was known until then.
pub(crate) fn seen(context: &Context, before: Option<&DynamicObject>, after: &DynamicObject) {
    if asks(before, after) {
        let key = Key::of(after);
        let cause = format!("OCIRepository/{key}");
        context.sources.queue.add(key, &cause);
    }
}

/// An OCIRepository is gone.
pub(crate) fn gone(context: &Context, object: &DynamicObject) {
    context.metrics.forget("OCIRepository", &Key::of(object));
}
