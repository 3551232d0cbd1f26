//! The recordings of the reference, played again: the operator, a real API server and a registry in
//! this process go through recorded cases, and what they say and store is
//! compared with what the reference said and stored.

mod apply_scripts;
mod case;
mod compare;
mod differences;
mod first_scripts;
mod health_scripts;
mod images;
mod kustomization_scripts;
mod listing;
mod scripts;
mod stage;
mod storage;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use apply_scripts::APPLIES;
use case::Case;
use first_scripts::FIRST;
use health_scripts::HEALTH;
use kustomization_scripts::KUSTOMIZATIONS;
use scripts::{Act, SOURCES};
use stage::Stage;
use tokio::sync::Semaphore;

use crate::report::Report;

/// How long all cases may take together.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(240);

/// How many cases are played at once.
const CONCURRENCY: usize = 8;

/// Cases of an OCIRepository, one row a case; `SLUICE_CORPUS_CASE` is a part of the names of those
/// that are played.
pub(crate) fn sources(root: &Path) -> anyhow::Result<Option<Report>> {
    replay(root, "OCIRepository", &[&SOURCES])
}

/// Cases of a Kustomization.
pub(crate) fn kustomizations(root: &Path) -> anyhow::Result<Option<Report>> {
    replay(root, "Kustomization", &[&KUSTOMIZATIONS, &FIRST, &APPLIES, &HEALTH])
}

/// A case and what happened in it.
type Script = (&'static str, &'static [Act]);

fn replay(
    root: &Path,
    kind: &'static str,
    scripts: &[&'static [Script]],
) -> anyhow::Result<Option<Report>> {
    let folder = root.join("recorded");
    if !folder.is_dir() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    let cases = tokio::task::LocalSet::new();
    runtime.block_on(cases.run_until(async {
        let only = std::env::var("SLUICE_CORPUS_CASE").unwrap_or_default();
        let places = Rc::new(Semaphore::new(CONCURRENCY));
        let cases: Vec<_> = scripts
            .iter()
            .flat_map(|scripts| *scripts)
            .filter(|(name, _)| name.contains(&only))
            .map(|(name, script)| {
                let (folder, places) = (folder.join(name), Rc::clone(&places));
                let playing = async move {
                    let _place = places.acquire().await?;
                    Stage::new(kind, Case::read(&folder)?).await.play(script).await
                };
                (*name, tokio::task::spawn_local(playing))
            })
            .collect();
        let deadline = tokio::time::Instant::now() + REPLAY_TIMEOUT;
        for (name, playing) in cases {
            let misses = match tokio::time::timeout_at(deadline, playing).await {
                Ok(Ok(Ok(misses))) => misses,
                Ok(Ok(Err(error))) => vec![format!("{error:#}")],
                Ok(Err(stopped)) => vec![stopped.to_string()],
                Err(_) => vec!["took too long".into()],
            };
            let all = (!misses.is_empty()).then(|| misses.join(&format!("\n  {name}: ")));
            report.row(all.map(|misses| format!("{name}: {misses}")));
        }
    }));
    Ok(Some(report))
}
