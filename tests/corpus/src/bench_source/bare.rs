//! The least that gives the same result: for each object one HEAD, one manifest, one blob, a file,
//! and the finalizer, two states and one event.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Bench, OBJECTS};

const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json";

/// Seconds for all objects of a namespace, that many at once.
pub(super) async fn run(bench: &Bench, namespace: &str, at_once: usize) -> anyhow::Result<f64> {
    let folder = &bench.folder(namespace)?;
    let sources = &bench.sources(namespace);
    let events: &Api<Event> = &Api::namespaced(bench.client.clone(), namespace);
    let http = &reqwest::Client::new();
    let began = Instant::now();
    let all = futures::stream::iter(0..OBJECTS).map(|at| {
        let (root, path) = (folder, format!("http://{}/v2/r/{at}", bench.registry.host()));
        async move {
            let digest = fetch(http, &path, root, at).await?;
            report(sources, events, &format!("s-{at}"), &digest).await
        }
    });
    let done: Vec<anyhow::Result<()>> = all.buffer_unordered(at_once).collect().await;
    done.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(began.elapsed().as_secs_f64())
}

async fn fetch(
    http: &reqwest::Client,
    path: &str,
    folder: &Path,
    at: usize,
) -> anyhow::Result<String> {
    let head = http.head(format!("{path}/manifests/latest")).header("accept", ACCEPT);
    let head = head.send().await?.error_for_status()?;
    let digest = head.headers()["docker-content-digest"].to_str()?.to_owned();
    let manifest = http.get(format!("{path}/manifests/{digest}")).header("accept", ACCEPT);
    let manifest = manifest.send().await?.error_for_status()?.bytes().await?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default();
    let blob = http.get(format!("{path}/blobs/{layer}")).send().await?.error_for_status()?;
    let blob = blob.bytes().await?;
    let found = artifact::Digest::of(artifact::digest::Algorithm::Sha256, &blob).to_string();
    ensure!(found == layer, "another blob");
    let target = folder.join(format!("{at}.tar.gz"));
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&blob)?;
        file.as_file().sync_all()?;
        file.persist(target)?;
        anyhow::Ok(())
    })
    .await??;
    Ok(digest)
}

async fn report(
    sources: &Api<DynamicObject>,
    events: &Api<Event>,
    name: &str,
    digest: &str,
) -> anyhow::Result<()> {
    let params = PatchParams::default();
    let held = Patch::Merge(json!({"metadata": {"finalizers": ["finalizers.fluxcd.io"]}}));
    let object = sources.patch(name, &params, &held).await?;
    let condition = |kind: &str, status: &str| {
        json!({"type": kind, "status": status, "reason": "Succeeded", "message": digest,
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let began = json!({"status": {"conditions": [condition("Reconciling", "True"), condition("Ready", "Unknown")]}});
    sources.patch_status(name, &params, &Patch::Merge(began)).await?;
    let artifact = json!({"digest": digest, "path": "p", "url": "u", "revision": digest,
        "lastUpdateTime": "2026-01-01T00:00:00Z", "size": 1});
    let ended = json!({"status": {"observedGeneration": 1, "artifact": artifact, "url": "u",
        "conditions": [condition("Ready", "True"), condition("ArtifactInStorage", "True")]}});
    sources.patch_status(name, &params, &Patch::Merge(ended)).await?;
    let event = json!({"metadata": {"name": format!("{name}.1"), "namespace": object.metadata.namespace},
        "involvedObject": {"kind": "OCIRepository", "name": name, "namespace": object.metadata.namespace,
            "apiVersion": "source.toolkit.fluxcd.io/v1", "uid": object.metadata.uid},
        "type": "Normal", "reason": "NewArtifact", "message": digest});
    events.create(&PostParams::default(), &serde_json::from_value(event)?).await?;
    Ok(())
}
