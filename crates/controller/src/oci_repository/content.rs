//! What a pin stands for, pulled and stored; once for all that ask for the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact::store::Stored as StoredFile;
use artifact::text::explain;
use artifact::{Digest, Ignore, Limits, Revision, Store, Tree};
use oci::Client;
use oci::image::{Blob, Operation};
use oci::verify::Trusted;
use tokio::time::Instant;

use super::converge::{Attempt, Way, blocking, within};
use super::failure::Failure;
use super::registries::{Content, ContentQuestion};
use super::request::Request;
use crate::events::Severity;

/// Stores what a trusted pin stands for. Where somebody who asks for the same has just stored it, it is
/// linked to.
pub(super) async fn content(
    attempt: &Attempt<'_>,
    way: &Way,
    trusted: &Trusted,
    revision: &Revision,
) -> Result<(StoredFile, BTreeMap<String, String>), Failure> {
    let Request { reference, layer, ignore, .. } = attempt.request;
    let context = attempt.context;
    let question = ContentQuestion {
        reference: reference.clone(),
        digest: trusted.pin().digest.clone(),
        layer: layer.clone(),
        ignore: ignore.clone(),
        access: way.access.clone(),
    };
    let text = format!("failed to pull artifact from '{}'", reference.url());
    let stage = ("OCIArtifactPullFailed", text.as_str());
    let waiting = async { Ok(context.registries.contents.turn(&question).await) };
    let turn = within(attempt, way.deadline, stage, waiting).await?;
    if let Some(Content { digest, annotations }) = turn.answer(attempt.since())
        && let Some(stored) = adopt(attempt, digest, revision).await?
    {
        return Ok((stored, annotations));
    }
    let asked = context.clock.instant();
    let (blob, operation, annotations) = pull(attempt, &way.client, trusted, way.deadline).await?;
    let stored = store(attempt, blob, operation, revision).await?;
    turn.keep(asked, Content { digest: stored.digest.clone(), annotations: annotations.clone() });
    Ok((stored, annotations))
}

/// Links to what is stored already, if it still is.
async fn adopt(
    attempt: &Attempt<'_>,
    digest: Digest,
    revision: &Revision,
) -> Result<Option<StoredFile>, Failure> {
    let failed = |text| Failure::storage("ArchiveOperationFailed", text);
    let store = Arc::clone(&attempt.context.store);
    let path = attempt.path(revision)?;
    let adopted = blocking(move || {
        let stored = store.adopt(&path, &digest)?;
        if stored.is_some() {
            store.point_latest(&path)?;
        }
        Ok(stored)
    });
    adopted.await.map_err(failed)
}

type Pulled = (Blob, Operation, BTreeMap<String, String>);

async fn pull(
    attempt: &Attempt<'_>,
    client: &Client,
    trusted: &Trusted,
    deadline: Instant,
) -> Result<Pulled, Failure> {
    let Request { reference, layer, .. } = attempt.request;
    let text = format!("failed to pull artifact from '{}'", reference.url());
    let stage = ("OCIArtifactPullFailed", text.as_str());
    let image = within(attempt, deadline, stage, client.pull(reference, trusted)).await?;
    let layer = image.layer(layer)?;
    let text = match layer.operation {
        Operation::Extract => "failed to extract layer contents from artifact",
        Operation::Copy => "failed to copy layer from artifact",
    };
    let stage = ("OCIArtifactLayerOperationFailed", text);
    let blob = within(attempt, deadline, stage, client.fetch_layer(reference, &layer)).await?;
    Ok((blob, layer.operation, image.annotations))
}

/// A step of storing that failed.
enum NotStored {
    Layer(artifact::Error),
    Store(artifact::Error),
}

impl From<artifact::Error> for NotStored {
    fn from(error: artifact::Error) -> Self {
        Self::Store(error)
    }
}

/// Stores the layer on a thread of its own: unpacking computes and may take long.
async fn store(
    attempt: &Attempt<'_>,
    blob: Blob,
    operation: Operation,
    revision: &Revision,
) -> Result<StoredFile, Failure> {
    let store = Arc::clone(&attempt.context.store);
    let limits = attempt.context.settings.limits;
    let ignore = attempt.request.ignore.clone();
    let path = attempt.path(revision)?;
    let work = move || {
        let written = match operation {
            Operation::Extract => extract(&store, &path, blob, &limits, ignore.as_deref())?,
            Operation::Copy => store.write(&path, |out| {
                let copied = std::io::copy(&mut blob.into_reader(), out);
                copied.map(drop).map_err(|error| NotStored::Store(artifact::Error::Pack(error)))
            })?,
        };
        Ok((written, store.point_latest(&path)))
    };
    let result: Result<Result<_, NotStored>, _> = tokio::task::spawn_blocking(work).await;
    let archived = match operation {
        Operation::Extract => "unable to archive artifact to storage",
        Operation::Copy => "unable to copy artifact to storage",
    };
    match result {
        Ok(Ok((written, linked))) => {
            if let Err(error) = linked {
                let text = format!("failed to update status URL symlink: {}", explain(&error));
                attempt.happened(Severity::Trace, "SymlinkUpdateFailed", &text);
            }
            Ok(written)
        }
        Ok(Err(NotStored::Layer(error))) => Err(Failure::fetch(
            "OCIArtifactLayerOperationFailed",
            format!("failed to extract layer contents from artifact: {}", explain(&error)),
        )),
        Ok(Err(NotStored::Store(error))) => {
            let text = format!("{archived}: {}", explain(&error));
            Err(Failure::storage("ArchiveOperationFailed", text))
        }
        Err(panicked) => {
            Err(Failure::storage("ArchiveOperationFailed", format!("{archived}: {panicked}")))
        }
    }
}

fn extract(
    store: &Store,
    path: &str,
    blob: Blob,
    limits: &Limits,
    ignore: Option<&str>,
) -> Result<StoredFile, NotStored> {
    let tree =
        Tree::unpack(blob.into_reader(), limits, &store.spool_dir()).map_err(NotStored::Layer)?;
    let ignore = Ignore::new(&tree, ignore)?;
    store.write(path, |out| tree.pack(&ignore, out).map_err(NotStored::Store))
}
