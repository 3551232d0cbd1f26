//! What the events of a Kustomization carry (kustomization.md, 15).

use std::collections::BTreeMap;

use api::well_known::KUSTOMIZE_PREFIX;
use kube::api::DynamicObject;
use plan::ownership::APPLY_MANAGER;

use crate::context::Context;
use crate::events::{Happening, Severity};

/// A happening of a run at a revision and, if known, its origin revision.
pub(super) fn happening(
    severity: Severity,
    reason: &str,
    message: &str,
    (revision, origin): (&str, Option<&str>),
) -> Happening {
    let mut metadata = BTreeMap::new();
    if !revision.is_empty() {
        metadata.insert(format!("{KUSTOMIZE_PREFIX}revision"), revision.to_owned());
    }
    if let Some(origin) = origin {
        metadata.insert(format!("{KUSTOMIZE_PREFIX}originRevision"), origin.to_owned());
    }
    Happening { severity, reason: reason.into(), message: message.into(), metadata }
}

/// The same for the end of a successful run, which notifiers turn into a commit status.
pub(super) fn with_commit_status(mut happening: Happening) -> Happening {
    happening.metadata.insert(format!("{KUSTOMIZE_PREFIX}commit_status"), "update".into());
    happening
}

/// Records a happening of a Kustomization.
pub(super) fn record(context: &Context, object: &DynamicObject, happening: Happening) {
    context.events.record(object, APPLY_MANAGER, happening);
}
