//! `sluice pull artifact`: the files of an artifact into a folder.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use api::well_known::{OCI_REVISION, OCI_SOURCE};
use artifact::{Limits, Tree};
use oci::image::{Layer, LayerSelector};
use oci::verify::Trusted;

use crate::output::{self, Format};
use crate::registry::{Access, Place, explained};

/// What says how a file is called; ORAS writes it.
const TITLE: &str = "org.opencontainers.image.title";
/// How a compressed layer begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Pull artifacts from a registry.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Write the files of an artifact into a folder.
    Artifact(Artifact),
}

#[derive(clap::Args)]
struct Artifact {
    /// Where from: `oci://<host>/<repository>[:<tag>|@<digest>]`.
    url: String,
    /// Folder that the files are written into; it exists.
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    access: Access,
    /// Form of what is told.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let What::Artifact(args) = &args.what;
    if !args.output.is_dir() {
        bail!("invalid output path `{}`: not a folder", args.output.display());
    }
    let place = args.access.open(&args.url)?;
    let reference = &place.reference;
    let pin = place.pin().await?;
    let revision = pin.revision();
    let digest = pin.digest.to_string();
    let image = place.client.pull(reference, &Trusted::not_requested(pin)).await;
    let image = image.map_err(explained)?;
    let layer = image.layer(&LayerSelector::default())?;
    match fetch(&place, &layer).await? {
        Fetched::Tree(tree) => tree.write_into(&args.output)?,
        Fetched::Single(bytes) => write_single(&args.output, &layer, &bytes)?,
    }
    let said = |key: &str| image.annotations.get(key).cloned().unwrap_or_default();
    let (source, origin) = (said(OCI_SOURCE), said(OCI_REVISION));
    let folder = args.output.display();
    let value = serde_json::json!({
        "url": format!("oci://{reference}@{digest}"), "digest": digest,
        "source": source, "revision": origin, "path": folder.to_string(),
    });
    let text = format!("pulled {reference}:{revision} into {folder}");
    output::print(args.format, &text, &value)
}

/// What a layer holds.
pub(super) enum Fetched {
    Tree(Tree),
    /// One file, packed into nothing.
    Single(Vec<u8>),
}

/// A layer's content: files if it is compressed, else itself, as Flux's client has it.
pub(super) async fn fetch(place: &Place, layer: &Layer) -> Result<Fetched> {
    let blob = place.client.fetch_layer(&place.reference, layer).await.map_err(explained)?;
    let mut reader = blob.into_reader();
    let mut begin = Vec::new();
    Read::by_ref(&mut reader).take(2).read_to_end(&mut begin)?;
    let mut whole = begin.chain(&mut reader);
    if begin == GZIP {
        let temp = std::env::temp_dir();
        return Ok(Fetched::Tree(Tree::unpack(whole, &Limits::default(), &temp)?));
    }
    let mut bytes = Vec::new();
    whole.read_to_end(&mut bytes)?;
    Ok(Fetched::Single(bytes))
}

/// Writes one file under the name that the layer gives it, or its digest's.
fn write_single(folder: &Path, layer: &Layer, bytes: &[u8]) -> Result<()> {
    let title = layer.descriptor.annotations.get(TITLE);
    let name = title.cloned().unwrap_or_else(|| layer.descriptor.digest.replace(':', "-"));
    let tree = Tree::from_files([(name.as_str(), bytes)]);
    tree.and_then(|tree| tree.write_into(folder))
        .map_err(|error| anyhow!(error))
        .with_context(|| format!("cannot write `{name}`"))
}
