//! What the chart promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at a surprise"
)]

#[path = "chart/cluster.rs"]
mod cluster;
#[path = "chart/files.rs"]
mod files;
#[path = "chart/render.rs"]
mod render;
#[path = "chart/values.rs"]
mod values;

use std::path::{Path, PathBuf};

use chart::{Helm, chart};
use serde_json::Value;

const NAMESPACE: &str = "sluice-system";

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(path)
}

/// The documents of a text.
fn documents(text: &str) -> Vec<Value> {
    let documents = manifest::yaml::read_manifests(text).unwrap();
    documents.into_iter().map(|document| document.value.into()).collect()
}

fn file(path: &Path) -> Vec<Value> {
    documents(&std::fs::read_to_string(path).unwrap())
}

/// What the chart gives for a release `sluice` with these settings.
fn template(settings: &[&str]) -> Vec<Value> {
    let chart = chart();
    let mut args = vec!["template", "sluice", chart.as_str(), "--namespace", NAMESPACE];
    for setting in settings {
        args.extend(["--set-json", setting]);
    }
    documents(&Helm::offline().unwrap().succeed(&args).unwrap())
}

/// The only object of a kind and name.
fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let named = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let found: Vec<_> = objects.iter().filter(named).collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    found[0]
}

fn args_of(objects: &[Value]) -> Vec<String> {
    let deployment = object(objects, "Deployment", "sluice-controller");
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array();
    args.unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect()
}
