//! `sluice build`: what a kustomization holds, as YAML.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::Context;
use clap::ValueEnum;
use kustomize::files::Files;
use kustomize::{LoadRestriction, Options, Order};
use manifest::scope::is_cluster_scoped;
use manifest::{Gvk, Object, Value, yaml};

use crate::error::hint;
use crate::local::Local;
use crate::remotes;
use crate::rendering::{Kustomization, Variables, render as render_directory, say, with};

/// Print the objects of a kustomization directory.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory that holds a kustomization file.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Write to this file; into a directory that exists, a file an object.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Which files a kustomization may read.
    #[arg(long, value_enum, default_value_t = Restrictor::RootOnly)]
    load_restrictor: Restrictor,
    /// Order of objects where the kustomization file names none.
    #[arg(long, value_enum, default_value_t = Reorder::Legacy)]
    reorder: Reorder,
    /// Label every object with the version of kustomize that is followed.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_managedby_label: Option<bool>,
    /// Render as the operator does, and refuse what a cluster would refuse: variables that are not set,
    /// Secrets that stay encrypted, kinds that cannot be applied. Unknown fields are told, and dropped.
    #[arg(long)]
    strict: bool,
    /// File with the Kustomization whose spec is laid over the directory, which stands for its path.
    #[arg(short, long, value_name = "FILE", requires = "strict")]
    kustomization: Option<PathBuf>,
    #[command(flatten)]
    variables: Variables,
    #[command(flatten)]
    remotes: remotes::Hosts,
    #[command(flatten)]
    programs: Programs,
}

/// What kustomize does with other programs. A build starts none: what would enable them is refused,
/// what would tune them has no effect, as without them.
#[expect(clippy::struct_excessive_bools, reason = "a field a flag")]
#[derive(clap::Args)]
#[command(next_help_heading = "Accepted for kustomize's sake")]
struct Programs {
    /// Refused: plugins are programs.
    #[arg(long)]
    enable_alpha_plugins: bool,
    /// Refused: charts are inflated by a program.
    #[arg(long)]
    enable_helm: bool,
    /// Refused: functions are programs.
    #[arg(long)]
    enable_exec: bool,
    /// Refused: functions are programs.
    #[arg(long)]
    network: bool,
    #[arg(long, hide = true)]
    network_name: Option<String>,
    #[arg(long, hide = true)]
    as_current_user: bool,
    #[arg(short, long, hide = true)]
    env: Vec<String>,
    #[arg(long, hide = true)]
    mount: Vec<String>,
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    #[arg(long, hide = true)]
    helm_api_versions: Vec<String>,
    #[arg(long, hide = true)]
    helm_kube_version: Option<String>,
    #[arg(long, hide = true)]
    helm_debug: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Restrictor {
    /// Files in or below the directory of the kustomization file.
    #[value(name = "LoadRestrictionsRootOnly", alias = "rootOnly")]
    RootOnly,
    /// Any file.
    #[value(name = "LoadRestrictionsNone", alias = "none")]
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reorder {
    /// By kind, then by name.
    Legacy,
    /// As they were read.
    None,
}

/// Builds and prints.
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    args.programs.refuse()?;
    if args.strict {
        return strict(args).await;
    }
    let (files, root) = Local::open(&args.directory)
        .with_context(|| format!("open `{}`", args.directory.display()))?;
    let load_restriction = match args.load_restrictor {
        Restrictor::RootOnly => LoadRestriction::RootOnly,
        Restrictor::None => LoadRestriction::None,
    };
    let order = match args.reorder {
        Reorder::Legacy => Order::Legacy,
        Reorder::None => Order::Fifo,
    };
    let managed_by_label = args.enable_managedby_label.unwrap_or_default();
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = Options { load_restriction, order, managed_by_label, threads };
    let build = |files: &dyn Files| {
        kustomize::build(files, &root, &options).map_err(|error| anyhow::anyhow!(error.chain()))
    };
    let built = remotes::built(&args.remotes, files, build).await?;
    let mut err = std::io::stderr().lock();
    for warning in &built.warnings {
        writeln!(err, "{warning}")?;
    }
    match &args.output {
        Some(path) if path.is_dir() => write_files(path, &built.documents),
        _ => write(args, &built.into_yaml()),
    }
}

/// Renders as the operator does, and prints what it would apply.
async fn strict(args: &Args) -> anyhow::Result<()> {
    let variables = args.variables.get();
    let (request, decrypted) = if let Some(file) = &args.kustomization {
        let kustomization = Kustomization::read(file)?;
        (kustomization.request(variables), kustomization.spec.decryption.is_some())
    } else {
        let mut request = render::Request::default();
        with(&mut request, variables);
        (request, false)
    };
    let rendering = render_directory(&args.directory, request, decrypted, &args.remotes).await?;
    say(&rendering.warnings)?;
    let objects = rendering.objects.into_iter().chain(rendering.sealed);
    let documents: Vec<Value> = objects.map(Object::into_value).collect();
    match &args.output {
        Some(path) if path.is_dir() => write_files(path, &documents),
        _ => {
            let texts: Vec<String> = documents.iter().map(yaml::to_string).collect();
            write(args, &texts.join("---\n"))
        }
    }
}

fn write(args: &Args, text: &str) -> anyhow::Result<()> {
    match &args.output {
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
        Some(path) => write_file(path, text),
    }
}

fn write_files(folder: &Path, documents: &[Value]) -> anyhow::Result<()> {
    for (name, text) in named(documents) {
        write_file(&folder.join(name), &text)?;
    }
    Ok(())
}

impl Programs {
    fn refuse(&self) -> anyhow::Result<()> {
        let flags = [
            (self.enable_alpha_plugins, "--enable-alpha-plugins"),
            (self.enable_helm, "--enable-helm"),
            (self.enable_exec, "--enable-exec"),
            (self.network, "--network"),
        ];
        let Some((_, flag)) = flags.iter().find(|(set, _)| *set) else { return Ok(()) };
        let refused = anyhow::anyhow!("`{flag}` is refused: a build starts no program");
        Err(hint(refused, "run the program beforehand, and list what it prints in `resources`"))
    }
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("write `{}`", path.display()))
}

/// Every document with the name of its file: kind and name, and the namespace where there are
/// several.
fn named(documents: &[Value]) -> Vec<(String, String)> {
    let namespaces: BTreeSet<_> = documents.iter().filter_map(namespace).collect();
    let name = |document: &Value| {
        let text = |keys: &[&str]| document.at(keys).map(Value::to_text).unwrap_or_default();
        let Gvk { group, version, kind } = Gvk::new(&text(&["apiVersion"]), &text(&["kind"]));
        let namespace = namespace(document).filter(|_| namespaces.len() > 1);
        let name = text(&["metadata", "name"]);
        let parts = [namespace.unwrap_or_default(), group, version, kind, name];
        let given = parts.into_iter().filter(|part| !part.is_empty());
        format!("{}.yaml", given.collect::<Vec<_>>().join("_").to_lowercase())
    };
    documents.iter().map(|document| (name(document), yaml::to_string(document))).collect()
}

/// The namespace of an object that lives in one.
fn namespace(document: &Value) -> Option<String> {
    let text = |keys: &[&str]| document.at(keys).map(Value::to_text).unwrap_or_default();
    if is_cluster_scoped(&text(&["apiVersion"]), &text(&["kind"])) {
        return None;
    }
    let namespace = text(&["metadata", "namespace"]);
    Some(if namespace.is_empty() { "default".to_owned() } else { namespace })
}
