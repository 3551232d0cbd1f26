//! One run: fetch, build, apply, prune, await health. Top to bottom, one function an arrow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::kustomization::{KustomizationStatus, SubstituteKind};
use api::oci_repository::Artifact;
use apply::prune::prune;
use apply::wait::{Awaited, Target, Unhealthy, wait};
use apply::watch::{Ownership, Subscription};
use apply::{KubeCluster, Stages};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::DynamicObject;
use kustomize::files::{FilePath, Memory};
use manifest::Object;
use plan::health::Health;
use plan::inventory::{Entry, stale, union};
use plan::prune::Owner;
use plan::{Plan, Stage};

use super::report;
use super::request::{Checks, Request};
use super::status::{Phase, Run, progressing, seconds};
use crate::context::Context;
use crate::events::Severity;
use crate::objects::Objects;
use crate::runtime::cache::Key;
use crate::runtime::slots::Slot;

/// How long the next stage waits for an awaited one (kustomization.md, 9.2).
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that one run works with.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) key: &'a Key,
    pub(super) request: &'a Request,
    pub(super) slot: &'a mut Slot,
    /// The object as last written.
    pub(super) object: Arc<DynamicObject>,
    /// Its status as last written.
    pub(super) status: KustomizationStatus,
    /// The objects that were ours when the run began.
    pub(super) stored: Vec<Entry>,
    pub(super) run: Run,
}

/// Why a run ended before its end.
pub(super) enum Failure {
    /// Something failed.
    Failed {
        reason: &'static str,
        message: String,
        /// The raw health text, when health is what failed.
        unhealthy: Option<String>,
    },
    /// The artifact is not in the store: its source will put it there.
    ArtifactMissing,
    /// Something newer came while health was awaited.
    Canceled { cause: String },
    /// The status could not be written.
    Unreported(kube::Error),
}

impl Failure {
    fn new(reason: &'static str, message: &impl ToString) -> Self {
        Self::Failed { reason, message: message.to_string(), unhealthy: None }
    }
}

/// Runs from the artifact to the healthy objects; gives how long the health check took.
pub(super) async fn converge(
    attempt: &mut Attempt<'_>,
    artifact: &Artifact,
) -> Result<Option<Duration>, Failure> {
    let files = fetch(attempt, artifact).await?;
    let rendered = build(attempt, files).await?;
    let cluster = attempt
        .context
        .clusters
        .open(&attempt.request.identity)
        .map_err(|refusal| Failure::new("ReconciliationFailed", &refusal))?;
    let applied = apply(attempt, &cluster, rendered).await?;
    prune_stale(attempt, &cluster, &applied).await?;
    await_health(attempt, &cluster, applied).await
}

/// Reads the artifact from the store; its digest is checked on the way.
async fn fetch(attempt: &Attempt<'_>, artifact: &Artifact) -> Result<Memory, Failure> {
    let store = Arc::clone(&attempt.context.store);
    let limits = attempt.context.settings.limits;
    let (path, digest) = (artifact.path.clone(), artifact.digest.clone());
    let read = tokio::task::spawn_blocking(move || read_files(&store, &path, &digest, &limits));
    match read.await {
        Ok(Ok(files)) => Ok(files),
        Ok(Err(error)) if error.is_missing() => Err(Failure::ArtifactMissing),
        Ok(Err(error)) => Err(Failure::new("ArtifactFailed", &artifact::text::explain(&error))),
        Err(panicked) => Err(Failure::new("ArtifactFailed", &panicked)),
    }
}

fn read_files(
    store: &artifact::Store,
    path: &str,
    digest: &str,
    limits: &artifact::Limits,
) -> Result<Memory, artifact::Error> {
    let mut files = Memory::default();
    let digest = digest.parse().map_err(|_| artifact::Error::Corrupt(digest.to_owned()))?;
    for (path, content) in store.entries(path, &digest, limits)? {
        files.insert(FilePath::root().join_clamped(&path), content);
    }
    Ok(files)
}

/// Builds on a thread of its own: it computes and may take long.
async fn build(attempt: &mut Attempt<'_>, files: Memory) -> Result<Vec<Object>, Failure> {
    let mut request = attempt.request.render.clone();
    let variables = variables(attempt).await?;
    if let Some(post_build) = &mut request.post_build {
        // What the spec itself says wins over what it refers to.
        let own = std::mem::take(&mut post_build.variables);
        post_build.variables = variables.into_iter().chain(own).collect();
    }
    let built = tokio::task::spawn_blocking(move || render::render(&files, &request)).await;
    let rendered = match built {
        Ok(Ok(rendered)) => rendered,
        Ok(Err(error)) => {
            let missing = error.is_artifact();
            if !missing {
                attempt.run.phase = Phase::Building;
            }
            let reason = if missing { "ArtifactFailed" } else { "BuildFailed" };
            return Err(Failure::new(reason, &error));
        }
        Err(panicked) => return Err(Failure::new("BuildFailed", &panicked)),
    };
    for warning in rendered.warnings() {
        tracing::warn!(%warning, "build");
    }
    attempt.run.phase = Phase::Detecting;
    attempt.run.digest = Some(format!("sha256:{}", rendered.digest()));
    Ok(rendered.into_objects())
}

/// The variables of `substituteFrom`, each object read once (W8); later ones win.
async fn variables(attempt: &Attempt<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = BTreeMap::new();
    for reference in &attempt.request.substitute_from {
        let client = attempt.context.client.clone();
        let namespace = &attempt.key.namespace;
        let read = match reference.kind {
            SubstituteKind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(client, namespace);
                api.get_opt(&reference.name)
                    .await
                    .map(|map| map.map(|map| map.data.unwrap_or_default()))
            }
            SubstituteKind::Secret => {
                let api: Api<Secret> = Api::namespaced(client, namespace);
                api.get_opt(&reference.name).await.map(|secret| secret.map(texts))
            }
        };
        let (kind, plural) = match reference.kind {
            SubstituteKind::ConfigMap => ("ConfigMap", "configmaps"),
            SubstituteKind::Secret => ("Secret", "secrets"),
        };
        let name = &reference.name;
        let fail = |cause: String| {
            let text = format!("post build failed: substitute from '{kind}/{name}' error: {cause}");
            Failure::new("BuildFailed", &text)
        };
        match read.map_err(|error| fail(apply::Refusal::from(error).to_string()))? {
            Some(data) => {
                variables
                    .extend(data.into_iter().map(|(key, value)| (key, value.replace('\n', ""))));
            }
            None if reference.optional == Some(true) => {}
            None => return Err(fail(format!("{plural} \"{name}\" not found"))),
        }
    }
    Ok(variables)
}

fn texts(secret: Secret) -> BTreeMap<String, String> {
    let data = secret.data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
        .collect()
}

/// What the apply left for the steps after it.
struct Applied {
    entries: Vec<Entry>,
    changes: Vec<String>,
    awaited: Awaited,
}

async fn apply(
    attempt: &mut Attempt<'_>,
    cluster: &Arc<KubeCluster>,
    objects: Vec<Object>,
) -> Result<Applied, Failure> {
    let context = Arc::clone(attempt.context);
    let settings = apply::execute::Settings { concurrency: context.settings.concurrent_ssa };
    let mut stages = Stages::new(cluster.as_ref(), &context.clock, objects, settings);
    let planned = stages.planned();
    let result = run_stages(attempt, cluster, &mut stages, &planned).await;
    let applied = stages.applied;
    if let Err(failure) = result {
        if attempt.run.inventory.is_some() {
            attempt.run.inventory = Some(union(&applied.entries, &attempt.stored));
        }
        return Err(failure);
    }
    if !applied.changes.is_empty() {
        attempt.happened(&applied.changes.join("\n"));
    }
    let awaited = Awaited { targets: applied.targets, states: applied.states };
    Ok(Applied { entries: applied.entries, changes: applied.changes, awaited })
}

async fn run_stages<'a>(
    attempt: &mut Attempt<'_>,
    cluster: &Arc<KubeCluster>,
    stages: &mut Stages<'a, KubeCluster, crate::runtime::clock::Clock>,
    planned: &[Entry],
) -> Result<(), Failure> {
    loop {
        let done = stages.applied.changes.len();
        let log = |stages: &Stages<'a, _, _>| stages.applied.changes[..done].join("\n");
        let failed = |error: apply::Error, log: String| {
            Failure::new("ReconciliationFailed", &format!("{error}\n{log}"))
        };
        let (stage, plan) = match stages.plan().await {
            Ok(None) => return Ok(()),
            Ok(Some(next)) => next,
            Err(error) => return Err(failed(error, log(stages))),
        };
        if stage == Stage::Definitions
            && let Some(unhealthy) = terminating(&plan, &stages.applied.states)
        {
            return Err(failed(apply::Error::Stage(unhealthy), log(stages)));
        }
        if plan.steps.iter().any(|step| step.action.writes()) && attempt.run.inventory.is_none() {
            attempt.run.inventory = Some(union(planned, &attempt.stored));
            attempt.progress().await?;
        }
        stages.execute(&plan).await.map_err(|error| failed(error, log(stages)))?;
        if stage.is_awaited() {
            let awaited = changed(&plan, stages);
            attempt
                .await_stage(cluster, awaited)
                .await
                .map_err(|unhealthy| failed(apply::Error::Stage(unhealthy), log(stages)))?;
        }
    }
}

/// A namespace on its way out: nothing can be put into it, so nothing is awaited (W13).
fn terminating(plan: &Plan, states: &BTreeMap<manifest::ObjectId, Health>) -> Option<Unhealthy> {
    let objects: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.object.id())
        .filter(|id| id.kind == "Namespace" && states.get(id) == Some(&Health::Terminating))
        .map(|id| (id, Health::Terminating))
        .collect();
    (!objects.is_empty()).then_some(Unhealthy { early: false, objects })
}

/// What the next stage waits for: what this one created or changed (W13).
fn changed<C, T>(plan: &Plan, stages: &Stages<'_, C, T>) -> Awaited {
    let changed: Vec<_> =
        plan.steps.iter().filter(|s| s.action.writes()).map(|s| s.object.id()).collect();
    let targets = stages.applied.targets.iter().filter(|target| changed.contains(&target.id));
    Awaited { targets: targets.cloned().collect(), states: stages.applied.states.clone() }
}

async fn prune_stale(
    attempt: &mut Attempt<'_>,
    cluster: &Arc<KubeCluster>,
    applied: &Applied,
) -> Result<(), Failure> {
    attempt.run.inventory = Some(applied.entries.clone());
    let stale = stale(&attempt.stored, &applied.entries);
    if !attempt.request.prune || stale.is_empty() {
        return Ok(());
    }
    let owner = Owner { name: attempt.key.name.clone(), namespace: attempt.key.namespace.clone() };
    let concurrency = attempt.context.settings.concurrent_ssa;
    let pruned = prune(cluster.as_ref(), stale, &owner, concurrency).await;
    let kept: Vec<Entry> = pruned.terminating.into_iter().chain(pruned.failed).collect();
    attempt.run.inventory = Some(union(&applied.entries, &kept));
    if !pruned.errors.is_empty() {
        return Err(Failure::new("PruneFailed", &apply::Error::Prune(pruned.errors)));
    }
    if !pruned.changes.is_empty() {
        attempt.happened(&pruned.changes.join("\n"));
    }
    Ok(())
}

async fn await_health(
    attempt: &mut Attempt<'_>,
    cluster: &Arc<KubeCluster>,
    applied: Applied,
) -> Result<Option<Duration>, Failure> {
    let itself = |target: &Target| {
        target.id.kind == "Kustomization"
            && target.id.group == "kustomize.toolkit.fluxcd.io"
            && target.id.namespace == attempt.key.namespace
            && target.id.name == attempt.key.name
    };
    let (mut awaited, ownership) = match &attempt.request.checks {
        Checks::None => return Ok(None),
        Checks::Applied => (applied.awaited, Ownership::Ours),
        Checks::Named(targets) => {
            let awaited = Awaited { targets: targets.clone(), ..Awaited::default() };
            (awaited, Ownership::Foreign)
        }
    };
    awaited.targets.retain(|target| !itself(target));
    let clock = attempt.context.clock.clone();
    let began = clock.instant();
    if awaited.check(cluster.as_ref(), &clock).await.is_err() {
        attempt.run.phase = Phase::Checking;
        attempt.progress().await?;
        let subscription = attempt.subscribe(&awaited, ownership).await;
        attempt.await_applied(cluster, &mut awaited, &subscription, began).await?;
    }
    let took = clock.instant() - began;
    let was_healthy = attempt.status.conditions.iter().any(|condition| {
        condition.kind == "Healthy" && condition.status == api::condition::ConditionStatus::True
    });
    let new_revision =
        attempt.status.last_applied_revision.as_deref() != Some(&attempt.run.revision);
    if !was_healthy || (new_revision && !applied.changes.is_empty()) {
        attempt.happened(&format!("Health check passed in {}", seconds(took)));
    }
    Ok(Some(took))
}

impl Attempt<'_> {
    fn objects(&self) -> &Objects {
        &self.context.kustomizations
    }

    /// Writes how far the run is.
    async fn progress(&mut self) -> Result<(), Failure> {
        let status = progressing(&self.status, &self.run, self.context.clock.timestamp());
        let written = self
            .objects()
            .write_status(&self.object, &status, &super::status::OWNED)
            .await
            .map_err(Failure::Unreported)?;
        (self.object, self.status) = (written, status);
        Ok(())
    }

    /// Records something that went as it should.
    fn happened(&self, message: &str) {
        let origin = self.run.origin_revision.as_deref();
        let happening =
            report::happening(Severity::Info, "Progressing", message, (&self.run.revision, origin));
        report::record(self.context, &self.object, happening);
    }

    async fn subscribe(&self, awaited: &Awaited, ownership: Ownership) -> Subscription {
        let targets: Vec<_> = awaited
            .targets
            .iter()
            .map(|target| (target.id.clone(), target.version.clone(), ownership))
            .collect();
        self.context.watches.subscribe(&targets).await
    }

    /// Waits for an awaited stage, without holding the slot.
    async fn await_stage(
        &mut self,
        cluster: &Arc<KubeCluster>,
        mut awaited: Awaited,
    ) -> Result<(), Unhealthy> {
        let clock = self.context.clock.clone();
        if awaited.check(cluster.as_ref(), &clock).await.is_ok() {
            return Ok(());
        }
        let subscription = self.subscribe(&awaited, Ownership::Ours).await;
        let deadline = clock.sleep(STAGE_TIMEOUT);
        self.slot.park(wait(cluster.as_ref(), &mut awaited, &subscription, &clock, deadline)).await
    }

    /// Waits for health without holding the slot; whatever asks for this object meanwhile ends the
    /// wait (W3).
    async fn await_applied(
        &mut self,
        cluster: &Arc<KubeCluster>,
        awaited: &mut Awaited,
        subscription: &Subscription,
        began: tokio::time::Instant,
    ) -> Result<(), Failure> {
        let clock = self.context.clock.clone();
        let deadline = clock.sleep_until(began + self.request.timeout);
        let queue = &self.context.kustomizations.queue;
        let waited = self.slot.park(async {
            tokio::select! {
                result = wait(cluster.as_ref(), awaited, subscription, &clock, deadline) => Ok(result),
                cause = queue.superseded(self.key) => Err(cause),
            }
        });
        let unhealthy = match waited.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(unhealthy)) => unhealthy,
            Err(cause) => return Err(Failure::Canceled { cause }),
        };
        let took = seconds(clock.instant() - began);
        Err(Failure::Failed {
            reason: super::status::HEALTH_CHECK_FAILED,
            message: format!("health check failed after {took}: {unhealthy}"),
            unhealthy: Some(unhealthy.to_string()),
        })
    }
}
