//! Rules of the built-in kinds, in the order in which kstatus tries them.

use manifest::{Object, Value};

use super::Health::{self, Current, Failed, InProgress};
use super::fields::{Condition, Malformed, conditions, count, integer, word};

/// How long a pod may be unschedulable before that counts as a failure.
const SCHEDULE_WINDOW: jiff::SignedDuration = jiff::SignedDuration::from_secs(15);

fn find<'a>(conditions: &'a [Condition<'a>], kind: &str) -> Option<&'a Condition<'a>> {
    conditions.iter().find(|condition| condition.kind == kind)
}

fn holds(conditions: &[Condition<'_>], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.kind == kind && condition.status == "True")
}

/// Current if every demand is met.
fn all(demands: &[bool]) -> Health {
    if demands.iter().all(|met| *met) { Current } else { InProgress }
}

pub(super) fn deployment(object: &Object) -> Result<Health, Malformed> {
    let deadline = count(object, &["spec", "progressDeadlineSeconds"], i64::from(i32::MAX));
    let conditions = conditions(object)?;
    let progressing = |condition: &Condition<'_>| condition.kind == "Progressing";
    if conditions.iter().any(|c| progressing(c) && c.reason == "ProgressDeadlineExceeded") {
        return Ok(Failed);
    }
    let rolled_out = deadline == i64::from(i32::MAX)
        || conditions
            .iter()
            .any(|c| progressing(c) && c.status == "True" && c.reason == "NewReplicaSetAvailable");
    let wanted = count(object, &["spec", "replicas"], 1);
    let of = |name: &str| count(object, &["status", name], 0);
    Ok(all(&[
        of("replicas") == wanted,
        of("updatedReplicas") >= wanted,
        of("availableReplicas") >= of("updatedReplicas"),
        of("readyReplicas") >= wanted,
        rolled_out,
        holds(&conditions, "Available"),
    ]))
}

pub(super) fn stateful_set(object: &Object) -> Health {
    if word(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return Current;
    }
    let wanted = count(object, &["spec", "replicas"], 1);
    let of = |name: &str| count(object, &["status", name], 0);
    let scaled = of("replicas") == wanted && of("readyReplicas") >= wanted;
    let partition = count(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], -1);
    if partition != -1 {
        return all(&[scaled, of("updatedReplicas") >= wanted - partition]);
    }
    let revision = |name: &str| word(object, &["status", name]);
    let updated = revision("currentRevision") == revision("updateRevision");
    all(&[scaled, of("currentReplicas") >= wanted, updated])
}

/// Whether a controller has written the generation that it saw.
fn observed(object: &Object) -> Result<bool, Malformed> {
    Ok(integer(object, &["metadata", "generation"])?.is_some()
        && integer(object, &["status", "observedGeneration"])?.is_some())
}

pub(super) fn daemon_set(object: &Object) -> Result<Health, Malformed> {
    let wanted = count(object, &["status", "desiredNumberScheduled"], -1);
    let reach = |name: &str| count(object, &["status", name], 0) >= wanted;
    Ok(all(&[
        observed(object)?,
        wanted != -1,
        reach("currentNumberScheduled"),
        reach("updatedNumberScheduled"),
        reach("numberAvailable"),
        reach("numberReady"),
    ]))
}

pub(super) fn replica_set(object: &Object) -> Result<Health, Malformed> {
    let wanted = count(object, &["spec", "replicas"], 1);
    let of = |name: &str| count(object, &["status", name], 0);
    Ok(all(&[
        !holds(&conditions(object)?, "ReplicaFailure"),
        of("fullyLabeledReplicas") >= wanted,
        of("availableReplicas") >= wanted,
        of("readyReplicas") >= wanted,
        of("replicas") <= wanted,
    ]))
}

pub(super) fn pod(object: &Object, now: jiff::Timestamp) -> Result<Health, Malformed> {
    let conditions = conditions(object)?;
    match word(object, &["status", "phase"]) {
        // A pod that ran to its end is done, whatever the outcome.
        "Succeeded" | "Failed" => Ok(Current),
        "Running" if holds(&conditions, "Ready") => Ok(Current),
        "Running" => Ok(if crash_loops(object)? { Failed } else { InProgress }),
        "Pending" => {
            let stuck = find(&conditions, "PodScheduled").is_some_and(|condition| {
                condition.status == "False"
                    && condition.reason == "Unschedulable"
                    && !is_young(object, now)
            });
            Ok(if stuck { Failed } else { InProgress })
        }
        "" => Ok(InProgress),
        phase => Ok(Health::Unknown(format!("unknown phase {phase}"))),
    }
}

/// Whether a pod was made so lately that the scheduler may still place it.
fn is_young(object: &Object, now: jiff::Timestamp) -> bool {
    turns(object).is_some_and(|then| now < then)
}

/// When an object that is a pod is young no more.
pub(super) fn turns(object: &Object) -> Option<jiff::Timestamp> {
    if object.kind() != "Pod" || !object.gvk().group.is_empty() {
        return None;
    }
    let created = word(object, &["metadata", "creationTimestamp"]).parse::<jiff::Timestamp>();
    created.ok()?.checked_add(SCHEDULE_WINDOW).ok()
}

/// Whether a named container waits in a crash loop. A status that is no list of mappings is an
/// error here, where the reference panics.
fn crash_loops(object: &Object) -> Result<bool, Malformed> {
    let Some(containers) = object.at(&["status", "containerStatuses"]) else { return Ok(false) };
    let malformed = || Malformed::of("status.containerStatuses");
    for container in containers.as_list().ok_or_else(malformed)? {
        let container = container.as_map().ok_or_else(malformed)?;
        let Some(name) = container.get("name") else { continue };
        name.as_str().ok_or_else(malformed)?;
        let Some(state) = container.get("state") else { continue };
        let Some(waiting) = state.as_map().ok_or_else(malformed)?.get("waiting") else { continue };
        let reason = waiting.as_map().ok_or_else(malformed)?.get("reason");
        if reason.and_then(Value::as_str) == Some("CrashLoopBackOff") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Flux's own reading of Jobs.
pub(super) fn job(object: &Object) -> Result<Health, Malformed> {
    if object.at(&["spec", "suspend"]).and_then(Value::as_bool) == Some(true) {
        return Ok(Current);
    }
    for condition in conditions(object)?.iter().filter(|condition| condition.status == "True") {
        match condition.kind {
            "Complete" => return Ok(Current),
            "Failed" => return Ok(Failed),
            _ => {}
        }
    }
    Ok(InProgress)
}

pub(super) fn volume_claim(object: &Object) -> Health {
    all(&[word(object, &["status", "phase"]) == "Bound"])
}

pub(super) fn service(object: &Object) -> Health {
    let balanced = word(object, &["spec", "type"]) == "LoadBalancer";
    all(&[!balanced || !word(object, &["spec", "clusterIP"]).is_empty()])
}

pub(super) fn definition(object: &Object) -> Result<Health, Malformed> {
    for condition in conditions(object)? {
        match (condition.kind, condition.status, condition.reason) {
            ("NamesAccepted", "False", _) => return Ok(Failed),
            ("Established", "False", reason) if reason != "Installing" => return Ok(Failed),
            ("Established", "True", _) => return Ok(Current),
            _ => {}
        }
    }
    Ok(InProgress)
}
