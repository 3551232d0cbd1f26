//! OCIRepository: what is kept on disk, for how long, and what a restart makes of it.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

fn map(value: &str) -> String {
    CONFIG_MAP.replace("v1}", &format!("{value}}}"))
}

/// The stored archives of an object, without the link to the newest.
fn archives(story: &Story, name: &str) -> Vec<String> {
    let folder = story.storage().join("ocirepository").join(&story.namespace).join(name);
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != "latest.tar.gz");
    names.sort();
    names
}

/// Pushes one revision after the other under `latest` and waits for each; gives their files, the
/// oldest first.
async fn roll(story: &Story, values: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    for value in values {
        let digest = story.push("latest", &[("cm.yaml", &map(value))]);
        story.request("OCIRepository", "src", value).await;
        story
            .wait("OCIRepository", "src", value, |s| {
                s["status"]["artifact"]["revision"] == format!("latest@{digest}")
                    && s["status"]["lastHandledReconcileAt"] == *value
            })
            .await;
        files.push(format!("{digest}.tar.gz"));
    }
    files
}

/// oci H06: an artifact whose digest says nothing is made anew. (The definition refuses an empty
/// digest; that one is in `a_flipped_byte_is_found_and_repaired_by_the_next_write`.)
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_with_a_digest_that_says_nothing_is_made_anew() {
    let story = synced("senseless", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap()["status"]["artifact"].clone();
    story.patch_status("OCIRepository", "src", json!({"artifact": {"digest": "md5:none"}})).await;
    let source = story.handled("src", "again").await;
    let text = "Warning ArtifactVerificationFailed failed to verify integrity of artifact: \
                computed digest doesn't match 'md5:none'";
    story.wait_event("src", text).await;
    assert_eq!(source["status"]["artifact"]["digest"], before["digest"]);
    assert_eq!(condition(&source, "Ready")["status"], "True");
}

/// oci H07: an operator that is reached under another name says so, and rebuilds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_advertised_host_changes_addresses_only() {
    let mut story = synced("moved", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap()["status"].clone();
    story.kill_operator();
    story.set_flags(&["--storage-adv-addr=artifacts.example.com."]);
    story.registry.take_log();
    story.start_operator().await;
    let path = before["artifact"]["path"].as_str().unwrap();
    let source = story
        .wait("OCIRepository", "src", "moved", |s| {
            s["status"]["artifact"]["url"] == format!("http://artifacts.example.com./{path}")
        })
        .await;
    let latest = format!(
        "http://artifacts.example.com./ocirepository/{}/src/latest.tar.gz",
        story.namespace
    );
    assert_eq!(source["status"]["url"], latest);
    assert_eq!(source["status"]["conditions"], before["conditions"]);
    for field in ["digest", "revision", "lastUpdateTime", "size"] {
        assert_eq!(source["status"]["artifact"][field], before["artifact"][field], "{field}");
    }
    let log = story.registry.take_log();
    assert!(log.iter().all(|line| line.starts_with("HEAD ")), "{log:?}");
}

/// oci H08, H09: old artifacts go by number, then by age; never the current one.
#[tokio::test(flavor = "multi_thread")]
async fn old_artifacts_go_by_number_and_by_age() {
    let flags = ["--artifact-retention-ttl=2m", "--artifact-retention-records=2"];
    let story = Story::begin_with("retention", &flags).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.follow("src", json!({})).await;
    story.wait_ready("OCIRepository", "src").await;
    let files = roll(&story, &["a", "b", "c", "d"]).await;
    story.handled("src", "number").await;
    let mut wanted = files[2..].to_vec();
    wanted.sort();
    assert_eq!(archives(&story, "src"), wanted);
    story.clock.advance(Duration::from_secs(121));
    story.handled("src", "age").await;
    assert_eq!(archives(&story, "src"), files[3..]);
    assert_eq!(std::fs::read_dir(story.storage().join(".blobs")).unwrap().count(), 1);
}

/// oci H11, H12, H13: what is stored of an object goes with it, whether it is suspended, or was
/// deleted before anybody held it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_source_leaves_nothing_stored() {
    let mut story = Story::begin("deleted").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    for name in ["plain", "asleep"] {
        story.follow(name, json!({})).await;
        story.wait_ready("OCIRepository", name).await;
    }
    story.patch("OCIRepository", "asleep", json!({"spec": {"suspend": true}})).await;
    let folder = story.storage().join("ocirepository").join(&story.namespace);
    for name in ["plain", "asleep"] {
        assert!(folder.join(name).is_dir());
        story.delete("OCIRepository", name).await;
        story.wait_gone("OCIRepository", name).await;
        assert!(!folder.join(name).exists());
        let text =
            "Normal GarbageCollectionSucceeded garbage collected artifacts for deleted resource";
        story.wait_event(name, text).await;
    }
    story.stop_operator().await;
    let mut held = story.source(json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    story.apply(&held).await;
    story.delete("OCIRepository", "src").await;
    std::fs::create_dir_all(folder.join("src")).unwrap();
    story.start_operator().await;
    e2e::until("the folder is gone", async || !folder.join("src").exists()).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    assert_eq!(source["metadata"]["finalizers"], json!(["example.com/hold"]));
    let events = story.events("src").await;
    assert!(events.iter().all(|event| !event.starts_with("Warning")), "{events:?}");
    story.patch("OCIRepository", "src", json!({"metadata": {"finalizers": null}})).await;
    story.wait_gone("OCIRepository", "src").await;
}

/// oci H20: an artifact stays valid under the hash that it is named by, whatever new ones are
/// named by.
#[tokio::test(flavor = "multi_thread")]
async fn another_hash_is_for_new_artifacts_only() {
    let mut story = Story::begin_with("hashes", &["--artifact-digest-algo=sha512"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.follow("src", json!({})).await;
    let first = story.wait_ready("OCIRepository", "src").await;
    let digest =
        |source: &Value| source["status"]["artifact"]["digest"].as_str().unwrap().to_owned();
    assert!(digest(&first).starts_with("sha512:"));
    story.kill_operator();
    story.set_flags(&[]);
    story.start_operator().await;
    story.registry.take_log();
    let source = story.handled("src", "restarted").await;
    assert_eq!(
        source["status"]["artifact"]["lastUpdateTime"],
        first["status"]["artifact"]["lastUpdateTime"]
    );
    assert_eq!(digest(&source), digest(&first));
    let log = story.registry.take_log();
    assert!(log.iter().all(|line| line.starts_with("HEAD ")), "{log:?}");
    roll(&story, &["v2"]).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    assert!(digest(&source).starts_with("sha256:"));
}

/// oci J03: a registry that hangs holds one worker, and nobody else's object.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_holds_one_worker() {
    let story = Story::begin_with("crowd", &["--concurrent=2"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let hanging = registry::Registry::start().await;
    let hang = registry::Fault::new("", "/manifests/", 1000, registry::Effect::Hang);
    hanging.misbehave(hang);
    story.follow("hanging", json!({"url": hanging.url("app")})).await;
    e2e::until("it hangs", async || !hanging.log().is_empty()).await;
    let names: Vec<String> = (0..200).map(|i| format!("o{i}")).collect();
    for name in &names {
        story.follow(name, json!({})).await;
    }
    for name in &names {
        story.wait_ready("OCIRepository", name).await;
    }
    let source = story.get("OCIRepository", "hanging").await.unwrap();
    assert_ne!(condition(&source, "Ready")["status"], "True");
    assert_eq!(hanging.log().len(), 1, "one worker, one request");
}

/// oci J04: an edit during a pull counts in the end, and what others say of the object stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_during_a_pull_counts_in_the_end() {
    let story = Story::begin("edited").await;
    story.push("one", &[("cm.yaml", CONFIG_MAP)]);
    let digest = story.push("two", &[("cm.yaml", &map("v2"))]);
    let hang = registry::Fault::new("GET", "/blobs/", 1, registry::Effect::Hang);
    story.registry.misbehave(hang);
    story.follow("src", json!({"ref": {"tag": "one"}})).await;
    let pulling = async || story.registry.log().iter().any(|entry| entry.path.contains("/blobs/"));
    e2e::until("it pulls", pulling).await;
    story.follow("src", json!({"ref": {"tag": "two"}})).await;
    let source = story
        .wait("OCIRepository", "src", "announced", |s| s["status"]["conditions"].is_array())
        .await;
    let mut conditions = source["status"]["conditions"].as_array().unwrap().clone();
    conditions.push(json!({"type": "Theirs", "status": "True", "reason": "Said", "message": "so",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}));
    story.patch_status("OCIRepository", "src", json!({"conditions": conditions})).await;
    story.clock.advance(Duration::from_secs(61));
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(source["status"]["observedGeneration"], 2);
    assert_eq!(source["status"]["artifact"]["revision"], format!("two@{digest}"));
    assert_eq!(condition(&source, "Theirs")["message"], "so");
    assert_eq!(condition(&source, "Reconciling"), Value::Null);
}
