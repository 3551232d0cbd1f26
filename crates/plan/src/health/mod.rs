//! Health: from an object to what can be said of it (kustomization.md, 11.2).

mod builtin;
mod custom;
mod fields;
pub mod pods;

use std::fmt;

use manifest::Object;

pub use custom::{Check, Judge, Unusable};
use fields::{Malformed, conditions, integer, text};
pub use pods::Pods;

/// What can be said of an object, in the words of kstatus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be.
    Current,
    /// It is on its way there.
    InProgress,
    /// It will not get there by itself.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It does not exist.
    NotFound,
    /// Nobody knows, and why.
    Unknown(String),
}

impl fmt::Display for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown(_) => "Unknown",
        })
    }
}

/// The health of an object at the time `now`; first rule that fits wins.
pub fn health(object: &Object, now: jiff::Timestamp) -> Health {
    assess(object, now).unwrap_or_else(|malformed| Health::Unknown(malformed.to_string()))
}

/// When the health of a pod may be another although nothing happens to it: there has been no place
/// for it for as long as may be.
pub fn turns(object: &Object, now: jiff::Timestamp) -> Option<jiff::Timestamp> {
    builtin::turns(object).filter(|then| *then > now)
}

fn assess(object: &Object, now: jiff::Timestamp) -> Result<Health, Malformed> {
    let gvk = object.gvk();
    // Flux reads Jobs by rules of its own, without the generic ones.
    if (gvk.group.as_str(), gvk.kind.as_str()) == ("batch", "Job") {
        return builtin::job(object);
    }
    if let Some(generic) = generic(object)? {
        return Ok(generic);
    }
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps" | "extensions", "Deployment") => builtin::deployment(object),
        ("apps", "StatefulSet") => Ok(builtin::stateful_set(object)),
        ("apps" | "extensions", "DaemonSet") => builtin::daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") => builtin::replica_set(object),
        ("", "Pod") => builtin::pod(object, now),
        ("", "PersistentVolumeClaim") => Ok(builtin::volume_claim(object)),
        ("", "Service") => Ok(builtin::service(object)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => builtin::definition(object),
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => {
            Ok(Health::Current)
        }
        _ => any_kind(object),
    }
}

/// Rules that hold for every kind: on its way out, not observed yet, reconciling, stalled.
fn generic(object: &Object) -> Result<Option<Health>, Malformed> {
    if text(object, &["metadata", "deletionTimestamp"])?.is_some_and(|time| !time.is_empty()) {
        return Ok(Some(Health::Terminating));
    }
    if let Some(generation) = integer(object, &["metadata", "generation"])?
        && let Some(observed) = integer(object, &["status", "observedGeneration"])?
        && generation != observed
    {
        return Ok(Some(Health::InProgress));
    }
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("Reconciling", "True") => return Ok(Some(Health::InProgress)),
            ("Stalled", "True") => return Ok(Some(Health::Failed)),
            _ => {}
        }
    }
    Ok(None)
}

/// Kinds without rules of their own: their Ready condition, if any.
fn any_kind(object: &Object) -> Result<Health, Malformed> {
    let ready = conditions(object)?.into_iter().find(|condition| condition.kind == "Ready");
    Ok(match ready.map(|condition| condition.status) {
        Some("False" | "Unknown") => Health::InProgress,
        _ => Health::Current,
    })
}
