//! `sluice tag artifact`: one more name for an artifact.

use anyhow::Result;
use serde_json::json;

use crate::output::{self, Format};
use crate::registry::{Access, explained};

/// Name artifacts in a registry.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Give an artifact more tags.
    Artifact(Artifact),
}

#[derive(clap::Args)]
struct Artifact {
    /// Which one: `oci://<host>/<repository>[:<tag>|@<digest>]`.
    url: String,
    /// A tag that it gets; may be given more than once, or with commas.
    #[arg(long = "tag", required = true, value_delimiter = ',', value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    access: Access,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let What::Artifact(args) = &args.what;
    let place = args.access.open(&args.url)?;
    let reference = &place.reference;
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for tag in &args.tags {
        let digest = place.client.tag(reference, &place.name, tag).await.map_err(explained)?;
        lines.push(format!("tagged {reference}:{tag}@{digest}"));
        values.push(json!({
            "repository": reference.to_string(), "tag": tag, "digest": digest.to_string(),
        }));
    }
    output::print(args.output, &lines.join("\n"), &values.into())
}
