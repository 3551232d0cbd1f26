//! OCIRepository: what is kept, what is not asked again, and what happens while suspended.

use std::time::Duration;

use e2e::{Story, condition};
use registry::layer;
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

async fn handled(story: &Story, token: &str) -> Value {
    story.request("OCIRepository", "src", token).await;
    story
        .wait("OCIRepository", "src", "handled", |s| s["status"]["lastHandledReconcileAt"] == token)
        .await
}

/// oci H03, C10, B22: the address is no part of the identity of content; content that is not there
/// cannot be pulled; a filter without a range means nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_the_same_content_is_not_pulled() {
    let story = synced("mirror", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap();
    story.registry.push_files("mirror/app", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    story.registry.take_log();
    let reference = json!({"tag": "latest", "semverFilter": "("});
    story
        .apply(&story.source(json!({"url": story.registry.url("mirror/app"), "ref": reference})))
        .await;
    let after = story
        .wait("OCIRepository", "src", "observed", |s| s["status"]["observedGeneration"] == 2)
        .await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(story.registry.take_log(), ["HEAD /v2/mirror/app/manifests/latest 200"]);
    let digest = format!("sha256:{}", "ab".repeat(32));
    story.apply(&story.source(json!({"ref": {"digest": digest}}))).await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    let url = story.registry.url("app");
    let text = condition(&source, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("failed to pull artifact from '{url}': ")), "{text}");
    let text = condition(&source, "Reconciling")["message"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with(&format!("building artifact: new revision '{digest}' for '")),
        "{text}"
    );
}

/// oci H14, H15, H13: while suspended nobody asks the registry, whatever is asked of the object.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_source_asks_nobody() {
    let mut story = synced("asleep", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let before = story.get("OCIRepository", "src").await.unwrap();
    story.patch("OCIRepository", "src", json!({"spec": {"suspend": true}})).await;
    story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.registry.take_log();
    let source = handled(&story, "asleep").await;
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(source["status"]["observedGeneration"], 2);
    story.kill_operator();
    std::fs::remove_dir_all(story.storage().join("ocirepository")).unwrap();
    story.start_operator().await;
    let source = handled(&story, "restarted").await;
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(story.registry.take_log(), [""; 0]);
    story.patch("OCIRepository", "src", json!({"spec": {"suspend": false}})).await;
    story.wait("ConfigMap", "cm", "at v2", |cm| cm["data"]["key"] == "v2").await;
}

/// oci H18: a storage that cannot be written is said, and its repair is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_cannot_be_written_is_named() {
    let story = Story::begin("readonly").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    std::fs::write(story.storage().join("ocirepository"), "in the way").unwrap();
    story.apply(&story.source(json!({}))).await;
    let source = story.wait_failed("OCIRepository", "src", "ArchiveOperationFailed").await;
    assert_eq!(condition(&source, "StorageOperationFailed")["status"], "True");
    let text = condition(&source, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("unable to archive artifact to storage: "), "{text}");
    std::fs::remove_file(story.storage().join("ocirepository")).unwrap();
    story.clock.advance(Duration::from_secs(900));
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(condition(&source, "StorageOperationFailed"), Value::Null);
}

/// oci F03, F04, F06, F07, G03, G10: odd layers.
#[tokio::test(flavor = "multi_thread")]
async fn odd_layers_are_taken_or_named() {
    let story = Story::begin("odd").await;
    let good = layer(&[("cm.yaml", CONFIG_MAP.as_bytes())]);
    let other = layer(&[("other.yaml", b"x".as_slice())]);
    let registry = &story.registry;
    registry.push_image("app", "none", &[], &[]);
    registry.push_image("app", "two", &[(CONTENT, &good), (CONTENT, &other)], &[]);
    registry.push_image("app", "text", &[("text/plain", b"hello")], &[]);
    story.apply(&story.source(json!({"ref": {"tag": "none"}}))).await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactLayerOperationFailed").await;
    assert_eq!(condition(&source, "Ready")["message"], "no layers found in artifact");
    story.apply(&story.source(json!({"ref": {"tag": "text"}}))).await;
    let text = "failed to extract layer contents from artifact: requires gzip-compressed body: ";
    story
        .wait("OCIRepository", "src", "told so", |s| {
            condition(s, "Ready")["message"].as_str().unwrap_or_default().starts_with(text)
        })
        .await;
    let copy =
        json!({"ref": {"tag": "text"}, "layerSelector": {"operation": "copy"}, "ignore": "*"});
    story.apply(&story.source(copy)).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let url = source["status"]["artifact"]["url"].as_str().unwrap();
    assert_eq!(story.http("GET", url).await, (200, b"hello".to_vec()));
    assert_eq!(source["status"]["observedIgnore"], "*");
    story.apply(&story.source(json!({"ref": {"tag": "two"}, "ignore": "# only a comment"}))).await;
    story.wait_ready("OCIRepository", "src").await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// ks A08, oci A09 without the webhook: where content came from is told along the way, and
/// annotations for notifiers are copied to events.
#[tokio::test(flavor = "multi_thread")]
async fn origins_and_event_annotations_travel_along() {
    let story = Story::begin("origin").await;
    let content = layer(&[("cm.yaml", CONFIG_MAP.as_bytes())]);
    let annotations = [
        ("org.opencontainers.image.source", "https://git.test/app"),
        ("org.opencontainers.image.revision", "main/abc"),
    ];
    story.registry.push_image("app", "latest", &[(CONTENT, &content)], &annotations);
    story.apply(&story.source(json!({}))).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let metadata = &source["status"]["artifact"]["metadata"];
    assert_eq!(metadata["org.opencontainers.image.revision"], "main/abc");
    story
        .wait_event("src", ", origin source 'https://git.test/app', origin revision 'main/abc'")
        .await;
    let mut k = story.kustomization("k", json!({}));
    k["metadata"]["annotations"] = json!({"event.toolkit.fluxcd.io/team": "a", "other": "b"});
    story.apply(&k).await;
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(k["status"]["lastAppliedOriginRevision"], "main/abc");
    assert_eq!(k["status"]["history"][0]["metadata"]["originRevision"], "main/abc");
    story.wait_event("k", "Reconciliation finished in").await;
    let annotations = story.event_annotations("k", "Reconciliation finished in").await;
    assert_eq!(annotations["kustomize.toolkit.fluxcd.io/originRevision"], "main/abc");
    assert_eq!(annotations["kustomize.toolkit.fluxcd.io/commit_status"], "update");
    assert_eq!(annotations["event.toolkit.fluxcd.io/team"], "a");
    assert_eq!(annotations.get("other"), None);
}
