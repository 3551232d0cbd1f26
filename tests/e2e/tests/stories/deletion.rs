//! Deleting: what goes with its Kustomization, what stays, and what the store forgets.

use e2e::Story;
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

/// ks J01: every policy that is built, with and without prune.
#[tokio::test(flavor = "multi_thread")]
async fn deletion_policies_decide_what_stays() {
    let story = Story::begin("policies").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let cases = [
        ("a", json!("Delete"), false, false),
        ("b", json!("MirrorPrune"), true, false),
        ("c", Value::Null, false, true),
        ("d", json!("Orphan"), true, true),
    ];
    for (name, policy, prune, _) in &cases {
        let spec =
            json!({"deletionPolicy": policy, "prune": prune, "namePrefix": format!("{name}-")});
        story.apply(&story.kustomization(name, spec)).await;
    }
    for (name, ..) in &cases {
        story.wait_ready("Kustomization", name).await;
        story.delete("Kustomization", name).await;
        story.wait_gone("Kustomization", name).await;
    }
    for (name, _, _, stays) in &cases {
        let object = story.get("ConfigMap", &format!("{name}-cm")).await;
        assert_eq!(object.is_some(), *stays, "{name}");
    }
}

/// ks J02, J03, J04: suspended, without its source, and with objects that ask to stay.
#[tokio::test(flavor = "multi_thread")]
async fn deletion_needs_no_source_and_obeys_markers() {
    let kept = CONFIG_MAP.replace("name: cm", "name: kept");
    let story = synced("delete", &[("cm.yaml", CONFIG_MAP), ("kept.yaml", &kept)], json!({})).await;
    let annotations = json!({"kustomize.toolkit.fluxcd.io/prune": "disabled"});
    story.patch("ConfigMap", "kept", json!({"metadata": {"annotations": annotations}})).await;
    story.delete("OCIRepository", "src").await;
    story.wait_gone("OCIRepository", "src").await;
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_none());
    assert!(story.get("ConfigMap", "kept").await.is_some());
    let ns = &story.namespace;
    story.wait_event("k", &format!("ConfigMap/{ns}/kept skipped\nConfigMap/{ns}/cm deleted")).await;
}

/// ks J02.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_kustomization_leaves_its_objects() {
    let story = synced("paused", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story.patch("Kustomization", "k", json!({"spec": {"suspend": true}})).await;
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// oci H11, H13: the folder goes with its object, also when it is suspended.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_forgets_a_deleted_source() {
    let story = synced("forgotten", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let folder = story.storage().join("ocirepository").join(&story.namespace).join("src");
    assert!(folder.is_dir());
    story.patch("OCIRepository", "src", json!({"spec": {"suspend": true}})).await;
    story.delete("OCIRepository", "src").await;
    story.wait_gone("OCIRepository", "src").await;
    assert!(!folder.exists());
    story.wait_event("src", "garbage collected artifacts for deleted resource").await;
}
