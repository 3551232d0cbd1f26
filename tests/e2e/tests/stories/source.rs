//! OCIRepository: which artifact is chosen, how it is stored, what a no-op costs.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

async fn follow(story: &Story, spec: Value) -> Value {
    story.apply(&story.source(spec)).await;
    story.wait_ready("OCIRepository", "src").await
}

/// oci A04, A05, A06, A07, B01, B18: the precedence of `ref`, and that a lower version is taken when
/// the best one vanishes.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_chooses_by_digest_range_tag_and_latest() {
    let story = Story::begin("ref").await;
    let map = |version: &str| CONFIG_MAP.replace("v1}", &format!("{version}}}"));
    let d4 = story.push("6.1.4", &[("cm.yaml", &map("4"))]);
    let d5 = story.push("6.1.5", &[("cm.yaml", &map("5"))]);
    let d6 = story.push("6.1.6", &[("cm.yaml", &map("6"))]);
    story.push("latest", &[("cm.yaml", &map("6"))]);
    let revision = |source: &Value| source["status"]["artifact"]["revision"].clone();
    assert_eq!(revision(&follow(&story, json!({})).await), format!("latest@{d6}"));
    let cases = [
        (json!({"tag": "6.1.5"}), format!("6.1.5@{d5}")),
        (json!({"tag": "6.1.4", "semver": ">= 6.1 <= 6.1.5"}), format!("6.1.5@{d5}")),
        (json!({"tag": "6.1.6", "semver": ">= 6.1.6", "digest": d4}), d4.clone()),
        (json!({"semver": ">=6.1.5"}), format!("6.1.6@{d6}")),
    ];
    for (reference, wanted) in cases {
        let source = follow(&story, json!({"ref": reference})).await;
        assert_eq!(revision(&source), wanted);
    }
    story.registry.delete_tag("app", "6.1.6");
    story.clock.advance(Duration::from_secs(600));
    story
        .wait("OCIRepository", "src", "at the lower version", |s| {
            revision(s) == format!("6.1.5@{d5}")
        })
        .await;
}

/// oci A08, H01: an interval at which nothing changed costs one HEAD and writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_no_op_costs_one_request() {
    let story = synced("quiet", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap();
    story.registry.take_log();
    story.request("OCIRepository", "src", "now").await;
    let source = story
        .wait("OCIRepository", "src", "handled", |s| s["status"]["lastHandledReconcileAt"] == "now")
        .await;
    assert_eq!(story.registry.take_log(), ["HEAD /v2/app/manifests/latest 200"]);
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(source["status"]["conditions"], before["status"]["conditions"]);
    let revision = source["status"]["artifact"]["revision"].as_str().unwrap();
    let text =
        format!("Normal ArtifactUpToDate artifact up-to-date with remote revision: '{revision}'");
    story.wait_event("src", &text).await;
}

/// oci A03, H16, H17: what is stored is served, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_served_and_nothing_else() {
    let story = synced("served", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    let artifact = &source["status"]["artifact"];
    let (status, body) = story.http("GET", artifact["url"].as_str().unwrap()).await;
    assert_eq!((status, Value::from(body.len())), (200, artifact["size"].clone()));
    let posted = story.http("POST", artifact["url"].as_str().unwrap()).await;
    assert_eq!(posted, (200, body.clone()));
    let (status, latest) = story.http("GET", source["status"]["url"].as_str().unwrap()).await;
    assert_eq!((status, latest), (200, body));
    let root = format!("http://{}", story.operator().addresses.storage);
    for (method, path, wanted) in [
        ("GET", "/", 200),
        ("GET", "/ocirepository/", 404),
        ("GET", "/.blobs/", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("POST", "/ocirepository/x", 404),
    ] {
        assert_eq!(story.http(method, &format!("{root}{path}")).await.0, wanted, "{method} {path}");
    }
}

/// oci H04, H05: a file that is gone or was changed is found within an interval and restored.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found_and_mended() {
    let story = synced("flipped", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    let artifact = source["status"]["artifact"].clone();
    let file = story.storage().join(artifact["path"].as_str().unwrap());
    let whole = std::fs::read(&file).unwrap();
    let mut broken = whole.clone();
    broken[20] ^= 1;
    std::fs::write(&file, broken).unwrap();
    story.clock.advance(Duration::from_secs(600));
    let digest = artifact["digest"].as_str().unwrap();
    let text =
        format!("failed to verify integrity of artifact: computed digest doesn't match '{digest}'");
    story.wait_event("src", &format!("Warning ArtifactVerificationFailed {text}")).await;
    let mended = async || std::fs::read(&file).is_ok_and(|bytes| bytes == whole);
    e2e::until("the file is mended", mended).await;
    story
        .wait("OCIRepository", "src", "stored", |s| {
            s["status"]["artifact"]["digest"] == digest && condition(s, "Ready")["status"] == "True"
        })
        .await;
    std::fs::remove_file(&file).unwrap();
    story.request("OCIRepository", "src", "gone").await;
    story
        .wait("OCIRepository", "src", "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == "gone"
        })
        .await;
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    let events = story.events("src").await;
    assert_eq!(
        events.iter().filter(|event| event.contains("NewArtifact")).count(),
        1,
        "{events:?}"
    );
}

/// oci F01, F02, F05, F21, G02, G09: layers and ignore rules; either change rebuilds.
#[tokio::test(flavor = "multi_thread")]
async fn layers_and_ignore_rules_shape_the_artifact() {
    let story = Story::begin("layers").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP), ("notes.txt", "x")]);
    let first = follow(&story, json!({})).await;
    let ignored = follow(&story, json!({"ignore": "*.txt"})).await;
    assert_eq!(ignored["status"]["observedIgnore"], "*.txt");
    let digest = |source: &Value| source["status"]["artifact"]["digest"].clone();
    assert_ne!(digest(&first), digest(&ignored));
    let copied = follow(&story, json!({"layerSelector": {"operation": "copy"}})).await;
    assert_eq!(copied["status"]["observedLayerSelector"], json!({"operation": "copy"}));
    let layer = registry::layer(&[("cm.yaml", CONFIG_MAP.as_bytes()), ("notes.txt", b"x")]);
    let (_, stored) =
        story.http("GET", copied["status"]["artifact"]["url"].as_str().unwrap()).await;
    assert_eq!(stored, layer);
    let selector = json!({"layerSelector": {"mediaType": "application/invalid.tar.gzip"}});
    story.apply(&story.source(selector)).await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactLayerOperationFailed").await;
    let text = "failed to find layer with media type 'application/invalid.tar.gzip' in artifact";
    assert_eq!(condition(&source, "Ready")["message"], text);
    assert_eq!(digest(&source), digest(&copied));
}

/// oci H10: an older file goes after the time that it is kept for.
#[tokio::test(flavor = "multi_thread")]
async fn old_artifacts_expire() {
    let story = synced("expire", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let old =
        story.get("OCIRepository", "src").await.unwrap()["status"]["artifact"]["path"].clone();
    let old = story.storage().join(old.as_str().unwrap());
    super::sync::roll_out(&story, &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]).await;
    assert!(old.is_file());
    story.clock.advance(Duration::from_secs(70));
    story.request("OCIRepository", "src", "later").await;
    story
        .wait("OCIRepository", "src", "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == "later"
        })
        .await;
    assert!(!old.exists());
}
