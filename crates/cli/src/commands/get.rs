//! `sluice get`: what the objects of our kinds say of themselves.

use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams};
use serde_json::json;

use crate::cluster::{Cluster, Kind, ready, revision};
use crate::output::{self, Format, table};

/// Show sources and Kustomizations.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this kind.
    #[arg(value_enum)]
    kind: Option<Kind>,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const HEAD: [&str; 6] = ["NAMESPACE", "NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE"];

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (client, namespace) = args.cluster.connect().await?;
    let namespace = (!args.all_namespaces).then_some(namespace.as_str());
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut values = Vec::new();
    for kind in [Kind::OciRepository, Kind::Kustomization] {
        if args.kind.is_some_and(|wanted| wanted != kind) {
            continue;
        }
        let listed = kind.api(&client, namespace).list(&ListParams::default()).await;
        let listed = listed.with_context(|| format!("failed to list {}", kind.name()))?;
        for object in listed.items {
            rows.push(row(kind, &object));
            values.push(json!({
                "kind": kind.name(),
                "namespace": object.namespace(),
                "name": object.name_any(),
                "revision": revision(&object),
                "suspended": object.data["spec"]["suspend"] == true,
                "ready": ready(&object, "status"),
                "reason": ready(&object, "reason"),
                "message": ready(&object, "message"),
            }));
        }
    }
    output::print(args.output, &table(&rows), &values.into())
}

fn row(kind: Kind, object: &DynamicObject) -> [String; 6] {
    let message = ready(object, "message").lines().next().unwrap_or_default();
    [
        object.namespace().unwrap_or_default(),
        format!("{}/{}", kind.name().to_lowercase(), object.name_any()),
        short(revision(object)),
        (object.data["spec"]["suspend"] == true).to_string(),
        ready(object, "status").to_owned(),
        message.to_owned(),
    ]
}

/// A revision with as much of its digest as people compare.
fn short(revision: &str) -> String {
    match revision.split_once("sha256:") {
        Some((before, digest)) => format!("{before}sha256:{}", digest.get(..8).unwrap_or(digest)),
        None => revision.to_owned(),
    }
}
