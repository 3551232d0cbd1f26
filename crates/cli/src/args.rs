//! What can be typed.

use clap::{Parser, Subcommand};

use crate::commands;

/// Build, deliver and inspect Kubernetes objects.
#[derive(Parser)]
#[command(name = "sluice", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant a command; each is a file in `commands/`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the objects of a kustomization directory.
    Build(commands::build::Args),
    /// Show sources and Kustomizations.
    Get(commands::get::Args),
    /// Ask a source or a Kustomization to reconcile now.
    Reconcile(commands::reconcile::Args),
    /// Push artifacts to a registry.
    Push(commands::push::Args),
    /// Pull artifacts from a registry.
    Pull(commands::pull::Args),
    /// List what a registry holds.
    List(commands::list::Args),
    /// Name artifacts in a registry.
    Tag(commands::tag::Args),
    /// Show what differs.
    Diff(commands::diff::Args),
    /// Print the version.
    Version(commands::version::Args),
}
