//! Kustomization: what an artifact holds, kept applied.

mod args;
pub(crate) mod configs;
mod converge;
mod decrypt;
mod dependencies;
mod described;
mod detect;
mod fetch;
mod finalize;
mod health;
mod key_services;
mod keyring;
mod memories;
mod owners;
mod prune_guard;
mod reach;
mod remotes;
mod report;
mod request;
mod source;
pub(crate) mod start;
mod status;
mod teardown;
pub(crate) mod triggers;

use std::sync::Arc;
use std::time::Duration;

use api::kustomization::{KustomizationSpec, KustomizationStatus};
use api::oci_repository::Artifact;
use api::well_known::{OCI_REVISION, RECONCILE_REQUEST};
use kube::api::DynamicObject;
use manifest::ObjectId;
use plan::inventory::Entry;
use plan::prune::Owner;

use crate::context::Context;
use crate::events::Severity;
use crate::objects::{annotation, generation, part};
use crate::runtime::cache::Key;
use crate::runtime::queue::Requeue;
use crate::runtime::slots::Slot;
use crate::unfit::INVALID_EXPRESSION;
pub(crate) use args::{DecryptionArgs, KustomizationArgs};
use converge::{Attempt, Done, Failure, converge};
use dependencies::{Dependent, Obstacle};
use detect::is_only_detecting;
pub use memories::Memories;
use report::{happening, record, with_commit_status};
use request::Request;
pub(crate) use source::SourceSettings;
use status::{Outcome, Phase, Run, finished, seconds};

/// Runs one Kustomization once and says when it runs again.
pub(crate) async fn reconcile(context: &Arc<Context>, key: &Key, slot: &mut Slot) -> Requeue {
    let Some(object) = context.kustomizations.cache.get(key) else {
        context.memories.forget(key);
        context.waiting.end(key);
        context.begun.forget(key);
        context.end_patience(key);
        return Requeue::OnChange;
    };
    if object.metadata.deletion_timestamp.is_some() {
        context.waiting.end(key);
        return finalize::finalize(context, key, &object, slot).await;
    }
    match advance(context, key, object, slot).await {
        Ok(requeue) => requeue,
        Err(error) => {
            let error = apply::Refusal::from(error);
            tracing::warn!(%error, %key, "the object could not be written, will be tried again");
            Requeue::Backoff(Duration::ZERO)
        }
    }
}

/// Whose labels the objects of a Kustomization bear.
fn owner(key: &Key) -> Owner {
    Owner { name: key.name.clone(), namespace: key.namespace.clone() }
}

/// The objects that a status says are ours.
fn entries(status: &KustomizationStatus) -> Vec<Entry> {
    let stored = status.inventory.iter().flat_map(|inventory| &inventory.entries);
    stored
        .filter_map(|entry| {
            Some(Entry { id: ObjectId::parse(&entry.id)?, version: entry.v.clone() })
        })
        .filter(may_exist)
        .collect()
}

/// Whether an object of that name can be there. Where somebody else wrote the inventory, what never
/// could be asked for would stand in the way of the rest for good.
fn may_exist(entry: &Entry) -> bool {
    let Entry { id, version } = entry;
    let is_segment = |part: &str| !part.contains(['/', '%']) && !matches!(part, "." | "..");
    let parts = [&id.namespace, &id.name, &id.group, &id.kind, version];
    parts.iter().all(|part| is_segment(part))
}

async fn advance(
    context: &Arc<Context>,
    key: &Key,
    object: Arc<DynamicObject>,
    slot: &mut Slot,
) -> kube::Result<Requeue> {
    let only_detects = is_only_detecting(context, &object);
    let object = if only_detects { object } else { context.kustomizations.hold(object).await? };
    let status: KustomizationStatus = part(&object, "status").map_err(kube::Error::SerdeError)?;
    let end = End { context, object: Arc::clone(&object), status: status.clone() };
    let spec: KustomizationSpec = match part(&object, "spec") {
        Ok(spec) => spec,
        Err(error) => {
            return end.stalled("InvalidSpec", &format!("spec is malformed: {error}"), "").await;
        }
    };
    if spec.suspend == Some(true) {
        context.waiting.end(key);
        end.write(&Outcome::Held).await?;
        return Ok(Requeue::OnChange);
    }
    let request = match Request::parse(key, &spec, &context.settings.default_service_account) {
        Ok(request) => request,
        Err(unfit) => {
            return end.stalled(unfit.reason(), &artifact::text::explain(&unfit), "").await;
        }
    };
    if let Some(message) = decrypt::closed_gate(context, &request) {
        return end.denied("FeatureGateDisabled", message).await;
    }
    // What its source had to tell so far is seen now.
    context.kustomizations.queue.withdraw(key, &request.source.cause());
    let artifact = match source::find(context, key, &request) {
        Ok(artifact) => artifact,
        Err(obstacle) => return obstacle.report(&end, &request).await,
    };
    context.waiting.begin(key, request.dependencies.iter().map(|dependency| &dependency.key));
    let dependent = Dependent {
        object: &object,
        dependencies: &request.dependencies,
        source: (&request.source, &artifact.revision),
        additive: context.settings.additive_ready_expr,
    };
    match dependencies::obstacle(&context.kustomizations.cache, &dependent) {
        // Who writes nothing comes before nobody.
        _ if only_detects => context.waiting.end(key),
        Some(Obstacle::NotReady(text)) => {
            return end.dependency_not_ready(&request, &artifact, text).await;
        }
        Some(Obstacle::Invalid(text)) => {
            context.waiting.end(key);
            return end.stalled(INVALID_EXPRESSION, &text, &artifact.revision).await;
        }
        None => context.waiting.end(key),
    }
    context.end_patience(key);
    context.begun.with(key, &artifact.revision, &artifact.digest);
    let run = begin(&object, &request, &artifact);
    let stored = entries(&status);
    let interval = context.settings.audit_interval;
    let remembered = context.memories.begin(&object, context.clock.instant(), interval);
    let request = &request;
    let attempt = Attempt { context, key, request, slot, object, status, stored, remembered, run };
    execute(attempt, &artifact).await
}

fn begin(object: &DynamicObject, request: &Request, artifact: &Artifact) -> Run {
    let origin = artifact.metadata.as_ref().and_then(|metadata| metadata.get(OCI_REVISION));
    Run {
        generation: generation(object),
        revision: artifact.revision.clone(),
        origin_revision: origin.cloned(),
        timeout: request.timeout,
        phase: Phase::Fetching,
        inventory: None,
        digest: None,
    }
}

/// Reason when the cluster cannot be written to.
const REFUSED: &str = "ReconciliationFailed";

async fn execute(mut attempt: Attempt<'_>, artifact: &Artifact) -> kube::Result<Requeue> {
    let clock = &attempt.context.clock;
    let began = clock.instant();
    let result = converge(&mut attempt, artifact).await;
    let duration = clock.instant() - began;
    attempt.context.kustomizations.queue.work_is_over(attempt.key);
    let Attempt { context, key, request, object, status, remembered, run, .. } = attempt;
    if context.memories.end(key, remembered, (began, clock.instant()), result.is_ok()) {
        context.kustomizations.queue.add(key.clone(), &format!("Kustomization/{key}"));
    }
    let end = End { context, object, status };
    let origin = run.origin_revision.clone();
    let facts = (run.revision.clone(), origin);
    let tell = |severity, reason: &str, message: &str| {
        happening(severity, reason, message, (&facts.0, facts.1.as_deref()))
    };
    match result {
        Ok(Done::Detected(preview)) => {
            end.detected(run, &preview).await?;
            Ok(Requeue::After(context.settings.jittered(request.interval)))
        }
        Err(Failure::PruneBlocked(message)) => {
            end.prune_blocked(run, message).await?;
            Ok(Requeue::After(context.settings.jittered(request.interval)))
        }
        Ok(Done::Applied(healthy_after)) => {
            end.write(&Outcome::Succeeded { run, duration, healthy_after }).await?;
            let interval = api::duration::GoDuration::from(request.interval);
            let text =
                format!("Reconciliation finished in {}, next run in {interval}", seconds(duration));
            let done = tell(Severity::Info, status::SUCCEEDED, &text);
            record(context, &end.object, with_commit_status(done));
            Ok(Requeue::After(context.settings.jittered(request.interval)))
        }
        Err(Failure::Failed { reason, message, unhealthy }) => {
            record(context, &end.object, tell(Severity::Error, reason, &message));
            end.write(&Outcome::Failed { run, reason, message, duration, unhealthy }).await?;
            Ok(Requeue::After(request.retry_interval))
        }
        Err(Failure::NoCluster(message)) => {
            let text = format!("failed to build kube client: {message}");
            record(context, &end.object, tell(Severity::Error, REFUSED, &text));
            let (reason, unhealthy) = (REFUSED, None);
            end.write(&Outcome::Failed { run, reason, message, duration, unhealthy }).await?;
            Ok(Requeue::After(request.retry_interval))
        }
        Err(Failure::ArtifactMissing) => {
            context.begun.forget(key);
            let retry = context.settings.requeue_dependency;
            let text = api::duration::GoDuration::from(retry);
            let message = format!("Source is not ready, artifact not found, retrying in {text}");
            let (reason, unhealthy) = ("ArtifactFailed", None);
            end.write(&Outcome::Failed { run, reason, message, duration, unhealthy }).await?;
            Ok(Requeue::After(retry))
        }
        Err(Failure::Canceled { cause }) => {
            let text =
                format!("Health checks canceled due to new reconciliation triggered by {cause}");
            record(context, &end.object, tell(Severity::Info, "HealthCheckCanceled", &text));
            end.write(&Outcome::Canceled { run, cause }).await?;
            Ok(Requeue::After(request.retry_interval))
        }
        Err(Failure::Unreported(error)) => Err(error),
    }
}

/// The one place where the outcome of a reconcile is written.
struct End<'a> {
    context: &'a Arc<Context>,
    object: Arc<DynamicObject>,
    status: KustomizationStatus,
}

impl End<'_> {
    async fn write(&self, outcome: &Outcome) -> kube::Result<()> {
        let requested_at = annotation(&self.object, RECONCILE_REQUEST);
        let facts = (generation(&self.object), requested_at);
        let now = self.context.clock.timestamp();
        let status = finished(&self.status, outcome, facts, &now);
        let objects = &self.context.kustomizations;
        match objects.write_status(&self.object, &status, &status::OWNED).await {
            // Deleted meanwhile: there is nobody left to tell.
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }

    /// Whether the object has said this already.
    fn says(&self, reason: &str, message: &str) -> bool {
        let ready = |c: &&api::condition::Condition| c.kind == api::condition::READY;
        let said = self.status.conditions.iter().find(ready);
        said.is_some_and(|said| said.reason == reason && said.message == message)
    }

    /// Nothing is tried again until something changes. `revision` is empty where none is known yet.
    async fn stalled(&self, reason: &str, message: &str, revision: &str) -> kube::Result<Requeue> {
        let facts = (revision, None);
        record(self.context, &self.object, happening(Severity::Error, reason, message, facts));
        let (reason, message) = (reason.to_owned(), message.to_owned());
        self.write(&Outcome::Stalled { reason, message }).await?;
        Ok(Requeue::OnChange)
    }

    /// Nothing is tried while the operator's settings forbid it.
    async fn denied(&self, reason: &'static str, message: String) -> kube::Result<Requeue> {
        let told = happening(Severity::Error, reason, &message, ("", None));
        record(self.context, &self.object, told);
        self.write(&Outcome::Denied { reason, message }).await?;
        Ok(Requeue::OnChange)
    }

    /// Waits for a dependency: its change wakes, the timer is only a safeguard (W4). One event for
    /// each distinct cause.
    async fn dependency_not_ready(
        &self,
        request: &Request,
        artifact: &Artifact,
        message: String,
    ) -> kube::Result<Requeue> {
        const REASON: &str = "DependencyNotReady";
        if !self.says(REASON, &message) {
            let retry = api::duration::GoDuration::from(self.context.settings.requeue_dependency);
            let text = format!("Dependencies do not meet ready condition, retrying in {retry}");
            let facts = (artifact.revision.as_str(), None);
            record(self.context, &self.object, happening(Severity::Info, REASON, &text, facts));
        }
        self.write(&Outcome::NotStarted { reason: REASON, message }).await?;
        Ok(Requeue::After(request.interval))
    }
}
