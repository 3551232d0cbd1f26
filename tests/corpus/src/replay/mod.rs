//! The recordings of the reference, played again: the operator, a real API server and a registry in
//! this process go through every recorded case of an OCIRepository, and what they say and store is
//! compared with what the reference said and stored.

mod case;
mod compare;
mod images;
mod listing;
mod scripts;
mod stage;

use std::path::Path;
use std::time::Duration;

use case::Case;
use scripts::{Act, SCRIPTS};
use stage::Stage;

use crate::report::Report;

/// How long all cases may take together.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(240);

/// One row a case; `SLUICE_CORPUS_CASE` is a part of the names of those that are played.
pub(crate) fn sources(root: &Path) -> anyhow::Result<Option<Report>> {
    let folder = root.join("recorded");
    if !folder.is_dir() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    let cases = tokio::task::LocalSet::new();
    runtime.block_on(cases.run_until(async {
        let only = std::env::var("SLUICE_CORPUS_CASE").unwrap_or_default();
        let cases: Vec<_> = SCRIPTS
            .iter()
            .filter(|(name, _)| name.contains(&only))
            .map(|(name, script)| {
                let folder = folder.join(name);
                (*name, tokio::task::spawn_local(async move { play(&folder, script).await }))
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

async fn play(folder: &Path, script: &[Act]) -> anyhow::Result<Vec<String>> {
    Stage::new(Case::read(folder)?).await.play(script).await
}
