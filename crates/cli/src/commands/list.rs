//! `sluice list artifacts`: the tags of a repository and what stands behind them.

use anyhow::Result;
use api::well_known::{OCI_REVISION, OCI_SOURCE};
use oci::constraint::Constraint;
use oci::filter::Filter;
use serde_json::json;

use crate::output::{self, Format, table};
use crate::registry::{Access, explained};

/// Endings of tags that signatures and the like are under.
const ATTACHED: [&str; 3] = [".att", ".sbom", ".sig"];
/// How a tag begins that lists what refers to an image.
const REFERRERS: &str = "sha256-";

/// List what a registry holds.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the tags of a repository, the highest names first, without signatures.
    #[command(alias = "artifact")]
    Artifacts(Artifacts),
}

#[derive(clap::Args)]
struct Artifacts {
    /// The repository: `oci://<host>/<repository>`.
    url: String,
    /// Only tags that are versions in this range.
    #[arg(long, visible_alias = "semver-filter", value_name = "RANGE")]
    filter_semver: Option<String>,
    /// Only tags that match this regular expression.
    #[arg(long, visible_alias = "regex-filter", value_name = "PATTERN")]
    filter_regex: Option<String>,
    #[command(flatten)]
    access: Access,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const HEAD: [&str; 4] = ["ARTIFACT", "DIGEST", "SOURCE", "REVISION"];

pub(crate) async fn run(args: &Args) -> Result<()> {
    let What::Artifacts(args) = &args.what;
    let range = args.filter_semver.as_deref().map(Constraint::parse).transpose()?;
    let pattern = args.filter_regex.as_deref().map(Filter::new).transpose()?;
    let place = args.access.open(&args.url)?;
    let reference = &place.reference;
    let mut tags = place.client.list(reference).await.map_err(explained)?;
    tags.retain(|tag| {
        !ATTACHED.iter().any(|ending| tag.ends_with(ending))
            && !tag.starts_with(REFERRERS)
            && range.as_ref().is_none_or(|range| range.admits_text(tag))
            && pattern.as_ref().is_none_or(|pattern| pattern.matches(tag))
    });
    tags.sort_by(|a, b| b.cmp(a));
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut values = Vec::new();
    for tag in tags {
        let found = place.client.describe(reference, &tag).await.map_err(explained)?;
        let said = |key: &str| found.annotations.get(key).cloned().unwrap_or_default();
        let (source, revision) = (said(OCI_SOURCE), said(OCI_REVISION));
        let artifact = format!("{reference}:{tag}");
        let digest = found.digest.to_string();
        values.push(json!({
            "artifact": artifact, "tag": tag, "digest": digest,
            "source": source, "revision": revision,
        }));
        rows.push([artifact, digest, source, revision]);
    }
    output::print(args.output, &table(&rows), &values.into())
}
