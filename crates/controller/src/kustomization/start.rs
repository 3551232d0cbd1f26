//! The Kustomizations that are there when the operator starts (kustomization.md, W19).

use std::time::Duration;

use api::condition::READY;
use api::kustomization::{KustomizationSpec, KustomizationStatus};
use api::well_known::RECONCILE_REQUEST;
use jiff::Timestamp;
use kube::api::DynamicObject;

use super::request::Request;
use super::source;
use crate::context::Context;
use crate::objects::{annotation, generation, is_true, part};
use crate::runtime::cache::Key;

/// How far apart those begin that have nothing to do: a thousand in a minute (decisions.md, W19).
const PACE: Duration = Duration::from_millis(60);

/// Begins all of them: who has something to do at once, the others one after the other, who is due
/// first going first, and none later than it is due.
pub(crate) fn begin(context: &Context) {
    let now = context.clock.now();
    let mut calm = Vec::new();
    for object in context.kustomizations.cache.list() {
        let key = Key::of(&object);
        match rest(context, &object, now) {
            Some(rest) => calm.push((rest, key)),
            None => context.kustomizations.queue.add(key.clone(), &format!("Kustomization/{key}")),
        }
    }
    calm.sort();
    for (delay, key) in paced(calm) {
        context.kustomizations.queue.add_later(key, delay);
    }
}

/// When each of them begins.
fn paced(calm: Vec<(Duration, Key)>) -> impl Iterator<Item = (Duration, Key)> {
    (1..).zip(calm).map(|(nth, (rest, key))| (rest.min(PACE.saturating_mul(nth)), key))
}

/// How long a Kustomization may rest: if what was asked of it is done, until it is due.
fn rest(context: &Context, object: &DynamicObject, now: Timestamp) -> Option<Duration> {
    let key = Key::of(object);
    let spec: KustomizationSpec = part(object, "spec").ok()?;
    let status: KustomizationStatus = part(object, "status").ok()?;
    let request = Request::parse(&key, &spec, &context.settings.default_service_account).ok()?;
    let artifact = source::find(context, &key, &request).ok()?;
    let is_current = status.last_applied_revision == Some(artifact.revision);
    let left = left(request.interval, &status, now);
    left.filter(|_| is_current && is_done(object, &status))
}

/// Whether the last run did what the object asks for.
fn is_done(object: &DynamicObject, status: &KustomizationStatus) -> bool {
    let is_handled = annotation(object, RECONCILE_REQUEST)
        .is_none_or(|asked| status.last_handled_reconcile_at.as_deref() == Some(asked));
    object.metadata.deletion_timestamp.is_none()
        && is_true(object, READY)
        && status.observed_generation == Some(generation(object))
        && is_handled
}

/// How much of an interval is left since the last run; none if it is over, or cannot be told.
fn left(interval: Duration, status: &KustomizationStatus, now: Timestamp) -> Option<Duration> {
    let last: Timestamp = status.history.as_ref()?.first()?.last_reconciled.parse().ok()?;
    let since = Duration::try_from(now.duration_since(last)).ok()?;
    interval.checked_sub(since)
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;
    use serde_json::{Value, json};

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "ns".into(), name: name.into() }
    }

    #[test]
    fn the_rest_begins_a_thousand_a_minute_and_nobody_too_late() {
        let calm = |nth: u64| (Duration::from_secs(nth), key(&format!("k{nth}")));
        let delays: Vec<u128> =
            paced((0..1001).map(calm).collect()).map(|(delay, _)| delay.as_millis()).collect();
        assert_eq!(delays[..3], [0, 120, 180]);
        assert_eq!(delays[1000], 60_060);
    }

    #[test]
    fn what_is_left_of_an_interval_is_told_from_the_history() {
        let left = |last: &str, now: &str| {
            let times = json!({"firstReconciled": last, "lastReconciled": last});
            let mut snapshot = json!({"digest": "", "lastReconciledDuration": "1s",
                "lastReconciledStatus": "", "totalReconciliations": 1});
            snapshot.as_object_mut()?.extend(times.as_object().cloned()?);
            let status = serde_json::from_value(json!({"history": [snapshot]})).ok()?;
            left(Duration::from_secs(600), &status, now.parse().ok()?).map(|left| left.as_secs())
        };
        let noon = "2026-01-01T12:00:00Z";
        assert_eq!(left(noon, "2026-01-01T12:04:00Z"), Some(360));
        assert_eq!(left(noon, "2026-01-01T12:11:00Z"), None);
        assert_eq!(left(noon, "2026-01-01T11:00:00Z"), None, "a clock that was set back");
        assert_eq!(left("yesterday", noon), None);
    }

    #[test]
    fn only_who_has_done_all_may_rest() {
        let is_done = |annotations: Value, status: Value| {
            let resource = ApiResource::erase::<api::Kustomization>(&());
            let mut object = DynamicObject::new("k", &resource).within("ns");
            object.metadata.generation = Some(2);
            object.metadata.annotations = serde_json::from_value(annotations).ok();
            object.data = json!({"status": status});
            part(&object, "status").is_ok_and(|status| super::is_done(&object, &status))
        };
        let ready = |status: &str, generation: i64| {
            let condition = json!({"type": "Ready", "status": status, "reason": "r",
                "message": "", "lastTransitionTime": "2026-01-01T12:00:00Z"});
            json!({"observedGeneration": generation, "conditions": [condition],
                "lastHandledReconcileAt": "a"})
        };
        let asked = |token: &str| json!({"reconcile.fluxcd.io/requestedAt": token});
        assert!(is_done(json!({}), ready("True", 2)));
        assert!(is_done(asked("a"), ready("True", 2)));
        assert!(!is_done(asked("b"), ready("True", 2)));
        assert!(!is_done(json!({}), ready("False", 2)));
        assert!(!is_done(json!({}), ready("True", 1)));
        assert!(!is_done(json!({}), json!({})));
    }
}
