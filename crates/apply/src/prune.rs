//! Deleting what left the source (kustomization.md, 10; decisions.md, W14).

use futures::{StreamExt as _, stream};
use plan::Sighting;
use plan::inventory::Entry;
use plan::prune::{Owner, Verdict, sort, verdict};
use plan::stage::rank;

use crate::cluster::{Cluster, Deleted, Only};
use crate::error::{ObjectError, Operation, Refusal};
use crate::watch::{Sight, Watches};

/// What became of the objects that left the source.
#[derive(Debug, Default)]
pub struct Pruned {
    /// One line an object, in delete order, for the event.
    pub changes: Vec<String>,
    /// What was deleted but is not gone yet: it stays in the inventory.
    pub terminating: Vec<Entry>,
    /// What could not be deleted: it stays in the inventory.
    pub failed: Vec<Entry>,
    /// Why.
    pub errors: Vec<ObjectError>,
}

/// Deletes `stale` in reverse apply order, bounded-parallel inside a rank. Every object is tried.
pub async fn prune<C: Cluster>(
    cluster: &C,
    watches: &Watches,
    mut stale: Vec<Entry>,
    owner: &Owner,
    concurrency: usize,
) -> Pruned {
    sort(&mut stale);
    let mut pruned = Pruned::default();
    for group in stale.chunk_by(|a, b| rank(&a.id.kind) == rank(&b.id.kind)) {
        let prunes: Vec<_> =
            group.iter().map(|entry| prune_one(cluster, watches, entry, owner)).collect();
        let outcomes: Vec<_> = stream::iter(prunes).buffered(concurrency).collect().await;
        for (entry, outcome) in group.iter().zip(outcomes) {
            pruned.record(entry, outcome);
        }
    }
    pruned
}

enum Outcome {
    Deleted(Deleted),
    StillTerminating,
    Skipped,
}

impl Pruned {
    fn record(&mut self, entry: &Entry, outcome: Result<Outcome, ObjectError>) {
        let subject = entry.id.subject();
        match outcome {
            Ok(Outcome::Deleted(deleted)) => {
                self.changes.push(format!("{subject} deleted"));
                if deleted == Deleted::Terminating {
                    self.terminating.push(entry.clone());
                }
            }
            Ok(Outcome::StillTerminating) => self.terminating.push(entry.clone()),
            Ok(Outcome::Skipped) => self.changes.push(format!("{subject} skipped")),
            Err(error) => {
                self.failed.push(entry.clone());
                self.errors.push(error);
            }
        }
    }
}

/// Decides by what the watch sees. An object that it does not see, or that has moved since, is read.
async fn prune_one<C: Cluster>(
    cluster: &C,
    watches: &Watches,
    entry: &Entry,
    owner: &Owner,
) -> Result<Outcome, ObjectError> {
    let fail = |operation| move |refusal| ObjectError { id: entry.id.clone(), operation, refusal };
    if let Sight::Object(seen) = watches.look(&entry.id, &entry.version).await {
        let version = Some(seen.mark.version.as_str());
        match carry_out(cluster, entry, verdict(Some(&seen), owner), version).await {
            Err(refusal) if refusal.is_code(409) => {}
            other => return other.map_err(fail(Operation::Delete)),
        }
    }
    let live = cluster.read(&entry.id, &entry.version).await.map_err(fail(Operation::Query))?;
    let seen = live.as_ref().map(Sighting::of);
    let outcome = carry_out(cluster, entry, verdict(seen.as_ref(), owner), None).await;
    outcome.map_err(fail(Operation::Delete))
}

/// Deletes an object if it is to be deleted, and still in a state if one is given.
async fn carry_out<C: Cluster>(
    cluster: &C,
    entry: &Entry,
    verdict: Verdict,
    version: Option<&str>,
) -> Result<Outcome, Refusal> {
    Ok(match verdict {
        Verdict::Gone => Outcome::Deleted(Deleted::Gone),
        Verdict::Terminating => Outcome::StillTerminating,
        Verdict::Skip => Outcome::Skipped,
        Verdict::Delete { uid } => {
            let only = Only { uid: &uid, version };
            Outcome::Deleted(cluster.delete(&entry.id, &entry.version, only).await?)
        }
    })
}
