//! The pods of a workload: which they are, whether they have failed, and what keeps them from being
//! ready (kustomization.md, 11.2, pod-owner rule, and 22.11; decisions.md, causes).

use manifest::{Object, ObjectId, Value};

use super::Health;
use super::fields::{Malformed, conditions, word};

/// Pods that a cause names; the others are counted.
const PODS_TOLD_MAX: usize = 3;
/// What is shown of a text that the cluster made.
const CAUSE_CHARS_MAX: usize = 200;
/// Why a container waits that is on its way.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Which pods belong to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// Their namespace.
    pub namespace: String,
    /// Their labels, as the API server takes them.
    pub selector: String,
}

/// What kinds of workloads have to do with their pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A failed pod is a failed workload.
    Decide,
    /// The reference reads them and does not heed them.
    Read,
    /// They only tell what keeps the workload.
    Tell,
}

fn role(group: &str, kind: &str) -> Option<Role> {
    match (group, kind) {
        ("apps", "StatefulSet" | "ReplicaSet") => Some(Role::Decide),
        ("apps", "Deployment") => Some(Role::Read),
        ("apps", "DaemonSet") | ("batch", "Job") => Some(Role::Tell),
        _ => None,
    }
}

/// Whether a failed pod makes the workload a failed one.
pub(super) fn decide(id: &ObjectId) -> bool {
    role(&id.group, &id.kind) == Some(Role::Decide)
}

/// Whether pods can tell what keeps an object from being healthy: it has some, or is one.
pub fn tell(id: &ObjectId) -> bool {
    role(&id.group, &id.kind).is_some() || (id.group.is_empty() && id.kind == "Pod")
}

/// The pods of a workload, or why they cannot be found; `None` for what has none.
pub fn of(object: &Object) -> Result<Option<Pods>, String> {
    let gvk = object.gvk();
    let Some(role) = role(&gvk.group, &gvk.kind) else { return Ok(None) };
    match selector(object) {
        Ok(selector) => Ok(Some(Pods { namespace: object.namespace().into(), selector })),
        Err(_) if role == Role::Tell => Ok(None),
        Err(error) => Err(error),
    }
}

/// The selector of a workload as the API server takes it.
fn selector(object: &Object) -> Result<String, String> {
    let malformed = || Malformed::of("spec.selector").to_string();
    let selector = object.at(&["spec", "selector"]).ok_or("no selector found")?;
    let selector = selector.as_map().ok_or_else(malformed)?;
    let mut parts = Vec::new();
    if let Some(labels) = selector.get("matchLabels").filter(|labels| !labels.is_null()) {
        for (key, value) in labels.as_map().ok_or_else(malformed)? {
            parts.push(format!("{key}={}", value.as_str().ok_or_else(malformed)?));
        }
    }
    if let Some(list) = selector.get("matchExpressions").filter(|list| !list.is_null()) {
        for item in list.as_list().ok_or_else(malformed)? {
            parts.push(requirement(item).ok_or_else(malformed)?);
        }
    }
    Ok(parts.join(","))
}

fn requirement(item: &Value) -> Option<String> {
    let key = item.get("key")?.as_str()?;
    let values = || {
        let values = item.get("values").and_then(Value::as_list).unwrap_or_default();
        let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
        Some(texts?.join(","))
    };
    match item.get("operator")?.as_str()? {
        "In" => Some(format!("{key} in ({})", values()?)),
        "NotIn" => Some(format!("{key} notin ({})", values()?)),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

/// Whether some pod has failed for good. Those that are being deleted and those that nobody has a
/// place for may be followed by others.
pub fn have_failed(pods: &[Object], now: jiff::Timestamp) -> bool {
    pods.iter().any(|pod| super::health(pod, now) == Health::Failed && unscheduled(pod).is_none())
}

/// Why there is no place for a pod.
fn unscheduled(pod: &Object) -> Option<String> {
    let found = conditions(pod).ok()?.into_iter().find(|condition| {
        condition.kind == "PodScheduled"
            && condition.status == "False"
            && condition.reason == "Unschedulable"
    })?;
    Some(match found.message {
        "" => found.reason.to_owned(),
        message => format!("{}: {}", found.reason, cut(message)),
    })
}

/// What keeps pods from being ready, in the order of their names; empty when nothing is known.
pub fn causes(pods: &[Object]) -> String {
    let mut causes: Vec<_> =
        pods.iter().filter_map(|pod| Some((pod.name(), cause(pod)?))).collect();
    causes.sort();
    let told =
        causes.iter().take(PODS_TOLD_MAX).map(|(name, cause)| format!("pod {name}: {cause}"));
    let mut told: Vec<_> = told.collect();
    match causes.len().saturating_sub(PODS_TOLD_MAX) {
        0 => {}
        1 => told.push("and 1 more pod".into()),
        more => told.push(format!("and {more} more pods")),
    }
    told.join("; ")
}

/// What keeps a pod from being ready.
fn cause(pod: &Object) -> Option<String> {
    let is_ready = conditions(pod)
        .is_ok_and(|all| all.iter().any(|c| c.kind == "Ready" && c.status == "True"));
    let phase = word(pod, &["status", "phase"]);
    if is_ready || phase == "Succeeded" || pod.at(&["metadata", "deletionTimestamp"]).is_some() {
        return None;
    }
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| pod.at(&["status", list]).and_then(Value::as_list).unwrap_or_default());
    let of_containers = || {
        let mut found: Vec<_> = containers.filter_map(container).collect();
        // What has happened says more than what has not.
        found.sort_by_key(|(is_fault, _)| !is_fault);
        found.into_iter().next().map(|(_, text)| text)
    };
    unscheduled(pod).or_else(of_containers).or_else(|| {
        let reason = word(pod, &["status", "reason"]);
        (phase == "Failed").then(|| if reason.is_empty() { phase.into() } else { cut(reason) })
    })
}

/// What is wrong with a container, and whether that is a fault of its own.
fn container(status: &Value) -> Option<(bool, String)> {
    let text = |of: &Value, key: &str| cut(of.get(key).and_then(Value::as_str).unwrap_or_default());
    let name = text(status, "name");
    let state = |key: &str, of: &str| status.get(key).and_then(|state| state.get(of));
    if let Some(waiting) = state("state", "waiting") {
        let reason = text(waiting, "reason");
        if reason.is_empty() || ON_ITS_WAY.contains(&reason.as_str()) {
            return None;
        }
        let before = state("lastState", "terminated").and_then(ended);
        let before = before.map(|ended| format!(" after {ended}")).unwrap_or_default();
        return Some((true, format!("container {name}: {reason}{before}")));
    }
    if let Some(ended) = state("state", "terminated").and_then(ended) {
        return Some((true, format!("container {name}: {ended}")));
    }
    let runs = state("state", "running").is_some();
    let is_ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    (runs && !is_ready).then(|| (false, format!("container {name}: not ready")))
}

/// How a container ended, if not well. Its own last words may hold anything, so they are not told.
fn ended(terminated: &Value) -> Option<String> {
    let code = terminated.get("exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
    let reason = terminated.get("reason").and_then(Value::as_str).unwrap_or("Error");
    Some(format!("{} (exit code {code})", cut(reason)))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn object(kind: &str, name: &str, spec: &Json, status: &Json) -> Object {
        let api_version = if kind == "Pod" { "v1" } else { "apps/v1" };
        let object = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": "ns"}, "spec": spec, "status": status});
        Object::try_from(object).unwrap_or_else(|_| unreachable!("it has a kind and a name"))
    }

    fn pod(name: &str, status: &Json) -> Object {
        object("Pod", name, &json!({}), status)
    }

    #[test]
    fn selectors_are_written_as_the_server_takes_them() {
        let selected = |selector: Json| {
            of(&object("StatefulSet", "s", &json!({"selector": selector}), &json!({})))
                .map(|pods| pods.map(|pods| pods.selector).unwrap_or_default())
        };
        let all = json!({"matchLabels": {"app": "a", "b/c": "d"}, "matchExpressions": [
            {"key": "e", "operator": "In", "values": ["f", "g"]},
            {"key": "h", "operator": "NotIn", "values": ["i"]},
            {"key": "j", "operator": "Exists"}, {"key": "k", "operator": "DoesNotExist"}]});
        assert_eq!(selected(all).as_deref(), Ok("app=a,b/c=d,e in (f,g),h notin (i),j,!k"));
        assert_eq!(selected(json!({})).as_deref(), Ok(""));
        for bad in [
            json!("x"),
            json!({"matchLabels": {"app": 5}}),
            json!({"matchExpressions": [{"key": "a", "operator": "Bogus"}]}),
        ] {
            assert!(selected(bad).is_err());
        }
        let none = of(&object("Deployment", "d", &json!({}), &json!({})));
        assert_eq!(none.err().as_deref(), Some("no selector found"));
        assert_eq!(of(&object("DaemonSet", "d", &json!({}), &json!({}))), Ok(None));
        assert_eq!(of(&pod("p", &json!({}))), Ok(None));
    }

    #[test]
    fn causes_name_the_pod_and_its_fault_in_order() {
        let crash = json!({"phase": "Running", "containerStatuses": [
            {"name": "side", "ready": false, "state": {"running": {}}},
            {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]});
        let image = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "canary"}}}]});
        let place = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "message": "0/1 nodes\nare available"}]});
        let slow = json!({"phase": "Running", "containerStatuses": [
            {"name": "c", "ready": false, "state": {"running": {}}}]});
        let evicted = json!({"phase": "Failed", "reason": "Evicted"});
        let ended = json!({"phase": "Failed", "containerStatuses": [
            {"name": "c", "state": {"terminated": {"exitCode": 1, "message": "canary"}}}]});
        let young = json!({"phase": "Pending", "containerStatuses": [
            {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]});
        let ready =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        for (status, text) in [
            (&crash, "pod p: container c: CrashLoopBackOff after OOMKilled (exit code 137)"),
            (&image, "pod p: container i: ImagePullBackOff"),
            (&place, "pod p: Unschedulable: 0/1 nodesare available"),
            (&slow, "pod p: container c: not ready"),
            (&evicted, "pod p: Evicted"),
            (&ended, "pod p: container c: Error (exit code 1)"),
            (&young, ""),
            (&ready, ""),
        ] {
            assert_eq!(causes(&[pod("p", status)]), text);
        }
        let many = ["e", "b", "d", "c", "a"].map(|name| pod(name, &evicted));
        let text = "pod a: Evicted; pod b: Evicted; pod c: Evicted; and 2 more pods";
        assert_eq!(causes(&many), text);
    }

    #[test]
    fn only_pods_that_stay_fail_their_owner() {
        let crash = json!({"phase": "Running", "containerStatuses": [
            {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        let mut place = crash.clone();
        place["conditions"] = json!([{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable"}]);
        let failed = |status: &Json| have_failed(&[pod("p", status)], jiff::Timestamp::UNIX_EPOCH);
        assert!(failed(&crash) && !failed(&place) && !failed(&json!({"phase": "Failed"})));
    }
}
