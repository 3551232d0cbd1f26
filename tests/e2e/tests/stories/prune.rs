//! What left the source is deleted; what is not ours, or asks to stay, is not.

use e2e::inventory;
use serde_json::json;

use super::sync::{CONFIG_MAP, SECRET, roll_out, synced};

fn map(name: &str) -> String {
    CONFIG_MAP.replace("name: cm", &format!("name: {name}"))
}

/// ks H01, H04, H05, H06, H12 and W14.
#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_source_goes_and_what_asks_to_stay_stays() {
    let [kept, stolen, gone, stuck] = ["kept", "stolen", "gone", "stuck"].map(map);
    let files = [
        ("cm.yaml", CONFIG_MAP),
        ("sec.yaml", SECRET),
        ("kept.yaml", &kept),
        ("stolen.yaml", &stolen),
        ("gone.yaml", &gone),
        ("stuck.yaml", &stuck),
    ];
    let story = synced("prune", &files, json!({})).await;
    let key = |name: &str| format!("kustomize.toolkit.fluxcd.io/{name}");
    let annotations = json!({key("prune"): "Disabled"});
    story.patch("ConfigMap", "kept", json!({"metadata": {"annotations": annotations}})).await;
    let labels = json!({key("name"): "other"});
    story.patch("ConfigMap", "stolen", json!({"metadata": {"labels": labels}})).await;
    story.delete("ConfigMap", "gone").await;
    let finalizers = json!({"metadata": {"finalizers": ["e2e.test/hold"]}});
    story.patch("ConfigMap", "stuck", finalizers).await;
    let k = roll_out(&story, &[("cm.yaml", CONFIG_MAP)]).await;
    story.wait_gone("Secret", "sec").await;
    assert!(story.get("ConfigMap", "kept").await.is_some());
    assert!(story.get("ConfigMap", "stolen").await.is_some());
    let ns = &story.namespace;
    // What is on its way out stays ours until it is gone.
    assert_eq!(inventory(&k), [format!("{ns}_cm__ConfigMap"), format!("{ns}_stuck__ConfigMap")]);
    let event = story.wait_event("k", &format!("Secret/{ns}/sec deleted")).await;
    for line in ["kept skipped", "stolen skipped", "gone deleted", "stuck deleted"] {
        assert!(event.contains(&format!("ConfigMap/{ns}/{line}")), "{event}");
    }
    story.patch("ConfigMap", "stuck", json!({"metadata": {"finalizers": null}})).await;
    story.wait_gone("ConfigMap", "stuck").await;
    story.request("Kustomization", "k", "trim").await;
    story.wait("Kustomization", "k", "trimmed", |k| inventory(k).len() == 1).await;
}

/// ks H02, H03, D06: a rename creates before it deletes; without prune nothing goes; an empty build
/// is valid and prunes everything.
#[tokio::test(flavor = "multi_thread")]
async fn prune_off_forgets_and_an_empty_build_prunes_all() {
    let story = synced("forget", &[("cm.yaml", CONFIG_MAP)], json!({"prune": false})).await;
    let k = roll_out(&story, &[("cm2.yaml", &map("cm2"))]).await;
    assert_eq!(inventory(&k), [format!("{}_cm2__ConfigMap", story.namespace)]);
    assert!(story.get("ConfigMap", "cm").await.is_some());
    story.patch("Kustomization", "k", json!({"spec": {"prune": true}})).await;
    story.wait_ready("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
    let k = roll_out(&story, &[("README.md", "nothing here")]).await;
    assert_eq!(inventory(&k), [""; 0]);
    story.wait_gone("ConfigMap", "cm2").await;
}
