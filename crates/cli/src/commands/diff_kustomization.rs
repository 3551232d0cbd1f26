//! `sluice diff kustomization`: what the operator would do with files of this machine. The plan is the
//! one of an apply that only detects, made with the rights of whoever asks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use api::kustomization::{
    KustomizationSpec, KustomizationStatus, SubstituteKind, SubstituteReference,
};
use apply::KubeCluster;
use apply::preview::{Owned, Preview, Wanted, preview};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use manifest::ObjectId;
use plan::Policy;
use plan::ignore::{Rule, Rules};
use plan::inventory::Entry;
use render::request::Owner;
use serde_json::json;

use crate::cluster::{Cluster, Kind};
use crate::error::hint;
use crate::output::{self, Format};
use crate::remotes;
use crate::rendering::{Kustomization, Variables, render, say};

/// Objects that are compared at once.
const CONCURRENCY: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the Kustomization.
    name: String,
    /// Directory on this machine that stands for its `spec.path`.
    #[arg(long)]
    path: PathBuf,
    #[command(flatten)]
    variables: Variables,
    #[command(flatten)]
    remotes: remotes::Hosts,
    #[command(flatten)]
    cluster: Cluster,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Prints what would be done; says whether that is anything.
pub(crate) async fn run(args: &Args) -> Result<bool> {
    let (client, namespace) = args.cluster.connect().await?;
    let api = Kind::Kustomization.api(&client, Some(&namespace));
    let object = api.get(&args.name).await;
    let object = object.with_context(|| format!("failed to read Kustomization {}", args.name))?;
    let spec: KustomizationSpec = serde_json::from_value(object.data["spec"].clone())?;
    if spec.kube_config.is_some() {
        let text = anyhow!("the objects of this Kustomization are in another cluster");
        return Err(hint(text, "compare with `sluice build --strict` and `kubectl diff` there"));
    }
    let owner = Owner { name: args.name.clone(), namespace: namespace.clone() };
    let kustomization = Kustomization { owner, spec };
    let mut variables = read_variables(&client, &namespace, &kustomization.spec).await?;
    variables.extend(args.variables.get());
    let request = kustomization.request(variables);
    let decrypted = kustomization.spec.decryption.is_some();
    let rendering = render(&args.path, request, decrypted, &args.remotes).await?;
    say(&rendering.warnings)?;
    let sealed: Vec<ObjectId> = rendering.sealed.iter().map(manifest::Object::id).collect();
    let apart = |id: &ObjectId| format!("{} is encrypted and is not compared", id.subject());
    say(&sealed.iter().map(apart).collect::<Vec<_>>())?;
    let mut stored = inventory(&object);
    stored.retain(|entry| !sealed.contains(&entry.id));
    let cluster = KubeCluster::new(client);
    let planned = plan(&cluster, &kustomization, rendering.prepared, &stored).await?;
    let lines = planned.lines();
    let value = json!({"changed": !lines.is_empty(), "objects": lines});
    match args.output {
        Format::Text if lines.is_empty() => {}
        _ => output::print(args.output, &lines.join("\n"), &value)?,
    }
    Ok(!lines.is_empty())
}

async fn plan(
    cluster: &KubeCluster,
    kustomization: &Kustomization,
    objects: Vec<manifest::Object>,
    stored: &[Entry],
) -> Result<Preview> {
    let spec = &kustomization.spec;
    let rules = spec.ignore.iter().flatten().map(|rule| Rule {
        paths: rule.paths.clone(),
        target: rule.target.as_ref().map(render::target).unwrap_or_default(),
    });
    let ignored = Rules::new(&rules.collect::<Vec<_>>())?;
    let Owner { name, namespace } = kustomization.owner.clone();
    let owner = plan::prune::Owner { name, namespace };
    let wanted = Wanted {
        objects,
        policy: Policy { ignored, force: spec.force == Some(true), ..Policy::default() },
        custom_kinds: Vec::new(),
        concurrency: CONCURRENCY,
    };
    let owned = spec.prune.then_some(Owned { stored, owner: &owner });
    Ok(preview(cluster, wanted, owned).await?)
}

/// What a Kustomization says is its own.
fn inventory(object: &DynamicObject) -> Vec<Entry> {
    let status: KustomizationStatus =
        serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
    let entries = status.inventory.into_iter().flat_map(|inventory| inventory.entries);
    entries
        .filter_map(|entry| Some(Entry { id: ObjectId::parse(&entry.id)?, version: entry.v }))
        .collect()
}

/// The variables of `substituteFrom`, as who asks may read them; later ones win.
async fn read_variables(
    client: &Client,
    namespace: &str,
    spec: &KustomizationSpec,
) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    let references =
        spec.post_build.iter().flat_map(|build| build.substitute_from.iter().flatten());
    for SubstituteReference { kind, name, optional } in references {
        let kind = match kind {
            SubstituteKind::ConfigMap => "ConfigMap",
            SubstituteKind::Secret => "Secret",
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let failed = || format!("failed to read {kind} {name}");
        let Some(object) = api.get_opt(name).await.with_context(failed)? else {
            if *optional == Some(true) {
                continue;
            }
            return Err(anyhow!("{kind} {name} is not there").context(failed()));
        };
        variables.extend(data(&object, kind == "Secret"));
    }
    Ok(variables)
}

fn data(object: &DynamicObject, encoded: bool) -> BTreeMap<String, String> {
    let data = object.data["data"].as_object();
    let text = |value: &serde_json::Value| {
        let text = value.as_str().unwrap_or_default();
        let decoded = || STANDARD.decode(text).unwrap_or_default();
        let bytes = if encoded { decoded() } else { text.as_bytes().to_vec() };
        String::from_utf8_lossy(&bytes).replace('\n', "")
    };
    data.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}
