//! dependsOn: order, and that waiting ends by the event that ends it. No story here moves the clock.

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

fn map(name: &str, value: &str) -> String {
    CONFIG_MAP.replace("name: cm", &format!("name: {name}")).replace("v1}", &format!("{value}}}"))
}

/// ks C01, C02: the text names what is missing; its readiness is enough to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_dependent_waits_and_is_woken_by_its_dependency() {
    let story = synced("order", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let dependent = json!({"dependsOn": [{"name": "d"}], "namePrefix": "b-"});
    story.apply(&story.kustomization("b", dependent)).await;
    let b = story.wait_failed("Kustomization", "b", "DependencyNotReady").await;
    let text = condition(&b, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("dependency '{}/d' not found", story.namespace)), "{text}");
    story.wait_event("b", "Dependencies do not meet ready condition, retrying in 30s").await;
    story.apply(&story.kustomization("d", json!({"path": "./none", "namePrefix": "d-"}))).await;
    story
        .wait("Kustomization", "b", "told that it is not ready", |b| {
            condition(b, "Ready")["message"]
                == format!("dependency '{}/d' is not ready", story.namespace)
        })
        .await;
    story.patch("Kustomization", "d", json!({"spec": {"path": "./"}})).await;
    story.wait_ready("Kustomization", "b").await;
    assert!(story.get("ConfigMap", "b-cm").await.is_some());
}

/// ks C03, B15, C16: at a new revision each link waits until the one before has applied it.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_one_source_rolls_out_in_order_without_a_timer() {
    let story = Story::begin("chain").await;
    let files = |value: &str| -> Vec<(String, String)> {
        (0..5).map(|i| (format!("l{i}/cm.yaml"), map(&format!("l{i}"), value))).collect()
    };
    let push = |value: &str| {
        let files = files(value);
        let files: Vec<_> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        story.push("latest", &files)
    };
    push("v1");
    story.apply(&story.source(json!({}))).await;
    for i in 0..5 {
        let before = if i == 0 { json!([]) } else { json!([{"name": format!("l{}", i - 1)}]) };
        let spec = json!({"path": format!("./l{i}"), "dependsOn": before, "interval": "60m"});
        story.apply(&story.kustomization(&format!("l{i}"), spec)).await;
    }
    story.wait_ready("Kustomization", "l4").await;
    let digest = push("v2");
    story.request("OCIRepository", "src", "r2").await;
    story
        .wait("Kustomization", "l4", "at r2", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
        })
        .await;
    assert_eq!(story.get("ConfigMap", "l0").await.unwrap()["data"]["key"], "v2");
}

/// ks C13 and W11: a cycle is said on its members; everyone else runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_named_on_its_members_only() {
    let story = synced("cycle", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    for (name, before) in [("a", "b"), ("b", "a")] {
        let spec = json!({"dependsOn": [{"name": before}], "namePrefix": format!("{name}-")});
        story.apply(&story.kustomization(name, spec)).await;
    }
    let ns = &story.namespace;
    let text = format!("circular dependency detected: {ns}/a -> {ns}/b -> {ns}/a");
    story
        .wait("Kustomization", "a", "told of the cycle", |a| {
            condition(a, "Ready")["message"] == text
        })
        .await;
    super::sync::roll_out(&story, &[("cm.yaml", &map("cm", "v2"))]).await;
}

/// ks C06: the flag that keeps sources in their namespace says nothing of dependencies.
#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_may_live_in_another_namespace() {
    let story = Story::begin_with("apart", &["--no-cross-namespace-refs"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let source = json!({"sourceRef": {"namespace": "default"}});
    story.apply(&story.kustomization("source", source)).await;
    story.wait_failed("Kustomization", "source", "AccessDenied").await;
    let dependency = json!({"dependsOn": [{"name": "d", "namespace": "default"}]});
    story.apply(&story.kustomization("k", dependency)).await;
    // It is looked for there, and this operator sees its own namespace only.
    let k = story.wait_failed("Kustomization", "k", "DependencyNotReady").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("dependency 'default/d' not found: "), "{text}");
}

/// ks C15 and W4: a dependency that repeats what it has applied keeps nobody waiting; one that is on
/// its way to something else does.
#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_repeats_itself_keeps_nobody_waiting() {
    let story = synced("repeats", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let dependent = json!({"dependsOn": [{"name": "k"}], "namePrefix": "d-"});
    story.apply(&story.kustomization("d", dependent)).await;
    let k = story.wait_ready("Kustomization", "k").await;
    story.wait_ready("Kustomization", "d").await;
    let mut running = condition(&k, "Ready");
    running["status"] = json!("Unknown");
    running["reason"] = json!("Progressing");
    let revision = &k["status"]["lastAppliedRevision"];
    let attempt = async |revision: &Value| {
        let status = json!({"conditions": [running], "lastAttemptedRevision": revision});
        story.patch_status("Kustomization", "k", status).await;
    };
    attempt(&json!("latest@sha256:00")).await;
    story.request("Kustomization", "d", "other").await;
    story.wait_failed("Kustomization", "d", "DependencyNotReady").await;
    attempt(revision).await;
    story.request("Kustomization", "d", "same").await;
    let d = story
        .wait("Kustomization", "d", "run", |d| d["status"]["lastHandledReconcileAt"] == "same")
        .await;
    assert_eq!(condition(&d, "Ready")["status"], "True");
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(condition(&k, "Ready")["status"], "Unknown", "it is still running");
}
