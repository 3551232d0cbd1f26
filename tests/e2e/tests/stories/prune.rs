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
    // Its end was told of when it was deleted.
    roll_out(&story, &[("cm.yaml", CONFIG_MAP), ("next.yaml", &map("next"))]).await;
    story.wait_event("k", &format!("ConfigMap/{ns}/next created")).await;
    let events = story.events("k").await;
    let told = events.iter().filter(|event| event.contains("stuck deleted"));
    assert_eq!(told.count(), 1, "{events:#?}");
}

/// ks H09: the same object by another version of its kind is the same object.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_a_kind_is_the_same_object() {
    let scaler = |version: &str| {
        format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\n\
             metadata: {{name: a}}\nspec:\n  maxReplicas: 2\n  \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: d}}\n"
        )
    };
    let story = synced("versions", &[("a.yaml", &scaler("v1"))], json!({})).await;
    let kind = "autoscaling/v2/HorizontalPodAutoscaler";
    let before = story.get(kind, "a").await.unwrap();
    let entry = |version: &str| {
        let id = format!("{}_a_autoscaling_HorizontalPodAutoscaler", story.namespace);
        json!([{"id": id, "v": version}])
    };
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(k["status"]["inventory"]["entries"], entry("v1"));
    let k = roll_out(&story, &[("a.yaml", &scaler("v2"))]).await;
    assert_eq!(k["status"]["inventory"]["entries"], entry("v2"));
    let after = story.get(kind, "a").await.unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let events = story.events("k").await;
    assert!(!events.iter().any(|event| event.contains("deleted")), "{events:?}");
}

/// ks H11 and W14: a thousand objects go in one run, and one event names them all.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_objects_go_at_once() {
    const COUNT: usize = 1000;
    let maps: Vec<String> = (0..COUNT).map(|i| map(&format!("m{i}"))).collect();
    let story = synced("many", &[("all.yaml", &maps.join("---\n"))], json!({})).await;
    let began = std::time::Instant::now();
    let k = roll_out(&story, &[("README.md", "nothing here")]).await;
    let took = began.elapsed();
    e2e::say(&format!("{COUNT} objects were deleted in {took:?}"));
    assert_eq!(inventory(&k), [""; 0]);
    let event = story.wait_event("k", " deleted\n").await;
    let deleted = event.lines().filter(|line| line.ends_with(" deleted"));
    assert_eq!(deleted.count(), COUNT);
    for name in ["m0", "m500", "m999"] {
        story.wait_gone("ConfigMap", name).await;
    }
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
