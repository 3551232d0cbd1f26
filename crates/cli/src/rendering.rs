//! Rendering as the operator does it, from files of this machine: the same code, without a cluster.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use api::kustomization::KustomizationSpec;
use kustomize::files::Files;
use manifest::{Object, Value, yaml};
use render::request::{Owner, PostBuild};

use crate::error::hint;
use crate::local::Local;
use crate::remotes;

const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// Variables that a cluster would give.
#[derive(clap::Args)]
pub(crate) struct Variables {
    /// A variable that `substituteFrom` would give; may be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    list: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Variables {
    pub(crate) fn get(&self) -> BTreeMap<String, String> {
        self.list.iter().cloned().collect()
    }
}

/// A Kustomization: what it asks for, and whose labels its objects bear.
pub(crate) struct Kustomization {
    pub(crate) owner: Owner,
    pub(crate) spec: KustomizationSpec,
}

impl Kustomization {
    /// The first one of a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        let documents = yaml::read_manifests(&text)
            .with_context(|| format!("`{}` is no YAML", path.display()))?;
        let is_one = |value: &Value| {
            let text = |key: &str| value.at(&[key]).map(Value::to_text).unwrap_or_default();
            text("kind") == "Kustomization" && text("apiVersion").starts_with(GROUP)
        };
        let found = documents.into_iter().map(|document| document.value).find(is_one);
        let Some(found) = found else {
            let none = anyhow!("`{}` has no Kustomization of {GROUP}", path.display());
            return Err(hint(none, "name the file of the Kustomization, not that of its objects"));
        };
        let object = serde_json::to_value(&found)?;
        let spec = serde_json::from_value(object["spec"].clone())
            .with_context(|| format!("the Kustomization of `{}` is malformed", path.display()))?;
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let namespace = Some(text("namespace")).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        Ok(Self { owner: Owner { name: text("name"), namespace }, spec })
    }

    /// What it asks of a build of `directory`, which stands for its path.
    pub(crate) fn request(&self, variables: BTreeMap<String, String>) -> render::Request {
        let mut request = render::Request::of(&self.spec, self.owner.clone());
        with(&mut request, variables);
        request
    }
}

/// Adds variables to a request; what it has itself wins.
pub(crate) fn with(request: &mut render::Request, variables: BTreeMap<String, String>) {
    if !variables.is_empty() || request.post_build.is_some() {
        let post_build = request.post_build.get_or_insert_with(PostBuild::default);
        let own = std::mem::take(&mut post_build.variables);
        post_build.variables = variables.into_iter().chain(own).collect();
    }
}

/// What a cluster would be asked to apply.
pub(crate) struct Rendering {
    /// The objects as they were built.
    pub(crate) objects: Vec<Object>,
    /// The same as they are when they are applied.
    pub(crate) prepared: Vec<Object>,
    /// Encrypted objects, which only their cluster decrypts.
    pub(crate) sealed: Vec<Object>,
    pub(crate) warnings: Vec<String>,
}

/// Renders a directory, and refuses what the operator would refuse without asking a cluster. Encrypted
/// objects are set aside if the cluster decrypts them (`decrypted`).
pub(crate) async fn render(
    directory: &Path,
    mut request: render::Request,
    decrypted: bool,
    remotes: &remotes::Hosts,
) -> Result<Rendering> {
    let (files, root) =
        Local::open(directory).with_context(|| format!("open `{}`", directory.display()))?;
    root.as_str().clone_into(&mut request.path);
    // Its texts tell the causes themselves.
    let build =
        |files: &dyn Files| render::render(files, &request).map_err(|error| anyhow!("{error}"));
    let rendered = remotes::built(remotes, files, build).await?;
    let mut warnings = rendered.warnings().to_vec();
    let (sealed, objects): (Vec<_>, Vec<_>) = rendered
        .into_objects()
        .into_iter()
        .partition(|object| decrypted && render::sealed::is_sealed(object));
    render::sealed::refuse_encrypted(&objects)?;
    let mut prepared = objects.clone();
    let unknown = plan::prepare(&mut prepared)?;
    warnings.extend(unknown.iter().map(ToString::to_string));
    Ok(Rendering { objects, prepared, sealed, warnings })
}

/// Tells what is no error.
pub(crate) fn say(warnings: &[String]) -> Result<()> {
    let mut err = std::io::stderr().lock();
    for warning in warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(())
}
