//! What the reference recorded: every spec and status of our kinds, stored through our definitions
//! in a real API server, comes back equal.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use controlplane::ControlPlane;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::report::Report;

const NAMESPACE: &str = "recorded";

/// Stores and reads back every recorded object.
pub(crate) fn stored(root: &Path) -> anyhow::Result<Option<Report>> {
    let folder = root.join("recorded");
    if !folder.is_dir() {
        return Ok(None);
    }
    let objects = objects(&folder)?;
    let plane = ControlPlane::start()?;
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    for args in [
        vec!["apply", "--server-side", "-k", config.to_str().context("path")?],
        vec!["wait", "--for=condition=Established", "crd", "--all"],
        vec!["create", "namespace", NAMESPACE],
    ] {
        let output = plane.kubectl().args(&args).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "kubectl {args:?}: {error}");
    }
    // Installed twice it would be the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(plane.admin_kubeconfig())?;
        let options = KubeConfigOptions::default();
        let client = Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await?)?;
        let mut report = Report::default();
        for (at, (origin, object)) in objects.iter().enumerate() {
            let miss =
                store(&client, at, object).await.unwrap_or_else(|error| Some(format!("{error:#}")));
            report.row(miss.map(|miss| format!("{origin}: {miss}")));
        }
        Ok(Some(report))
    })
}

/// The recorded objects of our kinds, with the file that each stands in.
fn objects(folder: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for case in std::fs::read_dir(folder)? {
        let results = case?.path().join("result");
        if results.is_dir() {
            files.extend(
                std::fs::read_dir(results)?
                    .map(|file| file.map(|f| f.path()))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let origin = file.strip_prefix(folder)?.display().to_string();
        let documents = manifest::yaml::read_manifests(&text).with_context(|| origin.clone())?;
        for document in documents {
            let object = Value::from(document.value);
            // What the server only answered has no version: it is no stored object.
            let ours =
                ["OCIRepository", "Kustomization"].iter().any(|kind| object["kind"] == *kind);
            if ours && object["apiVersion"].is_string() {
                objects.push((origin.clone(), object));
            }
        }
    }
    Ok(objects)
}

/// What came back otherwise than it was stored, if anything did.
async fn store(client: &Client, at: usize, object: &Value) -> anyhow::Result<Option<String>> {
    let resource = if object["kind"] == "OCIRepository" {
        ApiResource::erase::<api::OCIRepository>(&())
    } else {
        ApiResource::erase::<api::Kustomization>(&())
    };
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let name = format!("o-{at}");
    let body = json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "metadata": {"name": name}, "spec": object["spec"],
    });
    let created: DynamicObject = serde_json::from_value(body)?;
    let mut created = objects.create(&PostParams::default(), &created).await?;
    if let Some(status) = object.get("status") {
        created.data["status"] = status.clone();
        objects.replace_status(&name, &PostParams::default(), &created).await?;
    }
    let read = objects.get(&name).await?;
    for part in ["spec", "status"] {
        let (wanted, got) = (object.get(part), read.data.get(part));
        if wanted.is_some() && wanted != got {
            return Ok(Some(format!("{part} was {wanted:?}, came back as {got:?}")));
        }
    }
    Ok(None)
}
