//! Flags of what is added to the reference to keep harm away (docs/guards.md). Annotations of an object
//! go before them.

use plan::guard::Guard;

/// What is guarded where an object does not say otherwise.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Guards {
    /// Keeps what is stored when its tag vanishes and the best that a range finds is lower, for every
    /// OCIRepository that does not say otherwise with sluice.dev/rollback-guard.
    #[arg(long)]
    pub source_rollback_guard: bool,
    /// What is not pruned unasked, for every Kustomization that does not say otherwise with
    /// sluice.dev/prune-guard: a list of `empty` (a build without objects), a number of objects, a
    /// share such as `25%`, and kinds such as `Namespace` or `apps/Deployment`.
    #[arg(long, default_value = "")]
    pub prune_guard: Guard,
    /// Only says what would be done, for every Kustomization that does not say otherwise with
    /// sluice.dev/detect-only.
    #[arg(long)]
    pub detect_only: bool,
    /// Lets a Kustomization that is being deleted wait for its dependents that are too, unless it says
    /// otherwise with sluice.dev/wait-for-dependents.
    #[arg(long)]
    pub wait_for_dependents: bool,
}
