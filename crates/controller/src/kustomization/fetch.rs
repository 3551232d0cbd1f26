//! An artifact's files: from our own store, or from the controller that serves it
//! (kustomization.md, 5; decisions.md, other sources).

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use api::kustomization::SourceKind;
use api::oci_repository::Artifact;
use artifact::{Digest, Tree};
use kustomize::files::{FilePath, Memory};
use reqwest::{Response, StatusCode, Url};

use super::converge::{Attempt, Failure};
use super::source::SourceSettings;
use crate::context::Context;

/// The first pause before a download is tried again, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where an archive lies.
enum Archive {
    /// In our own store, at this path.
    Stored(String),
    /// In an unnamed file.
    Downloaded(File),
}

/// Reads the files of an artifact; its digest is checked on the way.
///
/// Of an artifact its address counts, also where it need not be asked: its path is the store's.
pub(super) async fn fetch(
    attempt: &mut Attempt<'_>,
    artifact: &Artifact,
) -> Result<Memory, Failure> {
    let settings = &attempt.context.settings.sources;
    let is_own = attempt.request.source.kind == SourceKind::OCIRepository;
    let digest = parse_digest(&artifact.digest)?;
    let archive = if is_own && settings.served_here {
        let path = address(&artifact.url, settings)?.path().trim_start_matches('/').to_owned();
        Archive::Stored(path)
    } else {
        Archive::Downloaded(download(attempt, &artifact.url).await?)
    };
    let context = Arc::clone(attempt.context);
    let unpacked = tokio::task::spawn_blocking(move || unpack(archive, &digest, &context)).await;
    unpacked.map_err(|panicked| failed(&panicked))?.map(files).map_err(|error| match error {
        missing if missing.is_missing() => Failure::ArtifactMissing,
        artifact::Error::Corrupt(_) => failed(&format!(
            "failed to verify archive: computed digest doesn't match provided '{}' {HINT}",
            artifact.digest
        )),
        other => {
            let text = artifact::text::explain(&other);
            failed(&format!("failed to extract archive {HINT}: {text}"))
        }
    })
}

fn unpack(
    archive: Archive,
    digest: &Digest,
    context: &Context,
) -> Result<artifact::Entries, artifact::Error> {
    let (store, limits) = (&context.store, &context.settings.limits);
    match archive {
        Archive::Stored(path) => store.entries(&path, digest, limits),
        Archive::Downloaded(file) => {
            Tree::unpack_checked(file, digest, limits, &store.spool_dir())?.entries()
        }
    }
}

const HINT: &str = "(check whether file size exceeds max download size)";

fn failed(text: &impl ToString) -> Failure {
    Failure::new("ArtifactFailed", text)
}

/// A digest as a status has it; one without an algorithm is of SHA-256.
fn parse_digest(text: &str) -> Result<Digest, Failure> {
    if text.is_empty() {
        return Err(failed(&"failed to verify archive: empty digest"));
    }
    let full = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    full.parse().map_err(|error| failed(&format!("failed to verify archive: {error}")))
}

fn files(entries: artifact::Entries) -> Memory {
    let mut files = Memory::default();
    for (path, content) in entries {
        files.insert(FilePath::root().join_clamped(&path), content);
    }
    files
}

/// Downloads an archive into an unnamed file, at most as large as an archive may be. What may pass
/// is tried again, without holding a slot.
async fn download(attempt: &mut Attempt<'_>, url: &str) -> Result<File, Failure> {
    let context = Arc::clone(attempt.context);
    let address = address(url, &context.settings.sources)?;
    let mut pause = PAUSE_MIN;
    for left in (0..=context.settings.sources.retries).rev() {
        let error = match context.http.get(address.clone()).send().await {
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
                return Err(Failure::ArtifactMissing);
            }
            Ok(answer) if answer.status().is_server_error() => status_text(url, &answer),
            Ok(answer) if answer.status() != StatusCode::OK => {
                return Err(failed(&status_text(url, &answer)));
            }
            Ok(answer) => match spooled(answer, &context).await {
                Ok(file) => return Ok(file),
                Err(Interrupted::ByUs(failure)) => return Err(failure),
                Err(Interrupted::ByThem(error)) => unreachable_text(url, &error),
            },
            Err(error) => unreachable_text(url, &error),
        };
        if left == 0 {
            return Err(failed(&error));
        }
        tracing::debug!(%error, key = %attempt.key, "the artifact will be asked for again");
        attempt.slot.park(context.clock.sleep(pause)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Err(failed(&format!("failed to download archive from {url}")))
}

fn status_text(url: &str, answer: &Response) -> String {
    format!("failed to download archive from {url} (status: {})", answer.status())
}

fn unreachable_text(url: &str, error: &reqwest::Error) -> String {
    format!("failed to download archive from {url}: {}", artifact::text::explain(error))
}

/// The address to ask, with the host that the settings put in its place.
fn address(url: &str, settings: &SourceSettings) -> Result<Url, Failure> {
    let refuse = |why: &str| failed(&format!("failed to download archive from {url}: {why}"));
    let mut address = Url::parse(url).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(address.scheme(), "http" | "https") {
        return Err(refuse("the address is neither http nor https"));
    }
    let is_watcher = url.contains("//source-watcher");
    let instead = if is_watcher { &settings.watcher_host } else { &settings.controller_host };
    if let Some(instead) = instead {
        let stand_in = Url::parse(&format!("{}://{instead}", address.scheme()))
            .map_err(|error| refuse(&error.to_string()))?;
        address.set_host(stand_in.host_str()).map_err(|error| refuse(&error.to_string()))?;
        address.set_port(stand_in.port()).map_err(|()| refuse("a port cannot stand here"))?;
    }
    Ok(address)
}

/// Who ended a download early.
enum Interrupted {
    ByUs(Failure),
    ByThem(reqwest::Error),
}

async fn spooled(mut answer: Response, context: &Context) -> Result<File, Interrupted> {
    let spool = |error: std::io::Error| {
        Interrupted::ByUs(failed(&format!("failed to store the archive: {error}")))
    };
    let mut file = tempfile::tempfile_in(context.store.spool_dir()).map_err(spool)?;
    let (mut bytes, bytes_max) = (0, context.settings.limits.compressed_bytes_max);
    while let Some(chunk) = answer.chunk().await.map_err(Interrupted::ByThem)? {
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            let limit = artifact::Error::Limit { limit: bytes_max, unit: "compressed bytes" };
            return Err(Interrupted::ByUs(failed(&limit)));
        }
        // A chunk is small, and the page cache takes it.
        file.write_all(&chunk).map_err(spool)?;
    }
    file.rewind().map_err(spool)?;
    Ok(file)
}
