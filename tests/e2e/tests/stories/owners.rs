//! Two Kustomizations that own the same object.

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

async fn told(story: &Story, name: &str) -> Vec<String> {
    let events = story.events(name).await.into_iter();
    events.filter(|event| event.starts_with("Warning")).collect()
}

async fn handled(story: &Story, name: &str, token: &str) -> Value {
    story.request("Kustomization", name, token).await;
    story
        .wait("Kustomization", name, "handled", |k| {
            k["status"]["lastHandledReconcileAt"] == token
                && condition(k, "Ready")["status"] == "True"
        })
        .await
}

/// ks X01: the last to apply wins, nobody is woken by that, and both are told at each flip.
#[tokio::test(flavor = "multi_thread")]
async fn two_owners_of_an_object_are_told_of_each_other() {
    let story = Story::begin("owners").await;
    let theirs = CONFIG_MAP.replace("v1}", "v2}");
    story.push("latest", &[("a/cm.yaml", CONFIG_MAP), ("b/cm.yaml", &theirs)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("one", json!({"path": "a"}))).await;
    story.wait_ready("Kustomization", "one").await;
    assert_eq!(told(&story, "one").await, [""; 0]);

    let ns = &story.namespace;
    let text = |other: &str, taken: &str| {
        format!(
            "Warning OwnerChanged Kustomization/{ns}/{other} owns this too, it was taken over \
             {taken} it, and the last to apply it wins:\nConfigMap/{ns}/cm"
        )
    };
    story.apply(&story.kustomization("two", json!({"path": "b"}))).await;
    story.wait_ready("Kustomization", "two").await;
    story.wait_event("one", &text("two", "by")).await;
    story.wait_event("two", &text("one", "from")).await;
    let value = async || story.get("ConfigMap", "cm").await.unwrap()["data"]["key"].clone();
    assert_eq!(value().await, "v2", "who has lost it is not woken");

    handled(&story, "one", "back").await;
    story.wait_event("one", &text("two", "from")).await;
    story.wait_event("two", &text("one", "by")).await;
    assert_eq!(value().await, "v1");
    // What is as it was left is no flip.
    handled(&story, "one", "again").await;
    story.delete("Kustomization", "two").await;
    story.wait_gone("Kustomization", "two").await;
    story.wait_event("two", &format!("ConfigMap/{ns}/cm skipped")).await;
    assert_eq!(told(&story, "one").await, [text("two", "by"), text("two", "from")]);
    assert_eq!(told(&story, "two").await, [text("one", "from"), text("one", "by")]);
}

/// An object that was let go has one owner, whoever takes it up next.
#[tokio::test(flavor = "multi_thread")]
async fn who_lets_an_object_go_is_no_owner_of_it() {
    let story = Story::begin("heirs").await;
    story.push("latest", &[("a/cm.yaml", CONFIG_MAP), ("b/README.md", "nothing here")]);
    story.apply(&story.source(json!({}))).await;
    let spec = |path: &str| json!({"path": path, "prune": false});
    story.apply(&story.kustomization("one", spec("a"))).await;
    story.wait_ready("Kustomization", "one").await;
    story.apply(&story.kustomization("one", spec("b"))).await;
    story.wait("Kustomization", "one", "without it", |k| inventory(k).is_empty()).await;
    story.apply(&story.kustomization("two", spec("a"))).await;
    story.wait_ready("Kustomization", "two").await;
    story.wait_event("two", "Reconciliation finished").await;
    assert_eq!(told(&story, "two").await, [""; 0]);
    assert_eq!(told(&story, "one").await, [""; 0]);
}
