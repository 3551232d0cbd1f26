//! Where a Kustomization's artifact comes from (kustomization.md, 3 steps 6 and 7).

use std::sync::PoisonError;
use std::time::Duration;

use api::duration::GoDuration;
use api::kustomization::SourceKind;
use api::oci_repository::{Artifact, OCIRepositoryStatus};

use super::End;
use super::request::Request;
use super::status::Outcome;
use crate::args::{Args, Half};
use crate::context::Context;
use crate::foreign::plural;
use crate::gates::DIRECT_SOURCE;
use crate::objects::part;
use crate::runtime::cache::Key;
use crate::runtime::queue::Requeue;

/// A reference to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) kind: SourceKind,
    pub(crate) key: Key,
}

impl Source {
    /// What news of it are called, as the cause of a run.
    pub(crate) fn cause(&self) -> String {
        format!("{}/{}", self.kind.name(), self.key)
    }
}

/// What flags say about sources.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Whether OCIRepositories are served by this process.
    pub served_here: bool,
    /// Whether ExternalArtifacts may be used.
    pub external: bool,
    /// Whether a source that is missing is told of as the API server does.
    pub direct: bool,
    /// How often a download of another controller's artifact is tried again.
    pub retries: u32,
    /// Host that is asked in place of the one in the address of a source controller's artifact.
    pub controller_host: Option<String>,
    /// The same for a source watcher's.
    pub watcher_host: Option<String>,
}

impl SourceSettings {
    /// From the flags.
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            served_here: args.controllers.contains(&Half::Source),
            external: args.gate("ExternalArtifact"),
            direct: args.gate(DIRECT_SOURCE),
            retries: args.kustomization.http_retry,
            controller_host: args.kustomization.source_controller_localhost.clone(),
            watcher_host: args.kustomization.source_watcher_localhost.clone(),
        }
    }
}

/// Why a run cannot begin: its source.
pub(super) enum Obstacle {
    /// It does not exist.
    Missing,
    /// It has nothing to offer yet.
    NoArtifact,
    /// It cannot be looked at.
    Hidden(String),
    /// The operator's settings forbid it.
    AccessDenied(&'static str),
}

/// The artifact that a request's source offers.
pub(super) fn find(context: &Context, key: &Key, request: &Request) -> Result<Artifact, Obstacle> {
    let Source { kind, key: source } = &request.source;
    let settings = &context.settings;
    if settings.no_cross_namespace_refs && source.namespace != key.namespace {
        return Err(Obstacle::AccessDenied("cross-namespace references have been blocked"));
    }
    if *kind == SourceKind::ExternalArtifact && !settings.sources.external {
        return Err(Obstacle::AccessDenied("ExternalArtifact feature gate is disabled"));
    }
    let object = match context.foreign.kind(*kind) {
        None => context.sources.cache.get(source),
        Some(kind) => match kind.hidden() {
            Some(why) => return Err(Obstacle::Hidden(why)),
            None => kind.cache.get(source),
        },
    };
    // What is read of a status is the same for all kinds.
    let status: Option<OCIRepositoryStatus> =
        part(&*object.ok_or(Obstacle::Missing)?, "status").ok();
    status.and_then(|status| status.artifact).ok_or(Obstacle::NoArtifact)
}

/// How long a source that is being fetched is given before it is said to offer nothing: its artifact
/// wakes who waits for it, and who fetches says nothing for so long either.
const FETCH_TIME: Duration = Duration::from_secs(2);

impl Obstacle {
    /// Whether it may be gone in a moment, and nobody need be told: our own source half is at work on
    /// the source. Each Kustomization waits for that once.
    fn may_pass(&self, end: &End<'_>, source: &Source) -> bool {
        let Context { settings, sources, patient, .. } = &**end.context;
        let is_fetched = matches!(self, Self::NoArtifact)
            && settings.sources.served_here
            && source.kind == SourceKind::OCIRepository
            && sources.queue.is_busy(&source.key);
        let key = Key::of(&end.object);
        is_fetched && patient.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    /// Reports it, and says when the run is tried again.
    pub(super) async fn report(self, end: &End<'_>, request: &Request) -> kube::Result<Requeue> {
        if self.may_pass(end, &request.source) {
            return Ok(Requeue::After(FETCH_TIME));
        }
        let Source { kind, key: source } = &request.source;
        let kind = kind.name();
        let (message, retry) = match self {
            Self::AccessDenied(why) => {
                let text = format!("can't access '{kind}/{source}', {why}");
                return end.denied("AccessDenied", text).await;
            }
            Self::Hidden(why) => {
                (format!("unable to get source '{source}': {why}"), request.retry_interval)
            }
            Self::Missing => {
                let direct = end.context.settings.sources.direct;
                let kind = if direct { plural(request.source.kind) } else { kind };
                let text = format!("{kind}.source.toolkit.fluxcd.io \"{}\" not found", source.name);
                (text, request.retry_interval)
            }
            Self::NoArtifact => {
                let retry = end.context.settings.requeue_dependency;
                let text = GoDuration::from(retry);
                (format!("Source artifact not found, retrying in {text}"), retry)
            }
        };
        end.write(&Outcome::NotStarted { reason: "ArtifactFailed", message }).await?;
        Ok(Requeue::After(retry))
    }
}
