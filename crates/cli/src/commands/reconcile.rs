//! `sluice reconcile`: asks an object to run now, and waits for the outcome.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures::{StreamExt as _, pin_mut};
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use serde_json::json;

use crate::cluster::{Cluster, Kind, ready, revision};
use crate::error::hint;
use crate::output::{self, Format};

/// Ask a source or a Kustomization to reconcile now.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kind of the object.
    #[arg(value_enum)]
    kind: Kind,
    /// Name of the object.
    name: String,
    /// Reconcile the source of a Kustomization first.
    #[arg(long)]
    with_source: bool,
    /// How long to wait for the outcome, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    #[command(flatten)]
    cluster: Cluster,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (client, namespace) = args.cluster.connect().await?;
    let work = async {
        if args.with_source && args.kind == Kind::Kustomization {
            let object = Kind::Kustomization.api(&client, Some(&namespace)).get(&args.name).await?;
            let source = &object.data["spec"]["sourceRef"];
            let name = source["name"].as_str().unwrap_or_default();
            let home = source["namespace"].as_str().unwrap_or(&namespace);
            reconcile(&client, Kind::OciRepository, home, name).await?;
        }
        reconcile(&client, args.kind, &namespace, &args.name).await
    };
    let object =
        tokio::time::timeout(Duration::from_secs(args.timeout), work).await.map_err(|_| {
            hint(anyhow!("no outcome in time"), "see `sluice get` for what it waits for")
        })??;
    let text = format!("{}/{} is ready at {}", args.kind.name(), args.name, revision(&object));
    let value = json!({"name": args.name, "revision": revision(&object), "ready": ready(&object, "status")});
    output::print(args.output, &text, &value)
}

/// Asks and waits; fails with the object's own message when it fails.
async fn reconcile(
    client: &Client,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Result<DynamicObject> {
    let api = kind.api(client, Some(namespace));
    let subject = format!("{}/{namespace}/{name}", kind.name());
    let token = jiff::Timestamp::now().to_string();
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    let params = PatchParams { field_manager: Some("sluice".into()), ..PatchParams::default() };
    let asked = api.patch(name, &params, &Patch::Merge(&patch)).await;
    let asked = asked.with_context(|| format!("failed to ask {subject}"))?;
    if asked.data["spec"]["suspend"] == true {
        return Err(hint(anyhow!("{subject} is suspended"), "set spec.suspend to false first"));
    }
    let states = watch_object(api, name);
    pin_mut!(states);
    while let Some(state) = states.next().await {
        let Some(object) = state.with_context(|| format!("failed to watch {subject}"))? else {
            return Err(anyhow!("{subject} is gone"));
        };
        if object.data["status"]["lastHandledReconcileAt"] != token.as_str() {
            continue;
        }
        match ready(&object, "status") {
            "True" => return Ok(object),
            "False" => {
                return Err(
                    anyhow!("{}", ready(&object, "message")).context(format!("{subject} failed"))
                );
            }
            _ => {}
        }
    }
    Err(anyhow!("the watch of {subject} ended"))
}
