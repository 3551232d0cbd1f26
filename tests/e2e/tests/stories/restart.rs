//! Killing the operator at any point and starting it again converges, and leaves no orphan.

use std::time::Duration;

use e2e::{Story, inventory};
use serde_json::json;

use super::sync::{CONFIG_MAP, roll_out, synced};

fn maps(count: usize, value: &str) -> Vec<(String, String)> {
    let map = |i: usize| {
        CONFIG_MAP
            .replace("name: cm", &format!("name: cm-{i:03}"))
            .replace("v1}", &format!("{value}}}"))
    };
    (0..count).map(|i| (format!("cm-{i:03}.yaml"), map(i))).collect()
}

fn borrow(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// ks L03 and W1: the operator is killed in the middle of an apply; the next revision drops half of
/// what was planned. Nothing of it stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_an_apply_leaves_no_orphan() {
    let mut story = Story::begin("killed").await;
    let files = maps(120, "v1");
    story.push("latest", &borrow(&files));
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait("ConfigMap", "cm-010", "created", |cm| !cm.is_null()).await;
    story.kill_operator();
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(inventory(&k).len(), 120, "written ahead");
    let digest = story.push("latest", &borrow(&files[..60]));
    story.start_operator().await;
    story
        .wait("Kustomization", "k", "at the new revision", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
                && inventory(k).len() == 60
        })
        .await;
    for i in [0, 59] {
        assert!(story.get("ConfigMap", &format!("cm-{i:03}")).await.is_some());
    }
    for i in 60..120 {
        assert!(story.get("ConfigMap", &format!("cm-{i:03}")).await.is_none(), "cm-{i:03} stays");
    }
}

/// The operator is killed again and again, wherever it happens to be.
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_point_converge() {
    let mut story = Story::begin("kills").await;
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    let mut digest = String::new();
    for round in 0..8_u64 {
        let files = maps(10 + usize::try_from(round % 3).unwrap() * 10, &format!("v{round}"));
        digest = story.push("latest", &borrow(&files));
        // Not a wait for something: the kill has to come at another point in each round.
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        story.kill_operator();
        story.start_operator().await;
    }
    let k = story
        .wait("Kustomization", "k", "converged", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
                && e2e::condition(k, "Ready")["status"] == "True"
        })
        .await;
    assert_eq!(inventory(&k).len(), 20);
    let selector = "kustomize.toolkit.fluxcd.io/name=k";
    let listed = e2e::World::shared().kubectl(&[
        "-n",
        &story.namespace,
        "get",
        "configmap",
        "-l",
        selector,
        "-o",
        "name",
    ]);
    assert_eq!(listed.lines().count(), 20, "{listed}");
}

/// oci H07, H15 and the restart of 12: a restart downloads nothing that is there, and restores what
/// is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_is_stored_and_restores_what_is_not() {
    let mut story = synced("stored", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap()["status"]["artifact"].clone();
    story.kill_operator();
    story.registry.take_log();
    story.start_operator().await;
    story.request("OCIRepository", "src", "up").await;
    story
        .wait("OCIRepository", "src", "handled", |s| s["status"]["lastHandledReconcileAt"] == "up")
        .await;
    let log = story.registry.take_log();
    assert!(log.iter().all(|line| !line.contains("/blobs/")), "{log:?}");
    story.kill_operator();
    std::fs::remove_dir_all(story.storage().join("ocirepository")).unwrap();
    std::fs::remove_dir_all(story.storage().join(".blobs")).unwrap();
    story.start_operator().await;
    let file = story.storage().join(before["path"].as_str().unwrap());
    let source = story
        .wait("OCIRepository", "src", "stored again", |s| {
            file.is_file() && e2e::condition(s, "Ready")["status"] == "True"
        })
        .await;
    assert_eq!(source["status"]["artifact"]["digest"], before["digest"]);
    roll_out(&story, &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]).await;
}
