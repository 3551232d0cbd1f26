//! Kustomizations that ask before they prune, only say what they would do, or go in order.

use std::time::Duration;

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, SECRET, synced};

fn map(name: &str) -> String {
    CONFIG_MAP.replace("name: cm", &format!("name: {name}"))
}

async fn annotate(story: &Story, name: &str, annotation: &str, value: &str) {
    let annotations = json!({format!("sluice.dev/{annotation}"): value});
    story.patch("Kustomization", name, json!({"metadata": {"annotations": annotations}})).await;
}

/// Pushes `latest` anew and asks for it.
async fn push(story: &Story, files: &[(&str, &str)]) -> String {
    let digest = story.push("latest", files);
    story.request("OCIRepository", "src", &digest).await;
    digest
}

/// The digest that `k` asks for once it has applied a revision and prunes nothing.
async fn blocked(story: &Story, digest: &str, cause: &str) -> (Value, String) {
    let is_blocked = |k: &Value| {
        let said = condition(k, "sluice.dev/PruneBlocked");
        said["status"] == "True"
            && said["message"].as_str().unwrap().contains(cause)
            && k["status"]["lastAttemptedRevision"] == format!("latest@{digest}")
    };
    let k = story.wait("Kustomization", "k", "blocked", is_blocked).await;
    let ready = condition(&k, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("PruneBlocked")));
    for settled in ["Reconciling", "Stalled"] {
        assert_eq!(condition(&k, settled), Value::Null, "{settled}");
    }
    let message = ready["message"].as_str().unwrap().to_owned();
    let wanted = message.rsplit_once("sluice.dev/prune-allowed=").unwrap().1.to_owned();
    (k, wanted)
}

/// The rest is applied; what left stays ours until exactly that is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_guarded_goes_when_exactly_that_is_allowed() {
    let [a, b] = ["a", "b"].map(map);
    let files = [("cm.yaml", CONFIG_MAP), ("a.yaml", &a), ("b.yaml", &b)];
    let story = synced("guard", &files, json!({})).await;
    annotate(&story, "k", "prune-guard", "empty, 1").await;
    let digest = push(&story, &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]).await;
    let (k, first) = blocked(&story, &digest, "2 objects are more than 1").await;
    assert_eq!(inventory(&k).len(), 3);
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v2");
    assert!(story.get("ConfigMap", "b").await.is_some());
    let ns = &story.namespace;
    let names = format!("It would be ConfigMap/{ns}/a, ConfigMap/{ns}/b; to allow");
    story.wait_event("k", &names).await;

    // What was allowed is not what would go now.
    let digest = push(&story, &[("README.md", "nothing here")]).await;
    let (_, all) = blocked(&story, &digest, "the build is empty").await;
    annotate(&story, "k", "prune-allowed", &first).await;
    story.request("Kustomization", "k", "wrong").await;
    let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == "wrong";
    story.wait("Kustomization", "k", "handled", handled).await;
    assert!(story.get("ConfigMap", "cm").await.is_some());

    annotate(&story, "k", "prune-allowed", &all).await;
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(condition(&k, "sluice.dev/PruneBlocked"), Value::Null);
    assert_eq!(inventory(&k), [""; 0]);
    for name in ["cm", "a", "b"] {
        story.wait_gone("ConfigMap", name).await;
    }
    let told = story.events("k").await;
    let told = told.iter().filter(|event| event.contains("Warning PruneBlocked")).count();
    assert_eq!(told, 2, "each cause is told once");
}

/// security.md, D2: rules that are none guard everything of that object, and nothing of others.
#[tokio::test(flavor = "multi_thread")]
async fn rules_of_an_object_go_before_the_flag() {
    let story = Story::begin_with("rules", &["--prune-guard=Secret"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    let digest = push(&story, &[("cm.yaml", CONFIG_MAP)]).await;
    blocked(&story, &digest, "1 are of a protected kind").await;
    annotate(&story, "k", "prune-guard", "many").await;
    blocked(&story, &digest, "'many' is no rule of a prune guard").await;
    assert!(story.get("Secret", "sec").await.is_some());
    annotate(&story, "k", "prune-guard", "disabled").await;
    story.wait_ready("Kustomization", "k").await;
    story.wait_gone("Secret", "sec").await;
}

/// A plan of all stages, of what drifted and of what would be pruned; nothing of it is carried out,
/// not even when the Kustomization is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_detects_says_it_and_does_nothing() {
    let gone = map("gone");
    let files = [("cm.yaml", CONFIG_MAP), ("gone.yaml", &gone)];
    let story = synced("detect", &files, json!({})).await;
    annotate(&story, "k", "detect-only", "enabled").await;
    let none = |k: &Value| condition(k, "Ready")["reason"] == "NoDriftDetected";
    story.wait("Kustomization", "k", "without drift", none).await;

    let ns = &story.namespace;
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{name: wells.{ns}.test}}\nspec:\n  group: {ns}.test\n  scope: Namespaced\n  \
         names: {{kind: Well, plural: wells}}\n  versions:\n  - {{name: v1, served: true, storage: \
         true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let well = format!("apiVersion: {ns}.test/v1\nkind: Well\nmetadata: {{name: w}}\n");
    let files = [
        ("cm.yaml", CONFIG_MAP.replace("v1}", "v2}")),
        ("crd.yaml", definition),
        ("well.yaml", well),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    push(&story, &files).await;
    let k = story.wait_failed("Kustomization", "k", "DriftDetected").await;
    let text = format!(
        "detect only, nothing is applied:\n\
         CustomResourceDefinition/wells.{ns}.test created\n\
         ConfigMap/{ns}/cm configured (data.key)\nWell/{ns}/w created\nConfigMap/{ns}/gone deleted"
    );
    assert_eq!(condition(&k, "Ready")["message"], text);
    story.wait_event("k", &format!("Normal DriftDetected {text}")).await;
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v1");
    assert_eq!(inventory(&k).len(), 2);
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    for name in ["cm", "gone"] {
        assert!(story.get("ConfigMap", name).await.is_some(), "{name}");
    }
}

/// What is new is only looked at, and held by nothing, also in a namespace that is not there yet; once
/// it may, it is applied at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_only_detects_creates_nothing() {
    let story = Story::begin_with("watcher", &["--detect-only"]).await;
    let home = format!("{}-new", story.namespace);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: new}\n";
    story.push(
        "latest",
        &[
            ("first/cm.yaml", CONFIG_MAP),
            ("second/cm.yaml", CONFIG_MAP),
            ("second/ns.yaml", namespace),
        ],
    );
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("first", json!({"path": "./first"}))).await;
    let spec =
        json!({"dependsOn": [{"name": "first"}], "path": "./second", "targetNamespace": home});
    story.apply(&story.kustomization("second", spec)).await;
    for name in ["first", "second"] {
        let k = story.wait_failed("Kustomization", name, "DriftDetected").await;
        assert_eq!(k["metadata"]["finalizers"], Value::Null, "{name}");
        assert_eq!(k["status"]["inventory"], Value::Null, "{name}");
    }
    assert!(story.get("ConfigMap", "cm").await.is_none());
    let second = story.get("Kustomization", "second").await.unwrap();
    let text =
        format!("nothing is applied:\nNamespace/{home} created\nConfigMap/{home}/cm created");
    let said = condition(&second, "Ready")["message"].clone();
    assert!(said.as_str().unwrap().ends_with(&text), "{said}");
    annotate(&story, "first", "detect-only", "disabled").await;
    story.wait_ready("Kustomization", "first").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// Two that are deleted together: the dependency keeps its objects while its dependent has some, for
/// its timeout at most.
#[tokio::test(flavor = "multi_thread")]
async fn who_others_depend_on_goes_last() {
    let story = Story::begin_with("last", &["--wait-for-dependents"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    for life in ["patient", "late"] {
        let spec = json!({"namePrefix": "a-"});
        story.apply(&story.kustomization("a", spec)).await;
        let spec = json!({"namePrefix": "b-", "dependsOn": [{"name": "a"}],
            "deletionPolicy": "WaitForTermination", "timeout": "10m"});
        story.apply(&story.kustomization("b", spec)).await;
        story.wait_ready("Kustomization", "b").await;
        let held = json!({"metadata": {"finalizers": ["e2e.test/hold"]}});
        story.patch("ConfigMap", "b-cm", held).await;
        story.delete("Kustomization", "b").await;
        story.delete("Kustomization", "a").await;
        let is_leaving = |cm: &Value| !cm["metadata"]["deletionTimestamp"].is_null();
        story.wait("ConfigMap", "b-cm", "on its way out", is_leaving).await;
        // Asked once more, it answers as before.
        story.request("Kustomization", "a", life).await;
        let a = story.get("ConfigMap", "a-cm").await.unwrap();
        assert_eq!(a["metadata"]["deletionTimestamp"], Value::Null);
        let free = json!({"metadata": {"finalizers": null}});
        if life == "patient" {
            story.patch("ConfigMap", "b-cm", free).await;
            story.wait_gone("Kustomization", "a").await;
        } else {
            story.clock.advance(Duration::from_secs(31));
            story.wait_gone("Kustomization", "a").await;
            assert!(story.get("Kustomization", "b").await.is_some());
            story.patch("ConfigMap", "b-cm", free).await;
        }
        story.wait_gone("Kustomization", "b").await;
        story.wait_gone("ConfigMap", "a-cm").await;
    }
}
