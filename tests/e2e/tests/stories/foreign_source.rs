//! Sources that another controller serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::sync::CONFIG_MAP;

fn definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.source.toolkit.fluxcd.io")},
        "spec": {
            "group": "source.toolkit.fluxcd.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// A server that answers 503 as often as it is told, and then with `bytes`.
async fn flapping(bytes: Vec<u8>, failures: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            let (status, body) = if nth < failures {
                ("503 Service Unavailable", b"".as_slice())
            } else {
                ("200 OK", bytes.as_slice())
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
        }
    });
    (format!("http://{address}/a.tar.gz"), count)
}

/// The kind of a Kustomization's source, and nothing else.
fn of_kind(kind: &str) -> Value {
    json!({"sourceRef": {"kind": kind, "name": "other"}})
}

/// ks B03, B04, B05, B11 and decisions.md, other sources: its definition comes later than the
/// Kustomization; the artifact is fetched over HTTP, checked, and asked for again when it may pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_controller_is_fetched_over_http() {
    let story = Story::begin("foreign").await;
    story.apply(&story.kustomization("k", of_kind("GitRepository"))).await;
    let k = story.wait_failed("Kustomization", "k", "ArtifactFailed").await;
    let text = format!(
        "unable to get source '{}/other': no matches for kind \"GitRepository\" in version \
         \"source.toolkit.fluxcd.io/v1\"",
        story.namespace
    );
    assert_eq!(condition(&k, "Ready")["message"], text);
    assert!(story.events("k").await.is_empty());

    // What is served there has been made by an OCIRepository here: the format is the same.
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let made = stored(&story).await["status"]["artifact"].clone();
    let url = made["url"].as_str().unwrap().to_owned();
    let (status, bytes) = story.http("GET", &url).await;
    assert_eq!(status, 200);

    story.apply_cluster_wide(&definition("GitRepository", "gitrepositories")).await;
    let source = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": "other", "namespace": story.namespace}, "spec": {}});
    e2e::until("the kind is served", async || story.refused(&source).await.is_empty()).await;
    let offer = async |revision: &str, url: &str, digest: &Value| {
        let artifact = json!({"revision": revision, "url": url, "digest": digest, "path": "p",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "size": 1});
        let kind = "source.toolkit.fluxcd.io/v1/GitRepository";
        story.patch_status(kind, "other", json!({"artifact": artifact})).await;
    };

    let missing = format!("{url}.not");
    offer("main@sha1:1", &missing, &made["digest"]).await;
    let is = |text: &'static str| move |k: &Value| condition(k, "Ready")["message"] == text;
    let text = "Source is not ready, artifact not found, retrying in 30s";
    story.wait("Kustomization", "k", "without its artifact", is(text)).await;

    let other = Value::from(format!("sha256:{}", "0".repeat(64)));
    offer("main@sha1:2", &url, &other).await;
    let text = format!(
        "failed to verify archive: computed digest doesn't match provided 'sha256:{}' (check \
         whether file size exceeds max download size)",
        "0".repeat(64)
    );
    story.wait("Kustomization", "k", "refused", |k| condition(k, "Ready")["message"] == text).await;
    assert!(story.get("ConfigMap", "cm").await.is_none());

    let (flapping_url, asked) = flapping(bytes, 3).await;
    offer("main@sha1:3", &flapping_url, &made["digest"]).await;
    let applied = |k: &Value| k["status"]["lastAppliedRevision"] == "main@sha1:3";
    story
        .wait("Kustomization", "k", "applied", |k| {
            story.clock.advance(Duration::from_millis(500));
            applied(k)
        })
        .await;
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    let failed: Vec<_> = story.events("k").await;
    let failed = failed.iter().filter(|event| event.starts_with("Warning")).count();
    assert_eq!(failed, 1, "the wrong digest, and nothing else");
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// ks B11: ExternalArtifacts are used behind their gate only.
#[tokio::test(flavor = "multi_thread")]
async fn an_external_artifact_needs_its_gate() {
    let story = Story::begin("external").await;
    story.apply(&story.kustomization("k", of_kind("ExternalArtifact"))).await;
    let k = story.wait_failed("Kustomization", "k", "AccessDenied").await;
    let text = format!(
        "can't access 'ExternalArtifact/{}/other', ExternalArtifact feature gate is disabled",
        story.namespace
    );
    assert_eq!(condition(&k, "Ready")["message"], text);
    assert_eq!(condition(&k, "Stalled")["message"], text);
    story.wait_event("k", &text).await;
}

/// decisions.md, other sources: the host of an artifact's address can be replaced.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_an_artifact_can_be_another() {
    let other = Story::begin("foreign-host-of").await;
    other.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let artifact = stored(&other).await["status"]["artifact"].clone();
    let storage = other.operator().addresses.storage.to_string();
    let flags =
        ["--controllers=kustomization", &format!("--source-controller-localhost={storage}")];
    let story = Story::begin_with("foreign-host", &flags).await;
    // An OCIRepository that another controller serves is a source as any other.
    story.apply(&story.source(json!({}))).await;
    let mut artifact = artifact;
    let url = artifact["url"].as_str().unwrap().replace(&storage, "source-controller.flux.svc");
    artifact["url"] = url.into();
    story.patch_status("OCIRepository", "src", json!({"artifact": artifact})).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// An OCIRepository with an artifact.
async fn stored(story: &Story) -> Value {
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await
}
