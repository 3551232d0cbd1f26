//! What the events of a Kustomization carry (kustomization.md, 15).

use std::collections::BTreeMap;

use api::well_known::{DRIFT, KUSTOMIZE_PREFIX};
use kube::api::DynamicObject;
use manifest::ObjectId;
use plan::Field;
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

/// How much is told of drift; what is beyond is counted.
const DRIFT_BYTES_MAX: usize = 4096;

/// The same for changes of objects that had drifted: which fields, and who had set them, for the log
/// and the event (decisions.md, drift detail).
pub(super) fn with_drift(mut happening: Happening, drift: &[(ObjectId, Vec<Field>)]) -> Happening {
    let (mut text, mut left) = (String::new(), drift.len());
    for (id, fields) in drift {
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        let line = format!("{}: {}\n", id.subject(), fields.join(", "));
        if text.len() + line.len() > DRIFT_BYTES_MAX {
            text.extend(["and ", &left.to_string(), " more"]);
            break;
        }
        text.push_str(&line);
        left -= 1;
    }
    if !drift.is_empty() {
        tracing::info!(drift = text.trim_end().replace('\n', "; "), "fields differed");
        happening.metadata.insert(DRIFT.into(), text.trim_end().into());
    }
    happening
}

/// Records a happening of a Kustomization.
pub(super) fn record(context: &Context, object: &DynamicObject, happening: Happening) {
    context.events.record(object, APPLY_MANAGER, happening);
}
