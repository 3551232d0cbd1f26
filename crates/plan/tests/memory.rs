//! What is remembered of objects, and when it counts no more.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use manifest::Object;
use plan::ignore::{Rule, Rules, Target};
use plan::{Known, Mark, Memory, Policy, Recall, Sighting};
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

fn desired(image: &str) -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"},
        "spec": {"image": image},
    }))
}

/// The deployment as the server has it, with what controllers wrote to it.
fn live() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "d", "namespace": "ns", "uid": "u", "resourceVersion": "100", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "1", "mine": "x"},
            "managedFields": [
                {"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
                    "fieldsV1": {"f:metadata": {"f:annotations": {"f:mine": {}}}, "f:spec": {"f:image": {}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
                    "time": "2026-01-01T00:00:01Z", "fieldsV1": {"f:metadata": {"f:annotations":
                        {"f:deployment.kubernetes.io/revision": {}}}, "f:status": {"f:replicas": {}}}},
            ],
        },
        "spec": {"image": "a:1"}, "status": {"replicas": 0},
    })
}

/// What is recalled of the deployment after `change` happened to the live object.
fn after(change: impl FnOnce(&mut Value)) -> Recall {
    let mut memory = Memory::default();
    let policy = Policy::default();
    let known = Known::of(&desired("a:1"), &object(live()), &policy).unwrap();
    memory.insert(desired("a:1").id(), known);
    let mut now = live();
    change(&mut now);
    memory.recall(&desired("a:1"), &Mark::of(&object(now)), &policy, false)
}

#[test]
fn what_controllers_report_is_no_move() {
    assert_eq!(after(|_| {}), Recall::Settled);
    let reported = after(|live| {
        live["metadata"]["resourceVersion"] = json!("101");
        live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
        live["metadata"]["managedFields"][1]["time"] = json!("2026-01-01T00:00:09Z");
        live["status"] = json!({"replicas": 3});
    });
    assert_eq!(reported, Recall::Settled);
}

#[test]
fn whatever_else_moves_is_looked_at() {
    let moved = |part: &str, value: Value| {
        after(|live| {
            live["metadata"]["resourceVersion"] = json!("101");
            live["metadata"][part] = value;
        })
    };
    for (part, value) in [
        ("uid", json!("another")),
        ("generation", json!(2)),
        ("finalizers", json!(["hold"])),
        ("labels", json!({"new": "x"})),
        ("annotations", json!({"mine": "y"})),
        ("annotations", json!({})),
        ("deletionTimestamp", json!("2026-01-01T00:00:09Z")),
        ("managedFields", json!([])),
    ] {
        assert_eq!(moved(part, value.clone()), Recall::Nothing, "{part}: {value}");
    }
}

/// A watch that has not caught up with our own write shows an older state: that is no news.
#[test]
fn an_older_state_is_no_news() {
    let behind = after(|live| {
        live["metadata"]["resourceVersion"] = json!("99");
        live["metadata"]["generation"] = json!(0);
    });
    assert_eq!(behind, Recall::Settled);
}

#[test]
fn a_kind_without_generations_goes_by_its_version() {
    let config = |version: &str| {
        object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata":
            {"name": "c", "namespace": "ns", "uid": "u", "resourceVersion": version}}))
    };
    let policy = Policy::default();
    let mut memory = Memory::default();
    let known = Known::of(&config("7"), &config("7"), &policy).unwrap();
    memory.insert(config("7").id(), known);
    let recall =
        |version: &str| memory.recall(&config("7"), &Mark::of(&config(version)), &policy, false);
    assert_eq!((recall("7"), recall("8")), (Recall::Settled, Recall::Nothing));
}

#[test]
fn an_audit_takes_nothing_as_settled() {
    let policy = Policy::default();
    let mut memory = Memory::default();
    memory
        .insert(desired("a:1").id(), Known::of(&desired("a:1"), &object(live()), &policy).unwrap());
    let mark = Mark::of(&object(live()));
    let Recall::Content(content) = memory.recall(&desired("a:1"), &mark, &policy, true) else {
        unreachable!("it has not moved");
    };
    let mut other = live();
    other["metadata"]["managedFields"][0]["time"] = json!("2026-01-01T00:00:09Z");
    other["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    other["status"] = json!(null);
    assert!(content.is_in(&object(other.clone())), "only what an apply is about counts");
    other["spec"]["image"] = json!("a:2");
    assert!(!content.is_in(&object(other)));
}

/// What is ignored is told from the live object, so that it has to be read.
#[test]
fn something_else_that_is_asked_for_is_compared() {
    let mut memory = Memory::default();
    let policy = Policy::default();
    memory
        .insert(desired("a:1").id(), Known::of(&desired("a:1"), &object(live()), &policy).unwrap());
    let mark = Mark::of(&object(live()));
    let recall = |policy: &Policy| memory.recall(&desired("a:2"), &mark, policy, false);
    assert!(matches!(recall(&policy), Recall::Content(_)));
    let rule = Rule { paths: vec!["/spec/replicas".into()], target: Target::default() };
    let policy = Policy { ignored: Rules::new(&[rule]).unwrap(), ..Policy::default() };
    assert_eq!(recall(&policy), Recall::Nothing);
    memory.confirm(&desired("a:2"));
    assert_eq!(memory.recall(&desired("a:2"), &mark, &policy, false), Recall::Settled);
}

#[test]
fn fields_that_are_still_to_be_taken_over_are_not_remembered() {
    let mut edited = live();
    edited["metadata"]["managedFields"][1] =
        json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {}}});
    assert!(Known::of(&desired("a:1"), &object(edited.clone()), &Policy::default()).is_none());
    edited["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] = json!("disabled");
    let policy = Policy::default();
    let mut memory = Memory::default();
    let known = Known::of(&desired("a:1"), &object(edited.clone()), &policy).unwrap();
    memory.insert(desired("a:1").id(), known);
    let mark = Mark::of(&object(edited));
    assert_eq!(memory.recall(&desired("a:1"), &mark, &policy, true), Recall::Excluded);
}

#[test]
fn health_counts_for_the_version_in_which_it_was_found() {
    let policy = Policy::default();
    let id = desired("a:1").id();
    let mut memory = Memory::default();
    memory.insert(id.clone(), Known::of(&desired("a:1"), &object(live()), &policy).unwrap());
    let seen = Sighting::of(&object(live())).mark;
    assert!(!memory.is_healthy(&id, &seen));
    memory.found_healthy([(&id, &seen)].into_iter());
    assert!(memory.is_healthy(&id, &seen));
    let mut later = live();
    later["metadata"]["resourceVersion"] = json!("101");
    assert!(!memory.is_healthy(&id, &Mark::of(&object(later))));
    memory.keep(|_| false);
    assert!(!memory.is_healthy(&id, &seen));
}
