//! Situations in, decisions out.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use expect_test::{Expect, expect};
use manifest::{Object, ObjectId};
use plan::inventory::{Entry, stale, union};
use plan::prune::{Owner, Verdict, verdict};
use plan::{Action, Observed, plan};
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(fields: Value) -> Object {
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": "ns", "uid": "u1", "resourceVersion": "7"},
    });
    merge(&mut object, fields);
    Object::try_from(object).unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// What is decided for one object: the word, the fields that differ, whether it is taken over.
fn check(desired: Value, live: Option<Value>, dry_run: Value, expected: &Expect) {
    let observed = Observed { live: live.map(object), dry_run: object(dry_run) };
    let plan = plan(vec![(object(desired), observed)]);
    let detail = match &plan.steps[0].action {
        Action::Configure { fields, takeover } => {
            let takeover = if takeover.is_some() { ", taken over" } else { "" };
            format!(": {}{takeover}", fields.join(", "))
        }
        _ => String::new(),
    };
    expected.assert_eq(&format!("{plan}{detail}"));
}

#[test]
fn what_is_missing_is_created() {
    check(json!({}), None, json!({}), &expect!["ConfigMap/ns/cm created"]);
}

#[test]
fn fields_outside_metadata_and_status_are_drift() {
    let live = json!({"data": {"a": "1", "b": "2"}, "status": {"x": 1}});
    let dry_run = json!({"data": {"a": "1", "b": "3", "c": "4"}, "status": {"x": 2}});
    check(json!({}), Some(live), dry_run, &expect!["ConfigMap/ns/cm configured: data.b, data.c"]);
}

#[test]
fn labels_and_annotations_are_drift_and_other_metadata_is_not() {
    let live = json!({"metadata": {"labels": {"a": "1"}, "generation": 1, "finalizers": ["f"]}});
    let dry_run = json!({"metadata": {"labels": {"a": "2"}, "generation": 2}});
    let changed = expect!["ConfigMap/ns/cm configured: metadata.labels.a"];
    check(json!({}), Some(live.clone()), dry_run, &changed);
    let same = json!({"metadata": {"labels": {"a": "1"}, "generation": 2}});
    check(json!({}), Some(live), same, &expect!["ConfigMap/ns/cm unchanged"]);
}

#[test]
fn markers_skip_on_either_side() {
    let marked = |marker: &str, value: &str| {
        let key = format!("kustomize.toolkit.fluxcd.io/{marker}");
        json!({"metadata": {"annotations": {key: value}}})
    };
    let skipped = expect!["ConfigMap/ns/cm skipped"];
    check(marked("reconcile", "Disabled"), None, json!({}), &skipped);
    check(json!({}), Some(marked("reconcile", "disabled")), json!({"data": {}}), &skipped);
    check(marked("ssa", "ignore"), Some(json!({})), json!({"data": {}}), &skipped);
    check(marked("ssa", "IfNotPresent"), Some(json!({})), json!({"data": {}}), &skipped);
    check(marked("ssa", "IfNotPresent"), None, json!({}), &expect!["ConfigMap/ns/cm created"]);
}

#[test]
fn what_kubectl_wrote_is_taken_over_unless_it_merges() {
    let managers = |manager: &str, operation: &str| {
        let ours = json!({"manager": "kustomize-controller", "operation": "Apply",
            "fieldsV1": {"f:data": {"f:a": {}}}});
        let theirs = json!({"manager": manager, "operation": operation,
            "fieldsV1": {"f:data": {"f:b": {}}}});
        Some(json!({"metadata": {"managedFields": [ours, theirs]}}))
    };
    let taken = expect!["ConfigMap/ns/cm configured: , taken over"];
    check(json!({}), managers("kubectl-edit", "Update"), json!({}), &taken);
    check(json!({}), managers("kubectl", "Apply"), json!({}), &taken);
    check(json!({}), managers("before-first-apply", "Update"), json!({}), &taken);
    let unchanged = expect!["ConfigMap/ns/cm unchanged"];
    check(json!({}), managers("flux-client-side-apply", "Apply"), json!({}), &unchanged);
    check(json!({}), managers("before-first-apply", "Apply"), json!({}), &unchanged);
    let merges = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "merge"}}});
    check(merges, managers("kubectl", "Apply"), json!({}), &unchanged);
}

#[test]
fn a_takeover_unites_the_field_sets_and_locks() {
    let theirs = json!({"manager": "kubectl-client-side-apply", "operation": "Update",
        "fieldsV1": {"f:data": {"f:b": {}}}});
    let other = json!({"manager": "other", "operation": "Update"});
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let live = object(json!({"metadata": {
        "annotations": annotations, "managedFields": [other, theirs],
    }}));
    let observed = Observed { dry_run: live.clone(), live: Some(live.clone()) };
    let plan = plan(vec![(live, observed)]);
    let Action::Configure { takeover: Some(takeover), .. } = &plan.steps[0].action else {
        unreachable!("kubectl owns a field");
    };
    let lines: Vec<String> = takeover
        .as_list()
        .unwrap()
        .iter()
        .map(|operation| serde_json::to_string(operation).unwrap())
        .collect();
    expect![[r#"
        {"op":"remove","path":"/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"}
        {"op":"replace","path":"/metadata/managedFields","value":[{"manager":"kustomize-controller","operation":"Apply","fieldsV1":{"f:data":{"f:b":{}}}},{"manager":"other","operation":"Update"}]}
        {"op":"replace","path":"/metadata/resourceVersion","value":"7"}"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn only_what_is_ours_and_does_not_ask_to_stay_is_deleted() {
    let owner = Owner { name: "k".into(), namespace: "ns".into() };
    let key = |name: &str| format!("kustomize.toolkit.fluxcd.io/{name}");
    let labels = |name: &str| json!({key("name"): name, key("namespace"): "ns"});
    let live = |fields: Value| {
        let mut metadata = json!({"metadata": {"labels": labels("k")}});
        merge(&mut metadata, fields);
        object(metadata)
    };
    let of = |live: Option<Object>| verdict(live.as_ref(), &owner);
    assert_eq!(of(None), Verdict::Gone);
    assert_eq!(of(Some(live(json!({})))), Verdict::Delete { uid: "u1".into() });
    assert_eq!(of(Some(live(json!({"metadata": {"labels": labels("other")}})))), Verdict::Skip);
    assert_eq!(of(Some(object(json!({})))), Verdict::Skip);
    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(of(Some(live(leaving))), Verdict::Terminating);
    for (marker, value) in [("prune", "Disabled"), ("reconcile", "disabled"), ("ssa", "Ignore")] {
        let annotations = json!({key(marker): value});
        let kept = live(json!({"metadata": {"annotations": annotations}}));
        assert_eq!(of(Some(kept)), Verdict::Skip, "{marker}");
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = ("[a-c]", "[xy]", "v[12]").prop_map(|(name, namespace, version)| Entry {
        id: ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace, name },
        version,
    });
    proptest::collection::vec(entry, 0..8)
        .prop_map(|list| list.into_iter().fold(Vec::new(), |known, entry| union(&known, &[entry])))
}

fn ids(entries: &[Entry]) -> Vec<&ObjectId> {
    let mut ids: Vec<_> = entries.iter().map(|entry| &entry.id).collect();
    ids.sort();
    ids
}

proptest! {
    /// Invariant 8: what is written ahead holds everything that was and everything that may be,
    /// once.
    #[test]
    fn the_union_loses_and_repeats_nothing(planned in entries(), stored in entries()) {
        let ahead = union(&planned, &stored);
        let mut all = ids(&planned);
        all.extend(ids(&stored));
        all.sort();
        all.dedup();
        prop_assert_eq!(ids(&ahead), all);
        prop_assert_eq!(&ahead[..planned.len()], &planned[..]);
    }

    /// What is stale and what is desired part what was: nothing is in both, nothing in neither.
    #[test]
    fn stale_and_desired_part_what_was(stored in entries(), desired in entries()) {
        let stale = stale(&stored, &desired);
        for entry in &stored {
            let gone = stale.iter().any(|stale| stale.id == entry.id);
            let kept = desired.iter().any(|desired| desired.id == entry.id);
            prop_assert!(gone != kept);
        }
    }
}
