//! One run: check what is stored, resolve, pull, store. Top to bottom, one function an arrow.

use std::sync::Arc;
use std::time::Duration;

use api::oci_repository::{Artifact, OCIRepositorySpec, OCIRepositoryStatus};
use artifact::Revision;
use artifact::store::Check;
use artifact::text::explain;
use futures::join;
use kube::api::DynamicObject;
use oci::{Client, Pin};
use tokio::time::Instant;

use super::access::{Access, access, transport};
use super::content::content;
use super::failure::Failure;
use super::login::login;
use super::registries::PinQuestion;
use super::request::Request;
use super::status::{Facts, OWNED, Stored, beginning, disappeared, progressing};
use super::triggers::last_notice;
use crate::context::Context;
use crate::events::Severity;
use crate::objects::annotation;
use crate::runtime::cache::Key;
use crate::runtime::slots::Slot;

/// Everything that one run works with.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) key: &'a Key,
    pub(super) slot: &'a mut Slot,
    pub(super) spec: &'a OCIRepositorySpec,
    pub(super) request: &'a Request,
    /// The object as last written.
    pub(super) object: Arc<DynamicObject>,
    /// Its status as last written.
    pub(super) status: OCIRepositoryStatus,
    pub(super) facts: Facts,
    /// How far the run is, in the words of its condition.
    pub(super) progress: String,
    /// When it began.
    pub(super) began: Instant,
}

/// What a run found.
pub(super) enum Done {
    /// What is stored is what is asked for.
    UpToDate(Stored),
    /// It was pulled and stored.
    New(Stored),
}

/// A pull that is over in this time is not told of: its end follows at once (ocirepository.md, A13).
const SHORT: Duration = Duration::from_secs(2);

/// Runs from the registry to the stored artifact. What is stored belongs to an object that is held.
///
/// Writes to the object take their time beside what the registry and the store take: a run lasts as
/// long as the longer of them.
pub(super) async fn converge(attempt: &mut Attempt<'_>) -> Result<Done, Failure> {
    let known = attempt.status.artifact.as_ref().map(|artifact| artifact.revision.clone());
    let (sources, unheld) = (&attempt.context.sources, Arc::clone(&attempt.object));
    let (held, found) = join!(sources.hold(Arc::clone(&unheld)), find(attempt));
    let held = held.map_err(Failure::Unreported)?;
    if !Arc::ptr_eq(&held, &unheld) {
        attempt.object = held;
    }
    let (way, pin) = found?;
    let (pin, held) = attempt.guarded(known.as_deref(), pin);
    let revision = pin.revision();
    if let Some(stored) = attempt.up_to_date(&revision) {
        if !attempt.is_proven() {
            attempt.verify(&way.client, pin, way.deadline).await?;
        }
        return Ok(Done::UpToDate(Stored { held, ..stored }));
    }
    let clock = attempt.context.clock.clone();
    let announcing = announce(attempt, &pin, &revision);
    let (announced, pulled) = {
        // It has room of its own: a run is passed around.
        let mut pulling = Box::pin(async {
            let trusted = attempt.verify(&way.client, pin, way.deadline).await?;
            let stored = content(attempt, &way, &trusted, &revision).await;
            attempt.slot.leave();
            stored
        });
        if let Some(pulled) = clock.timeout(SHORT, &mut pulling).await {
            (Ok(None), pulled)
        } else {
            join!(announcing, pulling)
        }
    };
    if let Some(object) = announced.map_err(Failure::Unreported)? {
        attempt.object = object;
    }
    let (written, annotations) = pulled?;
    let artifact = Artifact {
        digest: written.digest.to_string(),
        last_update_time: attempt.context.clock.timestamp(),
        metadata: (!annotations.is_empty()).then_some(annotations),
        url: attempt.context.store.url(&written.path),
        path: written.path,
        revision: revision.to_string(),
        size: i64::try_from(written.size_bytes).ok(),
    };
    Ok(Done::New(Stored { held, ..attempt.stored(artifact) }))
}

/// What the source stands for now, and the way to it.
async fn find(attempt: &mut Attempt<'_>) -> Result<(Way, Pin), Failure> {
    check_storage(attempt).await?;
    attempt.progress = beginning(&attempt.status, &attempt.facts);
    attempt.forget_failed_proof();
    let namespace = &attempt.key.namespace;
    let found = match access(&attempt.context.client, namespace, attempt.request).await {
        Ok(found) => found,
        Err(none) => {
            if let Some(name) = &none.missing_secret {
                let text = format!("auth secret '{name}' not found");
                attempt.happened(Severity::Trace, "AuthenticationFailed", &text);
            }
            return Err(Failure::fetch("AuthenticationFailed", none.message));
        }
    };
    let deadline = attempt.context.clock.instant() + attempt.request.timeout;
    let access = login(attempt, found, deadline).await?;
    let client = attempt.client(&access)?;
    let way = Way { client, access, deadline };
    let pin = resolve(attempt, &way).await?;
    Ok((way, pin))
}

/// How a run reaches its registry, and until when.
pub(super) struct Way {
    pub(super) client: Arc<Client>,
    pub(super) access: Access,
    pub(super) deadline: Instant,
}

/// Expires old artifacts, and finds out whether the current one is still what it was
/// (ocirepository.md, 12).
async fn check_storage(attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let Some(artifact) = attempt.status.artifact.clone() else { return Ok(()) };
    let context = attempt.context;
    let (store, retention) = (Arc::clone(&context.store), context.settings.retention);
    let now = std::time::SystemTime::from(context.clock.now());
    let (path, digest) = (artifact.path, artifact.digest);
    let (expired, checked) = blocking(move || {
        let expired = store.expire(&path, retention, now);
        let check = store.check(&path, &digest)?;
        if let Check::Corrupt(_) = check {
            store.discard(&path)?;
        }
        Ok((expired, check))
    })
    .await
    .map_err(|text| Failure::storage("ArchiveOperationFailed", text))?;
    match expired {
        Ok(0) => {}
        Ok(count) => {
            let text = format!("garbage collected {count} artifacts");
            attempt.happened(Severity::Trace, "GarbageCollectionSucceeded", &text);
        }
        Err(error) => {
            tracing::warn!(key = %attempt.key, error = explain(&error), "old artifacts stay");
        }
    }
    if let Check::Corrupt(text) = &checked {
        let text = format!("failed to verify integrity of artifact: {text}");
        attempt.happened(Severity::Error, "ArtifactVerificationFailed", &text);
    }
    if checked != Check::Present {
        let status = disappeared(&attempt.status, &attempt.facts);
        attempt.write(status).await?;
    }
    Ok(())
}

/// Waits for `work` until the deadline of the run; `stage` begins the text when it is over.
pub(super) async fn within<T>(
    attempt: &Attempt<'_>,
    deadline: Instant,
    (reason, stage): (&'static str, &str),
    work: impl Future<Output = Result<T, oci::Error>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => Ok(result?),
        () = attempt.context.clock.sleep_until(deadline) => {
            Err(Failure::fetch(reason, format!("{stage}: context deadline exceeded")))
        }
    }
}

/// What the source stands for now. Sources that ask the same share an answer for a while.
async fn resolve(attempt: &Attempt<'_>, way: &Way) -> Result<Pin, Failure> {
    let Request { reference, select, .. } = attempt.request;
    let (reason, stage) = attempt.first_stage();
    let context = attempt.context;
    let (reference, select) = (reference.clone(), select.clone());
    let question = PinQuestion { reference, select, access: way.access.clone() };
    let asking = async {
        let turn = context.registries.pins.turn(&question).await;
        if let Some(pin) = turn.answer(attempt.since()) {
            return Ok(pin);
        }
        let asked = context.clock.instant();
        let pin = way.client.resolve(&question.reference, &question.select).await?;
        turn.keep(asked, pin.clone());
        Ok(pin)
    };
    within(attempt, way.deadline, (reason, &stage), asking).await
}

/// Says which revision is being fetched (ocirepository.md, 2.1); gives the object as written, if there
/// was something to say.
fn announce<'a>(
    attempt: &mut Attempt<'a>,
    pin: &Pin,
    revision: &Revision,
) -> impl Future<Output = kube::Result<Option<Arc<DynamicObject>>>> + use<'a> {
    let reference = &attempt.request.reference;
    let qualified = match &pin.tag {
        Some(tag) => format!("{reference}:{tag}"),
        None => format!("{reference}@{}", pin.digest),
    };
    let text = format!("new revision '{revision}' for '{qualified}'");
    let stored = attempt.status.artifact.as_ref();
    // The same content under other settings: nothing that consumers know is outdated.
    let is_news = stored.is_none_or(|artifact| artifact.revision != revision.as_str());
    if is_news {
        let outdated = stored.is_some().then_some(text.as_str());
        attempt.progress = format!("building artifact: {text}");
        attempt.status = progressing(&attempt.status, &attempt.facts, &attempt.progress, outdated);
    } else {
        attempt.progress = beginning(&attempt.status, &attempt.facts);
    }
    let sources = &attempt.context.sources;
    let (object, status) = (Arc::clone(&attempt.object), attempt.status.clone());
    async move {
        if !is_news {
            return Ok(None);
        }
        sources.write_status(&object, &status, &OWNED).await.map(Some)
    }
}

/// Runs `work` on a thread of its own; the text of what went wrong.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, artifact::Error> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| explain(&error)),
        Err(panicked) => Err(panicked.to_string()),
    }
}

impl Attempt<'_> {
    fn client(&self, access: &Access) -> Result<Arc<Client>, Failure> {
        let reference = &self.request.reference;
        let client = self.context.registries.client(self.context, reference.registry(), access);
        client.map_err(|error| {
            let text = transport(reference.url(), &explain(&error));
            Failure::fetch("AuthenticationFailed", text)
        })
    }

    /// The reason and the beginning of the text when the first question to the registry fails.
    pub(super) fn first_stage(&self) -> (&'static str, String) {
        let url = self.request.reference.url();
        match self.request.select {
            oci::Select::SemVer(_) => {
                ("ReadOperationFailed", format!("failed to determine the artifact tag for '{url}'"))
            }
            _ => ("OCIArtifactPullFailed", "failed to determine artifact digest".into()),
        }
    }

    /// From when on an answer that somebody else was given is new enough: what was asked for by a
    /// person, or by a change of the spec, is always asked for anew; and nothing that was known
    /// before the last notice of a push counts.
    pub(super) fn since(&self) -> Instant {
        let observed = self.status.observed_generation == Some(self.facts.generation);
        let age = if observed && !self.is_requested() {
            self.request.interval / 10
        } else {
            Duration::ZERO
        };
        let since = self.began.checked_sub(age).unwrap_or(self.began);
        last_notice(self.context, self.key).map_or(since, |noticed| since.max(noticed))
    }

    /// Where an artifact of the object is stored.
    pub(super) fn path(&self, revision: &Revision) -> Result<String, Failure> {
        let path = self.context.store.path(&self.key.namespace, &self.key.name, revision);
        path.map_err(|error| Failure::storage("ArchiveOperationFailed", explain(&error)))
    }

    /// What is stored, if it is what `revision` and the spec ask for (ocirepository.md, 8).
    pub(super) fn up_to_date(&self, revision: &Revision) -> Option<Stored> {
        let same = self.status.observed_ignore == self.spec.ignore
            && self.status.observed_layer_selector == self.spec.layer_selector;
        let artifact = self.status.artifact.clone()?;
        if !same || artifact.revision != revision.as_str() {
            return None;
        }
        let url = self.context.store.url(&artifact.path);
        Some(self.stored(Artifact { url, ..artifact }))
    }

    fn stored(&self, artifact: Artifact) -> Stored {
        Stored {
            artifact,
            url: self.context.store.latest_url(&self.key.namespace, &self.key.name),
            ignore: self.spec.ignore.clone(),
            layer_selector: self.spec.layer_selector.clone(),
            held: None,
        }
    }

    async fn write(&mut self, status: OCIRepositoryStatus) -> Result<(), Failure> {
        let sources = &self.context.sources;
        let written = sources.write_status(&self.object, &status, &OWNED).await;
        (self.object, self.status) = (written.map_err(Failure::Unreported)?, status);
        Ok(())
    }

    pub(super) fn happened(&self, severity: Severity, reason: &str, message: &str) {
        super::happened(self.context, &self.object, severity, (reason, message));
    }

    /// Whether the object was asked to reconcile and has not said yet that it did.
    pub(super) fn is_requested(&self) -> bool {
        let requested = annotation(&self.object, api::well_known::RECONCILE_REQUEST);
        requested.is_some() && requested != self.status.last_handled_reconcile_at.as_deref()
    }
}
