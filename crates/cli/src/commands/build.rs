//! `sluice build`: what a kustomization holds, as YAML.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use kustomize::{LoadRestriction, Options, Order};

use crate::local::Local;

/// Print the objects of a kustomization directory.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory that holds a kustomization file.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Which files a kustomization may read.
    #[arg(long, value_enum, default_value_t = Restrictor::RootOnly)]
    load_restrictor: Restrictor,
    /// Order of objects where the kustomization file names none.
    #[arg(long, value_enum, default_value_t = Reorder::Legacy)]
    reorder: Reorder,
}

#[derive(Clone, Copy, ValueEnum)]
enum Restrictor {
    /// Files in or below the directory of the kustomization file.
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    /// Any file.
    #[value(name = "LoadRestrictionsNone")]
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
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
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
    let built = kustomize::build(&files, &root, &Options { load_restriction, order })
        .map_err(|error| anyhow::anyhow!(error.chain()))?;
    let mut err = std::io::stderr().lock();
    for warning in &built.warnings {
        writeln!(err, "{warning}")?;
    }
    std::io::stdout().lock().write_all(built.to_yaml().as_bytes())?;
    Ok(())
}
