//! `sluice push artifact`: a folder or file as an artifact in a registry.

use std::collections::BTreeMap;

use anyhow::Result;
use oci::push::{Push, origin_annotations};

use crate::content::Content;
use crate::output::{self, Format};
use crate::registry::{Access, explained};

/// Push artifacts to a registry.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Pack a folder or file and push it.
    Artifact(Artifact),
}

#[derive(clap::Args)]
struct Artifact {
    /// Where to: `oci://<host>/<repository>[:<tag>]`.
    url: String,
    #[command(flatten)]
    content: Content,
    /// Where the content comes from, such as the address of a Git repository.
    #[arg(long)]
    source: String,
    /// Which revision of the source it is, such as `main@sha1:<commit>`.
    #[arg(long)]
    revision: String,
    /// An annotation of the image manifest.
    #[arg(short = 'a', long, value_name = "KEY=VALUE", value_parser = key_value)]
    annotations: Vec<(String, String)>,
    #[command(flatten)]
    access: Access,
    /// State the epoch as creation time, so that equal content gives an equal digest.
    #[arg(long)]
    reproducible: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not of the form key=value")?;
    Ok((key.into(), value.into()))
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let What::Artifact(args) = &args.what;
    let place = args.access.open(&args.url)?;
    let (reference, tag) = (&place.reference, place.name.as_str());
    anyhow::ensure!(!tag.contains(':'), "`{}` names a digest, not a tag", args.url);
    let push = Push { content: args.content.pack()?.into(), annotations: annotations(args) };
    let digest = place.client.push(reference, tag, &push).await.map_err(explained)?;
    let value = serde_json::json!({
        "url": format!("oci://{reference}@{digest}"),
        "repository": reference.to_string(),
        "tag": tag,
        "digest": digest.to_string(),
    });
    output::print(args.output, &format!("pushed {reference}:{tag}@{digest}"), &value)
}

fn annotations(args: &Artifact) -> BTreeMap<String, String> {
    let created =
        if args.reproducible { jiff::Timestamp::UNIX_EPOCH } else { jiff::Timestamp::now() };
    let created = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut annotations = origin_annotations(&created, &args.source, &args.revision);
    annotations.extend(args.annotations.iter().cloned());
    annotations
}
