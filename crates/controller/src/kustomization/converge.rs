//! One run: fetch, build, apply, prune, await health. Top to bottom, one function an arrow.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use api::kustomization::{KustomizationStatus, SubstituteKind};
use api::oci_repository::Artifact;
use apply::preview::Preview;
use apply::prune::Pruning;
use apply::wait::{Awaited, FailFast, State, Unhealthy};
use apply::{Knowledge, KubeCluster, Reach, Stages};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::DynamicObject;
use kustomize::files::Memory;
use manifest::Object;
use plan::health::{Health, Judge};
use plan::ignore::Rules;
use plan::inventory::{Entry, stale, union};
use plan::{Plan, Policy, Stage};

use super::detect::is_only_detecting;
use super::memories::Remembered;
use super::request::Request;
use super::status::{Phase, Run, progressing};
use super::{fetch, health, owner, remotes, report};
use crate::context::Context;
use crate::events::{Happening, Severity};
use crate::objects::Objects;
use crate::runtime::cache::Key;
use crate::runtime::slots::Slot;

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
    /// What is known of them.
    pub(super) remembered: Remembered,
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
    /// Everything was applied, and what left the source may not be pruned unasked.
    PruneBlocked(String),
    /// Something newer came while health was awaited.
    Canceled { cause: String },
    /// The cluster to apply to could not be opened, and why.
    NoCluster(String),
    /// The status could not be written.
    Unreported(kube::Error),
}

impl Failure {
    pub(super) fn new(reason: &'static str, message: &impl ToString) -> Self {
        Self::Failed { reason, message: message.to_string(), unhealthy: None }
    }
}

/// What a run came to.
pub(super) enum Done {
    /// Everything is as asked for; how long the health check took, when there was one.
    Applied(Option<Duration>),
    /// What would be done, and is not.
    Detected(Preview),
}

/// Runs from the artifact to the healthy objects.
pub(super) async fn converge(
    attempt: &mut Attempt<'_>,
    artifact: &Artifact,
) -> Result<Done, Failure> {
    let files = fetch::fetch(attempt, artifact).await?;
    render::check_path(&files, &attempt.request.render)
        .map_err(|error| Failure::new("ArtifactFailed", &error))?;
    attempt.run.phase = Phase::Building;
    let opened = attempt.request.destination.open(attempt.context, attempt.key).await;
    let reach = opened.map_err(Failure::NoCluster)?;
    let rendered = build(attempt, files).await?;
    attempt.slot.change(&attempt.context.applies).await;
    if is_only_detecting(attempt.context, &attempt.object) {
        return attempt.preview(&reach, rendered).await.map(Done::Detected);
    }
    let applied = apply(attempt, &reach, rendered).await?;
    prune_stale(attempt, &reach, &applied).await?;
    health::await_health(attempt, &reach, applied).await.map(Done::Applied)
}

/// Builds, with the variables that the spec refers to.
async fn build(attempt: &mut Attempt<'_>, files: Memory) -> Result<Vec<Object>, Failure> {
    let mut request = attempt.request.render.clone();
    if let Some(post_build) = &mut request.post_build {
        post_build.unset = attempt.context.settings.unset;
        match variables(attempt).await {
            // What the spec itself says wins over what it refers to.
            Ok(variables) => {
                let own = std::mem::take(&mut post_build.variables);
                post_build.variables = variables.into_iter().chain(own).collect();
            }
            Err(why) => post_build.unavailable = Some(why),
        }
    }
    // It has room of its own: a run is passed around.
    let rendered = Box::pin(remotes::render(attempt, files, request)).await?;
    for warning in rendered.warnings() {
        tracing::warn!(%warning, "build");
    }
    attempt.run.phase = Phase::Detecting;
    attempt.run.digest = Some(format!("sha256:{}", rendered.digest()));
    let mut objects = rendered.into_objects();
    render::sealed::refuse_encrypted(&objects)
        .map_err(|error| Failure::new("ReconciliationFailed", &error))?;
    let unknown = plan::prepare(&mut objects)
        .map_err(|unfit| Failure::new("ReconciliationFailed", &unfit))?;
    for plan::Unknown { subject, fields } in unknown {
        let fields = fields.join(", ");
        tracing::warn!(key = %attempt.key, %subject, %fields, "unknown fields are dropped");
    }
    Ok(objects)
}

/// The variables of `substituteFrom`, each object read once (W8); later ones win.
async fn variables(attempt: &Attempt<'_>) -> Result<BTreeMap<String, String>, String> {
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
        let fail = |cause: String| format!("substitute from '{kind}/{name}' error: {cause}");
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
pub(super) struct Applied {
    entries: Vec<Entry>,
    /// The lines of the change log.
    pub(super) changes: Vec<String>,
    /// What was applied, and how it was seen last.
    pub(super) awaited: Awaited,
}

async fn apply(
    attempt: &mut Attempt<'_>,
    reach: &Reach,
    objects: Vec<Object>,
) -> Result<Applied, Failure> {
    let context = Arc::clone(attempt.context);
    let settings = settings(attempt)?;
    let mut stages = Stages::new(reach.cluster.as_ref(), &context.clock, objects, settings);
    let memory = std::mem::take(&mut attempt.remembered.memory);
    let is_audit = attempt.remembered.is_audit;
    stages.knowledge = Knowledge { watches: Some(&reach.watches), memory, is_audit };
    let planned = stages.planned();
    let result = run_stages(attempt, reach, &mut stages, &planned).await;
    attempt.remembered.memory = stages.knowledge.memory;
    let mut applied = stages.applied;
    attempt.tell_owners(std::mem::take(&mut applied.taken));
    if let Err(failure) = result {
        if attempt.run.inventory.is_some() {
            attempt.run.inventory = Some(union(&applied.entries, &attempt.stored));
        }
        return Err(failure);
    }
    attempt.changed(&applied);
    let kept: HashSet<_> = applied.entries.iter().map(|entry| &entry.id).collect();
    attempt.remembered.memory.keep(|id| kept.contains(id));
    let judge = Arc::clone(&attempt.request.judge);
    let (targets, states) = (applied.targets, applied.states);
    let awaited = Awaited { targets, states, judge, ..Awaited::default() };
    Ok(Applied { entries: applied.entries, changes: applied.changes, awaited })
}

/// How the objects of a run are applied.
pub(super) fn settings(attempt: &Attempt<'_>) -> Result<apply::execute::Settings, Failure> {
    let (request, flags) = (attempt.request, &attempt.context.settings);
    // The log of what was applied before follows, and is empty (kustomization.md, 9.7).
    let ignored = Rules::new(&request.ignore)
        .map_err(|error| Failure::new("ReconciliationFailed", &format!("{error}\n")))?;
    let override_managers = flags.override_managers.clone();
    Ok(apply::execute::Settings {
        concurrency: flags.concurrent_ssa,
        policy: Policy { ignored, override_managers, force: request.force },
        custom_kinds: flags.custom_kinds.clone(),
        timeout: request.timeout,
        judge: Arc::clone(&request.judge),
    })
}

async fn run_stages<'a>(
    attempt: &mut Attempt<'_>,
    reach: &Reach,
    stages: &mut Stages<'a, KubeCluster, crate::runtime::clock::Clock>,
    planned: &[Entry],
) -> Result<(), Failure> {
    loop {
        let done = stages.applied.changes.len();
        let log = |stages: &Stages<'a, _, _>| match &stages.applied.changes[..done] {
            [] => String::new(),
            changes => changes.join("\n") + "\n",
        };
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
        if plan.steps.iter().any(|step| step.action.writes()) {
            attempt.remembered.wrote = true;
            if attempt.run.inventory.is_none() {
                attempt.run.inventory = Some(union(planned, &attempt.stored));
                attempt.progress().await?;
            }
        }
        stages.execute(&plan).await.map_err(|error| failed(error, log(stages)))?;
        if stage.is_awaited() {
            let awaited = changed(&plan, stages, &attempt.request.judge);
            attempt
                .await_stage(reach, awaited)
                .await
                .map_err(|unhealthy| failed(apply::Error::Stage(unhealthy), log(stages)))?;
        }
    }
}

/// A namespace on its way out: nothing can be put into it, so nothing is awaited (W13).
fn terminating(plan: &Plan, states: &BTreeMap<manifest::ObjectId, State>) -> Option<Unhealthy> {
    let objects: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.object.id())
        .filter(|id| {
            id.kind == "Namespace"
                && states.get(id).is_some_and(|state| state.health == Health::Terminating)
        })
        .map(|id| (id, Health::Terminating))
        .collect();
    (!objects.is_empty()).then(|| Unhealthy { objects, ..Unhealthy::default() })
}

/// What the next stage waits for: what this one created or changed (W13).
fn changed<C, T>(plan: &Plan, stages: &Stages<'_, C, T>, judge: &Arc<Judge>) -> Awaited {
    let changed: Vec<_> =
        plan.steps.iter().filter(|s| s.action.writes()).map(|s| s.object.id()).collect();
    let targets = stages.applied.targets.iter().filter(|target| changed.contains(&target.id));
    Awaited {
        targets: targets.cloned().collect(),
        states: stages.applied.states.clone(),
        judge: Arc::clone(judge),
        fail_fast: FailFast::Off,
        ..Awaited::default()
    }
}

async fn prune_stale(
    attempt: &mut Attempt<'_>,
    reach: &Reach,
    applied: &Applied,
) -> Result<(), Failure> {
    attempt.run.inventory = Some(applied.entries.clone());
    let stale = stale(&attempt.stored, &applied.entries);
    if !attempt.request.prune || stale.is_empty() {
        attempt.remembered.leaving.clear();
        return Ok(());
    }
    if let Err(blocked) = attempt.guard(&stale, applied.entries.len()) {
        attempt.run.inventory = Some(union(&applied.entries, &stale));
        return Err(blocked);
    }
    let owner = owner(attempt.key);
    let pruning = Pruning {
        cluster: reach.cluster.as_ref(),
        watches: &reach.watches,
        owner: &owner,
        concurrency: attempt.context.settings.concurrent_ssa,
        told: &attempt.remembered.leaving,
    };
    let pruned = pruning.prune(stale).await;
    attempt.remembered.leaving = pruned.leaving();
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

impl Attempt<'_> {
    fn objects(&self) -> &Objects {
        &self.context.kustomizations
    }

    /// Writes how far the run is.
    pub(super) async fn progress(&mut self) -> Result<(), Failure> {
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
    pub(super) fn happened(&self, message: &str) {
        report::record(self.context, &self.object, self.progressed(message));
    }

    fn progressed(&self, message: &str) -> Happening {
        let facts = (self.run.revision.as_str(), self.run.origin_revision.as_deref());
        report::happening(Severity::Info, "Progressing", message, facts)
    }

    /// Records what an apply has changed, if anything.
    fn changed(&self, applied: &apply::execute::Applied) {
        if applied.changes.is_empty() {
            return;
        }
        let happening = self.progressed(&applied.changes.join("\n"));
        let told = report::with_drift(happening, &applied.drift);
        report::record(self.context, &self.object, told);
    }
}
