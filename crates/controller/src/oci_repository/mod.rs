//! OCIRepository: an artifact of a registry, kept stored.

mod access;
mod content;
mod converge;
mod failure;
mod login;
mod registries;
mod request;
mod rollback;
mod shared;
mod status;
pub(crate) mod triggers;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::oci_repository::{Artifact, OCIRepositorySpec, OCIRepositoryStatus};
use api::well_known::{OCI_REVISION, OCI_SOURCE, RECONCILE_REQUEST, SOURCE_MANAGER, SOURCE_PREFIX};
use kube::api::DynamicObject;

use crate::context::Context;
use crate::events::{Happening, Severity};
use crate::objects::{annotation, generation, part};
use crate::runtime::cache::Key;
use crate::runtime::queue::Requeue;
use crate::runtime::slots::Slot;
use crate::unfit::Unfit;
use converge::{Attempt, Done, converge};
use failure::Failure;
pub use registries::Registries;
use request::Request;
use status::{Facts, Fetch, Outcome, Stored, finished, has_failed};

/// Runs one OCIRepository once and says when it runs again. The slot is held for as long as the
/// registry and the store have work with it.
pub(crate) async fn reconcile(context: &Arc<Context>, key: &Key, slot: &mut Slot) -> Requeue {
    let Some(object) = context.sources.cache.get(key) else { return Requeue::OnChange };
    let result = if object.metadata.deletion_timestamp.is_some() {
        finalize(context, key, &object).await
    } else {
        advance(context, key, object, slot).await
    };
    result.unwrap_or_else(|error| {
        let error = apply::Refusal::from(error);
        tracing::warn!(%error, %key, "the object could not be written, will be tried again");
        Requeue::Backoff(Duration::ZERO)
    })
}

async fn advance(
    context: &Arc<Context>,
    key: &Key,
    object: Arc<DynamicObject>,
    slot: &mut Slot,
) -> kube::Result<Requeue> {
    let status: OCIRepositoryStatus = part(&object, "status").map_err(kube::Error::SerdeError)?;
    let facts = Facts {
        generation: generation(&object),
        requested_at: annotation(&object, RECONCILE_REQUEST).map(str::to_owned),
        now: context.clock.timestamp(),
    };
    let end = End { context, object: Arc::clone(&object), status: status.clone(), facts: &facts };
    let spec: OCIRepositorySpec = match part(&object, "spec") {
        Ok(spec) => spec,
        Err(error) => {
            let text = format!("spec is malformed: {error}");
            return end.stalled("InvalidSpec", text, Fetch::NotTried).await;
        }
    };
    if spec.suspend == Some(true) {
        end.write(&Outcome::Suspended).await?;
        return Ok(Requeue::OnChange);
    }
    let request = match Request::parse(&spec) {
        Ok(request) => request,
        Err(unfit) => {
            let fetch = match unfit {
                Unfit::Url { .. } => Fetch::Failed,
                _ => Fetch::NotTried,
            };
            return end.stalled(unfit.reason(), artifact::text::explain(&unfit), fetch).await;
        }
    };
    let (progress, spec, request, facts) = (String::new(), &spec, &request, facts.clone());
    let began = context.clock.instant();
    execute(Attempt { context, key, slot, spec, request, object, status, facts, progress, began })
        .await
}

async fn execute(mut attempt: Attempt<'_>) -> kube::Result<Requeue> {
    let before = attempt.status.clone();
    let result = converge(&mut attempt).await;
    attempt.slot.leave();
    attempt.context.sources.queue.work_is_over(attempt.key);
    let requested = attempt.is_requested();
    let Attempt { context, key, request, object, status, facts, progress, .. } = attempt;
    let end = End { context, object, status, facts: &facts };
    match result {
        Ok(done) => {
            let (stored, fresh) = match done {
                Done::UpToDate(stored) => (stored, false),
                Done::New(stored) => (stored, true),
            };
            let happening = match &stored.held {
                Some(why) => held(&before, why),
                None => news(&before, &stored, &request_url(request), fresh),
            };
            end.write(&Outcome::Stored(Box::new(stored.clone()))).await?;
            let quiet = context.is_quiet(key, fresh);
            match happening {
                Some(happening) => context.events.record(&end.object, SOURCE_MANAGER, happening),
                None if stored.held.is_none() && !fresh && (requested || !quiet) => {
                    let revision = &stored.artifact.revision;
                    let text = format!("artifact up-to-date with remote revision: '{revision}'");
                    happened(context, &end.object, Severity::Trace, ("ArtifactUpToDate", &text));
                }
                None => {}
            }
            Ok(Requeue::After(context.settings.jittered(request.interval)))
        }
        Err(Failure::Failed { condition, reason, message, retry_after }) => {
            happened(context, &end.object, Severity::Error, (reason, &message));
            end.write(&Outcome::Failed { condition, reason, message, progress }).await?;
            Ok(Requeue::Backoff(retry_after))
        }
        Err(Failure::Unverified { message, flaws, retry_after }) => {
            let (condition, reason) = (status::VERIFIED, "VerificationError");
            let happening = verify::unverified(&message, flaws);
            context.events.record(&end.object, SOURCE_MANAGER, happening);
            end.write(&Outcome::Failed { condition, reason, message, progress }).await?;
            Ok(Requeue::Backoff(retry_after))
        }
        Err(Failure::Stalled { reason, message }) => {
            end.stalled(reason, message, Fetch::NotTried).await
        }
        Err(Failure::Unreported(error)) => Err(error),
    }
}

fn request_url(request: &Request) -> String {
    request.reference.url().to_owned()
}

/// The event of a successful run that brought something new, or mended something
/// (ocirepository.md, 14).
fn news(
    before: &OCIRepositoryStatus,
    stored: &Stored,
    url: &str,
    fresh: bool,
) -> Option<Happening> {
    let artifact = &stored.artifact;
    let same = before.artifact.as_ref().is_some_and(|old| old.digest == artifact.digest);
    let reason = match (fresh && !same, has_failed(before)) {
        (true, _) => "NewArtifact",
        (false, true) => "Succeeded",
        (false, false) => return None,
    };
    let metadata = BTreeMap::from([
        (format!("{SOURCE_PREFIX}revision"), artifact.revision.clone()),
        (format!("{SOURCE_PREFIX}digest"), artifact.digest.clone()),
    ]);
    let message = format!(
        "stored artifact with revision '{}' from '{url}'{}",
        artifact.revision,
        origin(artifact)
    );
    Some(Happening { severity: Severity::Info, reason: reason.into(), message, metadata })
}

/// The event of a run that kept what was stored; it is told once.
fn held(before: &OCIRepositoryStatus, why: &str) -> Option<Happening> {
    let known = before.conditions.iter().find(|condition| condition.kind == status::HELD);
    let is_news = known.is_none_or(|known| known.message != why);
    is_news.then(|| Happening {
        severity: Severity::Error,
        reason: status::HELD_REASON.into(),
        message: why.into(),
        metadata: BTreeMap::new(),
    })
}

fn origin(artifact: &Artifact) -> String {
    let metadata = |key: &str| artifact.metadata.as_ref().and_then(|metadata| metadata.get(key));
    match (metadata(OCI_SOURCE), metadata(OCI_REVISION)) {
        (Some(source), Some(revision)) => {
            format!(", origin source '{source}', origin revision '{revision}'")
        }
        _ => String::new(),
    }
}

/// Records a happening that has no facts for tools.
fn happened(
    context: &Context,
    object: &DynamicObject,
    severity: Severity,
    (reason, message): (&str, &str),
) {
    let metadata = BTreeMap::new();
    let happening =
        Happening { severity, reason: reason.into(), message: message.into(), metadata };
    context.events.record(object, SOURCE_MANAGER, happening);
}

/// Removes what is stored of an object that is being deleted, and lets it go.
async fn finalize(
    context: &Arc<Context>,
    key: &Key,
    object: &Arc<DynamicObject>,
) -> kube::Result<Requeue> {
    let store = Arc::clone(&context.store);
    let owned = key.clone();
    let removed =
        tokio::task::spawn_blocking(move || store.remove(&owned.namespace, &owned.name)).await;
    let text = match removed {
        Ok(Ok(existed)) => {
            if existed {
                let text = "garbage collected artifacts for deleted resource";
                happened(context, object, Severity::Trace, ("GarbageCollectionSucceeded", text));
            }
            None
        }
        Ok(Err(error)) => Some(artifact::text::explain(&error)),
        Err(panicked) => Some(panicked.to_string()),
    };
    if let Some(text) = text {
        let text = format!("garbage collection for deleted resource failed: {text}");
        happened(context, object, Severity::Error, ("GarbageCollectionFailed", &text));
        return Ok(Requeue::Backoff(Duration::ZERO));
    }
    context.sources.release(object).await?;
    Ok(Requeue::OnChange)
}

/// The one place where the outcome of a reconcile is written.
struct End<'a> {
    context: &'a Arc<Context>,
    object: Arc<DynamicObject>,
    status: OCIRepositoryStatus,
    facts: &'a Facts,
}

impl End<'_> {
    /// Writes it to an object that is held; that it is gone meanwhile is fine.
    async fn write(&self, outcome: &Outcome) -> kube::Result<()> {
        let facts = Facts { now: self.context.clock.timestamp(), ..self.facts.clone() };
        let status = finished(&self.status, outcome, &facts);
        let sources = &self.context.sources;
        let written = async {
            let object = sources.hold(Arc::clone(&self.object)).await?;
            sources.write_status(&object, &status, &status::OWNED).await
        };
        match written.await {
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }

    async fn stalled(&self, reason: &str, message: String, fetch: Fetch) -> kube::Result<Requeue> {
        happened(self.context, &self.object, Severity::Error, (reason, &message));
        let reason = reason.to_owned();
        self.write(&Outcome::Stalled { reason, message, fetch }).await?;
        Ok(Requeue::OnChange)
    }
}
