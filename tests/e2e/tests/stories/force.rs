//! Objects that cannot be changed, and objects that take their time to go.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{roll_out, synced};

const FIXED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\nimmutable: true\n\
                     data: {key: v1}\n";
const HOLD: &str = "example.com/hold";

fn changed(text: &str) -> String {
    text.replace("v1}", "v2}")
}

async fn uid(story: &Story, name: &str) -> String {
    let object = story.get("ConfigMap", name).await.unwrap();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// ks G16, G17 and W2: created anew only where that was asked for, and only if it would be accepted.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_created_anew_on_demand() {
    let free = FIXED.replace("fixed", "free").replace(
        "{name: free}",
        "{name: free, annotations: {kustomize.toolkit.fluxcd.io/force: Enabled}}",
    );
    let story = synced("force", &[("a.yaml", FIXED), ("b.yaml", &free)], json!({})).await;
    let (fixed_uid, free_uid) = (uid(&story, "fixed").await, uid(&story, "free").await);
    story.push("latest", &[("a.yaml", &changed(FIXED)), ("b.yaml", &changed(&free))]);
    story.request("OCIRepository", "src", "changed").await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let ns = story.namespace.clone();
    let message = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("ConfigMap/{ns}/fixed dry-run failed (Invalid): ")));
    assert!(message.contains("field is immutable"), "{message}");
    assert!(!message.contains("free"), "only one is refused: {message}");
    assert_eq!(uid(&story, "free").await, free_uid, "nothing of a refused stage is deleted");

    story.patch("Kustomization", "k", json!({"spec": {"force": true}})).await;
    story
        .wait_event("k", &format!("ConfigMap/{ns}/fixed created\nConfigMap/{ns}/free created"))
        .await;
    story.wait_ready("Kustomization", "k").await;
    for (name, old) in [("fixed", fixed_uid), ("free", free_uid)] {
        assert_ne!(uid(&story, name).await, old, "{name}");
        assert_eq!(story.get("ConfigMap", name).await.unwrap()["data"]["key"], "v2");
    }

    // What is wrong in itself deletes nothing (kc issue 734).
    let fixed_uid = uid(&story, "fixed").await;
    let wrong = FIXED.replace("{key: v1}", "{\"bad key\": v1}");
    story.push("latest", &[("a.yaml", &wrong), ("b.yaml", &changed(&free))]);
    story.request("OCIRepository", "src", "wrong").await;
    story
        .wait("Kustomization", "k", "refused", |k| {
            condition(k, "Ready")["message"]
                .as_str()
                .is_some_and(|text| text.contains("dry-run failed (Invalid)"))
        })
        .await;
    assert_eq!(uid(&story, "fixed").await, fixed_uid);
}

/// ks G18: the old object is awaited until its finalizer lets it go, for a bounded time.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_created_anew_is_awaited() {
    let held = FIXED.replace("{name: fixed}", &format!("{{name: fixed, finalizers: [{HOLD}]}}"));
    let story = synced("force-held", &[("a.yaml", &held)], json!({"force": true})).await;
    let old = uid(&story, "fixed").await;
    story.push("latest", &[("a.yaml", &changed(&held))]);
    story.request("OCIRepository", "src", "changed").await;
    let ending = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
    story.wait("ConfigMap", "fixed", "on its way out", ending).await;
    story.clock.advance(Duration::from_secs(29));
    assert_eq!(uid(&story, "fixed").await, old);
    story.patch("ConfigMap", "fixed", json!({"metadata": {"finalizers": null}})).await;
    story
        .wait("ConfigMap", "fixed", "created anew", |object| {
            story.clock.advance(Duration::from_millis(10));
            object["metadata"]["uid"] != old.as_str() && object["data"]["key"] == "v2"
        })
        .await;
    story.wait_ready("Kustomization", "k").await;

    story.push("latest", &[("a.yaml", &held)]);
    story.request("OCIRepository", "src", "back").await;
    story.wait("ConfigMap", "fixed", "on its way out", ending).await;
    story.clock.advance(Duration::from_secs(60));
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = format!(
        "ConfigMap/{}/fixed immutable field detected, failed to wait for object to be deleted: \
         context deadline exceeded\n",
        story.namespace
    );
    assert_eq!(condition(&k, "Ready")["message"], text);
    story.patch("ConfigMap", "fixed", json!({"metadata": {"finalizers": null}})).await;
}

/// ks J05: the end of what was deleted is awaited, for a bounded time.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_the_end_of_its_objects() {
    let held = FIXED.replace("{name: fixed}", &format!("{{name: fixed, finalizers: [{HOLD}]}}"));
    let spec = json!({"deletionPolicy": "WaitForTermination", "prune": false, "timeout": "30s"});
    let story = synced("terminate", &[("a.yaml", &held)], spec.clone()).await;
    let second = story.kustomization("l", spec);
    let ending = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();

    story.delete("Kustomization", "k").await;
    story.wait("ConfigMap", "fixed", "on its way out", ending).await;
    story.clock.advance(Duration::from_secs(29));
    assert!(story.get("Kustomization", "k").await.is_some());
    story.patch("ConfigMap", "fixed", json!({"metadata": {"finalizers": null}})).await;
    story.clock.advance(Duration::from_millis(600));
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "fixed").await.is_none());

    story.apply(&second).await;
    story.wait_ready("Kustomization", "l").await;
    story.delete("Kustomization", "l").await;
    story.wait("ConfigMap", "fixed", "on its way out", ending).await;
    story.clock.advance(Duration::from_secs(31));
    story.wait_gone("Kustomization", "l").await;
    story.wait_event("l", "failed to wait for resources termination").await;
    story.patch("ConfigMap", "fixed", json!({"metadata": {"finalizers": null}})).await;
    story.wait_gone("ConfigMap", "fixed").await;
}

/// ks G10: fields of a manager that a flag names are taken over.
#[tokio::test(flavor = "multi_thread")]
async fn fields_of_an_overridden_manager_go() {
    let mut story = Story::begin_with("override", &["--override-manager=foo"]).await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {key: v1}\n";
    story.push("latest", &[("cm.yaml", text)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    for (manager, key) in [("foo", "extra"), ("bar", "kept")] {
        story.patch_as(manager, "ConfigMap", "cm", json!({"data": {key: "x"}})).await;
    }
    story.request("Kustomization", "k", "again").await;
    let data = |object: &Value| object["data"].clone();
    let wanted = json!({"key": "v1", "kept": "x"});
    story.wait("ConfigMap", "cm", "without the extra key", |cm| data(cm) == wanted).await;
    story.stop_operator().await;
}

/// ks G23, G26: what an autoscaler does is left alone, and survives a change of something else.
#[tokio::test(flavor = "multi_thread")]
async fn ignored_fields_are_left_to_others() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {key: v1, load: low}\n";
    let rules = json!({"ignore": [{"paths": ["/data/load"], "target": {"kind": "Config.*"}}]});
    let story = synced("ignore", &[("cm.yaml", text)], rules).await;
    story.patch_as("autoscaler", "ConfigMap", "cm", json!({"data": {"load": "high"}})).await;
    let version =
        story.get("ConfigMap", "cm").await.unwrap()["metadata"]["resourceVersion"].clone();
    story.request("Kustomization", "k", "again").await;
    story
        .wait("Kustomization", "k", "run again", |k| {
            k["status"]["lastHandledReconcileAt"] == "again"
        })
        .await;
    let cm = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(cm["metadata"]["resourceVersion"], version, "no drift, no write");
    roll_out(&story, &[("cm.yaml", &text.replace("key: v1", "key: v2"))]).await;
    let cm = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(cm["data"], json!({"key": "v2", "load": "high"}));

    let bad = json!({"spec": {"ignore": [{"paths": ["/a"], "target": {"name": "[a"}}]}});
    story.patch("Kustomization", "k", bad).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let message = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    let start = "failed to create ignore rule selector: invalid name regex: error parsing regexp: \
                 missing closing ]";
    assert!(message.starts_with(start), "{message}");
}
