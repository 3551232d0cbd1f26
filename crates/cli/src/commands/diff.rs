//! `sluice diff`: what differs between an artifact, or a cluster, and files of this machine.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, bail};
use artifact::{Limits, Tree};
use oci::image::LayerSelector;
use oci::verify::Trusted;
use serde_json::json;

use super::diff_kustomization;
use super::pull::{Fetched, fetch};
use crate::content::Content;
use crate::error;
use crate::output::{self, Format};
use crate::registry::{Access, explained};

/// What is said when something differs.
const DIFFERS: &str = "the remote artifact contents differs from the local one";

/// Show what differs.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Compare an artifact with a folder or file; fails when they differ.
    Artifact(Artifact),
    /// Compare a cluster with what a Kustomization would make of a directory: exits with 1 if anything
    /// would change, with 2 on errors.
    Kustomization(diff_kustomization::Args),
}

#[derive(clap::Args)]
struct Artifact {
    /// Which one: `oci://<host>/<repository>[:<tag>|@<digest>]`.
    url: String,
    #[command(flatten)]
    content: Content,
    /// Say only whether they differ.
    #[arg(short, long)]
    brief: bool,
    #[command(flatten)]
    access: Access,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Exit code of errors where 1 says that something differs, as in `kubectl diff`.
const FAILED: u8 = 2;

pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Artifact(args) => artifact(args).await.map(|()| ExitCode::SUCCESS),
        What::Kustomization(args) => Ok(match diff_kustomization::run(args).await {
            Ok(false) => ExitCode::SUCCESS,
            Ok(true) => ExitCode::FAILURE,
            Err(error) => {
                error::report(&error);
                ExitCode::from(FAILED)
            }
        }),
    }
}

async fn artifact(args: &Artifact) -> Result<()> {
    let place = args.access.open(&args.url)?;
    let trusted = Trusted::not_requested(place.pin().await?);
    let image = place.client.pull(&place.reference, &trusted).await.map_err(explained)?;
    let layer = image.layer(&LayerSelector::default())?;
    let changes = match fetch(&place, &layer).await? {
        Fetched::Tree(remote) => {
            let packed = args.content.pack()?;
            let temp = std::env::temp_dir();
            let local = Tree::unpack(packed.as_slice(), &Limits::default(), &temp)?;
            changes(&remote.entries()?, &local.entries()?)
        }
        Fetched::Single(remote) if args.content.single().as_ref() == Some(&remote) => Vec::new(),
        Fetched::Single(_) => vec![("changed", layer.descriptor.digest.clone())],
    };
    let value = json!({
        "changed": !changes.is_empty(),
        "files": changes.iter().map(|(how, path)| json!({"path": path, "change": how}))
            .collect::<Vec<_>>(),
    });
    let lines: Vec<_> = changes.iter().map(|(how, path)| format!("{how} {path}")).collect();
    match args.output {
        Format::Text if lines.is_empty() => {
            output::print(args.output, "no changes detected", &value)?;
        }
        Format::Text if args.brief => {}
        Format::Text => output::print(args.output, &lines.join("\n"), &value)?,
        _ => output::print(args.output, "", &value)?,
    }
    if lines.is_empty() { Ok(()) } else { bail!(DIFFERS) }
}

type Entries = BTreeMap<String, Vec<u8>>;

/// What the local files do to the remote ones.
fn changes(remote: &Entries, local: &Entries) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (path, bytes) in remote {
        match local.get(path) {
            None => found.push(("removed", path.clone())),
            Some(other) if other != bytes => found.push(("changed", path.clone())),
            Some(_) => {}
        }
    }
    let added = local.keys().filter(|path| !remote.contains_key(*path));
    found.extend(added.map(|path| ("added", path.clone())));
    found.sort_by(|(_, a), (_, b)| a.cmp(b));
    found
}
