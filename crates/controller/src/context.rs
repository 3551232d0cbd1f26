//! The handles that every reconcile uses.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apply::Clusters;
use apply::wait::FailFast;
use manifest::GroupKind;
use remote::Remote;
use render::substitute::Unset;
use tokio::time::Instant;

use crate::args::Args;
use crate::events::Events;
use crate::foreign::Foreign;
use crate::gates::{ADDITIVE_READY_EXPR, NO_FAIL_FAST};
use crate::guards::Guards;
use crate::kustomization::{DecryptionArgs, Memories, SourceSettings};
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::runtime::cache::Key;
use crate::runtime::clock::Clock;
use crate::runtime::slots::Slots;

/// Parsed flags that reconciles read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Objects of one Kustomization applied at once.
    pub concurrent_ssa: usize,
    /// Field managers whose fields are taken over, beside those that always are.
    pub override_managers: Vec<String>,
    /// Kinds that are applied before the rest.
    pub custom_kinds: Vec<GroupKind>,
    /// How long after every object was asked for there is another such run.
    pub audit_interval: Duration,
    /// When something missing is looked for again.
    pub requeue_dependency: Duration,
    /// How much an interval is varied, 0 to 1.
    pub jitter: f64,
    /// Whether sources of other namespaces are refused.
    pub no_cross_namespace_refs: bool,
    /// Where artifacts come from.
    pub sources: SourceSettings,
    /// Whether objects may name an account that a cloud is asked as.
    pub object_level_identity: bool,
    /// Account that a source's cloud is asked as when it names none; none when empty.
    pub source_default_service_account: String,
    /// Account that another cluster is opened as when its description names none; none when empty.
    pub default_kubeconfig_service_account: String,
    /// Where decryption finds keys beside a Kustomization's own.
    pub decryption: DecryptionArgs,
    /// Namespace that the operator runs in.
    pub runtime_namespace: String,
    /// Whether the built-in readiness of a dependency is judged beside its expression.
    pub additive_ready_expr: bool,
    /// What a failed object does to the wait for others.
    pub fail_fast: FailFast,
    /// What becomes of a variable that is not set and has no default.
    pub unset: Unset,
    /// Account used when a Kustomization names none; none when empty.
    pub default_service_account: String,
    /// How long old artifacts are kept, and how many.
    pub retention: artifact::store::Retention,
    /// What an archive may be.
    pub limits: artifact::Limits,
    /// What is guarded where an object does not say otherwise.
    pub guards: Guards,
    /// Hosts that may give tokens for registries of other domains.
    pub token_realms: Vec<String>,
}

/// The handles that every reconcile uses.
pub struct Context {
    /// Flags.
    pub settings: Settings,
    /// Time.
    pub clock: Clock,
    /// The clusters that are applied to, by identity.
    pub clusters: Clusters,
    /// The operator's own client.
    pub client: kube::Client,
    /// The stored artifacts.
    pub store: Arc<artifact::Store>,
    /// OCIRepositories.
    pub sources: Objects,
    /// Sources that another controller serves.
    pub foreign: Foreign,
    /// The client that downloads their artifacts.
    pub http: reqwest::Client,
    /// Who is asked for the files that builds name on other hosts, if anybody.
    pub remote: Option<Remote>,
    /// Kustomizations.
    pub kustomizations: Objects,
    /// How many Kustomizations are applied at once, after their builds.
    pub applies: Slots,
    /// Where happenings go.
    pub events: Events,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// What is remembered of the objects of Kustomizations.
    pub memories: Memories,
    /// Who waits for whom.
    pub waiting: Waiting,
    /// Who has seen which artifact.
    pub begun: Begun,
    /// OCIRepositories that have said that nothing is new since something was.
    pub quiet: Mutex<HashSet<Key>>,
    /// Kustomizations that have given their source a moment to be fetched.
    pub patient: Mutex<HashSet<Key>>,
    /// When a registry last gave notice of a push to the source of an OCIRepository.
    pub noticed: Mutex<HashMap<Key, Instant>>,
    /// The clouds that sources log in to.
    pub clouds: cloud::Clouds,
    /// Registry clients, shared by objects with equal settings.
    pub registries: crate::oci_repository::Registries,
}

impl Context {
    /// A Kustomization has got what it waited for, or is gone.
    pub fn end_patience(&self, kustomization: &Key) {
        self.patient.lock().unwrap_or_else(PoisonError::into_inner).remove(kustomization);
    }

    /// Whether an OCIRepository has already said that nothing is new; from now on it has, unless
    /// there is `fresh` content (decisions.md, ArtifactUpToDate event).
    pub fn is_quiet(&self, source: &Key, fresh: bool) -> bool {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh {
            return quiet.remove(source);
        }
        !quiet.insert(source.clone())
    }
}

impl Settings {
    /// From the flags.
    pub fn new(args: &Args) -> Self {
        Self {
            concurrent_ssa: usize::from(args.kustomization.concurrent_ssa),
            override_managers: args.kustomization.override_manager.clone(),
            custom_kinds: args.kustomization.custom_apply_stage_kinds.clone(),
            audit_interval: args.kustomization.audit_interval,
            requeue_dependency: args.requeue_dependency,
            jitter: f64::from(args.interval_jitter_percentage) / 100.0,
            no_cross_namespace_refs: args.no_cross_namespace_refs,
            sources: SourceSettings::new(args),
            object_level_identity: args.object_level_identity(),
            source_default_service_account: args.source_default_service_account.clone(),
            additive_ready_expr: args.gate(ADDITIVE_READY_EXPR),
            unset: args.unset(),
            fail_fast: if args.gate(NO_FAIL_FAST) { FailFast::Off } else { FailFast::On },
            default_service_account: args.kustomization.default_service_account.clone(),
            default_kubeconfig_service_account: args
                .kustomization
                .default_kubeconfig_service_account
                .clone(),
            decryption: args.kustomization.decryption.clone(),
            runtime_namespace: args.runtime_namespace.clone(),
            retention: artifact::store::Retention {
                age_max: args.artifact_retention_ttl,
                records: args.artifact_retention_records,
            },
            limits: args.limits(),
            guards: args.guards.clone(),
            token_realms: args.allow_token_realm.clone(),
        }
    }

    /// An interval with its jitter (ocirepository.md, 13).
    pub fn jittered(&self, interval: Duration) -> Duration {
        varied(interval, self.jitter, f64::from(fastrand()) / f64::from(u32::MAX))
    }
}

/// An interval that is longer or shorter by up to `share` of it; `random` lies between 0 and 1.
fn varied(interval: Duration, share: f64, random: f64) -> Duration {
    let factor = 1.0 + share * (2.0 * random - 1.0);
    interval.mul_f64(factor.max(0.0))
}

/// A random number; quality does not matter for jitter.
fn fastrand() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    #[expect(clippy::cast_possible_truncation, reason = "any 32 of the bits will do")]
    let bits = RandomState::new().build_hasher().finish() as u32;
    bits
}

/// Which artifact the last run of each Kustomization began with.
///
/// A run may see an artifact before the watch tells of it: then there is no news to run for again.
#[derive(Default)]
pub struct Begun {
    artifacts: Mutex<HashMap<Key, (String, String)>>,
}

impl Begun {
    fn artifacts(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (String, String)>> {
        self.artifacts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins with an artifact of this revision and digest.
    pub fn with(&self, kustomization: &Key, revision: &str, digest: &str) {
        self.artifacts().insert(kustomization.clone(), (revision.into(), digest.into()));
    }

    /// Whether the last run began with this artifact.
    pub fn is_with(&self, kustomization: &Key, revision: &str, digest: &str) -> bool {
        let artifacts = self.artifacts();
        artifacts
            .get(kustomization)
            .is_some_and(|(r, d)| (r.as_str(), d.as_str()) == (revision, digest))
    }

    /// Whether anything has run since the operator started.
    pub fn knows(&self, kustomization: &Key) -> bool {
        self.artifacts().contains_key(kustomization)
    }

    /// The last run got nothing from its artifact.
    pub fn forget(&self, kustomization: &Key) {
        self.artifacts().remove(kustomization);
    }
}

/// Which Kustomizations wait for which others to become ready.
#[derive(Default)]
pub struct Waiting {
    by_dependency: Mutex<HashMap<Key, HashSet<Key>>>,
}

impl Waiting {
    /// Notes, before its dependencies are judged, that a Kustomization waits for them: a change
    /// that comes while they are judged must not be lost.
    pub fn begin<'a>(&self, dependent: &Key, dependencies: impl Iterator<Item = &'a Key>) {
        let mut waiting = self.by_dependency.lock().unwrap_or_else(PoisonError::into_inner);
        for dependency in dependencies {
            waiting.entry(dependency.clone()).or_default().insert(dependent.clone());
        }
    }

    /// Notes that a Kustomization waits for nobody.
    pub fn end(&self, dependent: &Key) {
        let mut waiting = self.by_dependency.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, dependents| {
            dependents.remove(dependent);
            !dependents.is_empty()
        });
    }

    /// Whether a Kustomization waits for another.
    pub fn waits(&self, dependent: &Key) -> bool {
        let waiting = self.by_dependency.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().any(|dependents| dependents.contains(dependent))
    }

    /// Who waits for a Kustomization.
    pub fn dependents(&self, dependency: &Key) -> Vec<Key> {
        let waiting = self.by_dependency.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(dependency).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario H24.
    #[test]
    fn intervals_vary_within_their_jitter() {
        let seconds = |random: f64| varied(Duration::from_secs(600), 0.05, random).as_secs();
        assert_eq!([0.0, 0.5, 1.0].map(seconds), [570, 600, 630]);
        let drawn: HashSet<u32> = (0..100).map(|_| fastrand()).collect();
        assert!(drawn.len() > 90, "{}", drawn.len());
    }
}
