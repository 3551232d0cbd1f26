//! Situations in, decisions out.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use expect_test::{Expect, expect};
use manifest::{Object, ObjectId};
use plan::ignore::{Rule, Rules, Target};
use plan::inventory::{Entry, stale, union};
use plan::prune::{Owner, Verdict, verdict};
use plan::{Action, DryRun, Observed, Policy, Sighting, plan};
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
    let dry_run = DryRun::Gives(object(dry_run));
    let observed = match live.map(object) {
        Some(live) => Observed::Present { live, dry_run },
        None => Observed::Absent,
    };
    let plan = plan(vec![(object(desired), observed)], &Policy::default()).unwrap();
    let detail = match &plan.steps[0].action {
        Action::Configure { fields, takeover } => {
            let takeover = if takeover.is_some() { ", taken over" } else { "" };
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
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

/// decisions.md, drift detail: who changed what, never to which value.
#[test]
fn drift_names_who_changed_a_field_last() {
    let entry = |manager: &str, time: &str, fields: Value| {
        let operation = if manager == "kustomize-controller" { "Apply" } else { "Update" };
        json!({"manager": manager, "operation": operation, "time": time, "fieldsV1": fields})
    };
    let ports = json!({"f:ports": {"k:{\"port\":80}": {".": {}, "f:name": {}}}, "f:args": {}});
    let live = json!({
        "metadata": {"managedFields": [
            entry("kustomize-controller", "2026-01-03T00:00:00Z", json!({"f:data": {"f:ours": {}}})),
            entry("editor", "2026-01-01T00:00:00Z", json!({"f:data": {"f:a": {}}})),
            entry("scaler", "2026-01-02T00:00:00Z", json!({"f:data": {"f:a": {}}, "f:spec": ports})),
        ]},
        "data": {"a": "1", "b": "2", "ours": "3"},
        "spec": {"ports": [{"port": 80, "name": "x"}], "args": ["one"]},
    });
    let dry_run = json!({
        "data": {"a": "canary", "b": "canary", "ours": "canary"},
        "spec": {"ports": [{"port": 80, "name": "y"}], "args": ["two"]},
    });
    check(
        json!({}),
        Some(live),
        dry_run,
        &expect![
            "ConfigMap/ns/cm configured: data.a by scaler, data.b, data.ours, spec.ports[0].name by scaler, spec.args[0] by scaler"
        ],
    );
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
    let dry_run = DryRun::Gives(live.clone());
    let observed = Observed::Present { dry_run, live: live.clone() };
    let plan = plan(vec![(live, observed)], &Policy::default()).unwrap();
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

fn ignoring(paths: &[&str]) -> Policy {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let target = Target { kind: "Deploy.*".into(), ..Target::default() };
    Policy { ignored: Rules::new(&[Rule { paths, target }]).unwrap(), ..Policy::default() }
}

fn deployment(replicas: u8, image: &str, managers: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"managedFields": managers},
        "spec": {"replicas": replicas, "containers": [{"name": "a", "image": image, "tty": true}]},
    })
}

/// The payload of an apply, or that none is needed.
fn applied(policy: &Policy, desired: Value, live: Value, dry_run: Value) -> Result<String, String> {
    let dry_run = DryRun::Gives(object(dry_run));
    let observed = Observed::Present { live: object(live), dry_run };
    let plan = plan(vec![(object(desired), observed)], policy).map_err(|e| e.to_string())?;
    let step = &plan.steps[0];
    let spec = serde_json::to_string(step.object.at(&["spec"]).unwrap()).unwrap();
    Ok(if step.action.writes() { spec } else { step.action.word().to_owned() })
}

/// ks G23, G24, G25.
#[test]
fn ignored_fields_are_no_drift_and_keep_what_others_made_of_them() {
    let none = || json!([]);
    let (desired, live) = (deployment(1, "a:1", &none()), deployment(5, "a:1", &none()));
    let policy = ignoring(&["/spec/replicas"]);
    let unchanged = applied(&policy, desired.clone(), live.clone(), desired.clone());
    assert_eq!(unchanged.as_deref(), Ok("unchanged"));
    let drifted = applied(&Policy::default(), desired.clone(), live, desired).unwrap();
    assert!(drifted.contains(r#""replicas":1"#), "{drifted}");

    // Nobody else applies it: its live value is sent along.
    let desired = deployment(1, "a:2", &none());
    let adopted = applied(&policy, desired.clone(), deployment(5, "a:1", &none()), desired.clone());
    assert!(adopted.as_ref().unwrap().contains(r#""replicas":5"#), "{adopted:?}");

    // Somebody else applies it: it is left to them, also inside an item of a list.
    let other = json!([{"manager": "hpa", "operation": "Apply", "fieldsV1": {"f:spec": {
        "f:replicas": {}, "f:containers": {r#"k:{"name":"a"}"#: {"f:tty": {}}}}}}]);
    let mut live = deployment(5, "a:1", &other);
    live["spec"]["containers"][0]["tty"] = json!(false);
    let policy = ignoring(&["/spec/replicas", "/spec/containers/0/tty"]);
    let stripped = applied(&policy, desired.clone(), live, desired);
    assert_eq!(stripped.as_deref(), Ok(r#"{"containers":[{"name":"a","image":"a:2"}]}"#));
}

/// ks G25, G26.
#[test]
fn a_path_that_is_none_fails_only_what_drifts() {
    let policy = ignoring(&["spec/replicas", "/spec/none"]);
    let (old, new) = (deployment(1, "a:1", &json!([])), deployment(1, "a:2", &json!([])));
    let quiet = applied(&policy, old.clone(), old.clone(), old.clone());
    assert_eq!(quiet.as_deref(), Ok("unchanged"));
    let error = applied(&policy, new.clone(), old.clone(), new.clone()).unwrap_err();
    let text =
        "replace operation does not apply: doc is missing path: spec/replicas: missing value";
    assert_eq!(error, text);
    let whole = applied(&ignoring(&[""]), new.clone(), old.clone(), new.clone());
    assert_eq!(whole.as_deref(), Ok("unchanged"));
    let identity = applied(&ignoring(&["/kind"]), new.clone(), old, new).unwrap();
    assert!(identity.contains("a:2"), "the kind is the same on both sides");

    let target = Target { name: "[".into(), ..Target::default() };
    let error = Rules::new(&[Rule { paths: Vec::new(), target }]).unwrap_err().to_string();
    let start = "failed to create ignore rule selector: invalid name regex: error parsing regexp: ";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn what_cannot_be_changed_is_created_anew() {
    let observed = Observed::Present { live: object(json!({})), dry_run: DryRun::Immutable };
    let plan = plan(vec![(object(json!({})), observed)], &Policy::default()).unwrap();
    assert_eq!(plan.to_string(), "ConfigMap/ns/cm created");
    assert_eq!(plan.steps[0].action, Action::Recreate { uid: "u1".into() });
}

#[test]
fn the_fields_of_named_managers_are_taken_over_too() {
    let managers = json!([{"manager": "foo", "operation": "Apply", "fieldsV1": {"f:data": {}}}]);
    let live = object(json!({"metadata": {"managedFields": managers}}));
    let override_managers = vec!["foo".to_owned()];
    for (policy, word) in [
        (Policy::default(), "unchanged"),
        (Policy { override_managers, ..Policy::default() }, "configured"),
    ] {
        let dry_run = DryRun::Gives(live.clone());
        let observed = Observed::Present { live: live.clone(), dry_run };
        let plan = plan(vec![(live.clone(), observed)], &policy).unwrap();
        assert_eq!(plan.steps[0].action.word(), word);
    }
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
    let of = |live: Option<Object>| verdict(live.as_ref().map(Sighting::of).as_ref(), &owner);
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

/// ks G20, G28: what Go's types make of an object.
#[test]
fn objects_are_normalised_as_their_types_are() {
    let normal = |value: Value| {
        let mut objects = [Object::try_from(value).unwrap()];
        let unknown = plan::prepare(&mut objects).map_err(|unfit| unfit.to_string())?;
        let dropped: Vec<_> = unknown.into_iter().flat_map(|unknown| unknown.fields).collect();
        Ok::<_, String>((serde_json::to_value(&objects[0]).unwrap(), dropped.join(", ")))
    };
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replica": 3, "template": {"spec": {"containers": [
            {"name": "a", "ports": [{"containerPort": 80}], "limits": {}}]}}}});
    let (typed, dropped) = normal(deployment.clone()).unwrap();
    assert_eq!(dropped, "spec.replica, spec.template.spec.containers[0].limits");
    let container = &typed["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{"containerPort": 80, "protocol": "TCP"}]));
    assert_eq!(container["resources"], json!({}));

    // What does not fit its type stays as it is, unknown fields and all.
    let mut odd = deployment;
    odd["spec"]["replicas"] = json!("3");
    assert_eq!(normal(odd.clone()).unwrap().0["spec"], odd["spec"]);

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "eA=="}, "stringData": {"b": "y"}});
    let (secret, _) = normal(secret).unwrap();
    assert_eq!(
        (&secret["data"], &secret["stringData"]),
        (&json!({"a": "eA==", "b": "eQ=="}), &Value::Null)
    );

    let definition = |bundle: &str| {
        let webhook = json!({"clientConfig": {"caBundle": bundle}});
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "metadata": {"name": "d"},
            "spec": {"conversion": {"webhook": webhook}}});
        normal(definition).unwrap().0["spec"]["conversion"]["webhook"]["clientConfig"].clone()
    };
    assert_eq!(definition("Cg=="), json!({}));
    let good = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
    assert_eq!(definition(good), json!({"caBundle": good}));

    let list = json!({"apiVersion": "v1", "kind": "Status", "metadata": {"name": "s"}});
    assert!(normal(list).unwrap_err().contains("not an object that can be applied"));
}
