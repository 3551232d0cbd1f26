//! Deleting what left the source (kustomization.md, 10; decisions.md, W14).

use futures::{StreamExt as _, stream};
use plan::inventory::Entry;
use plan::prune::{Owner, Verdict, sort, verdict};
use plan::stage::rank;

use crate::cluster::{Cluster, Deleted};
use crate::error::{ObjectError, Operation};

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
    mut stale: Vec<Entry>,
    owner: &Owner,
    concurrency: usize,
) -> Pruned {
    sort(&mut stale);
    let mut pruned = Pruned::default();
    for group in stale.chunk_by(|a, b| rank(&a.id.kind) == rank(&b.id.kind)) {
        let prunes: Vec<_> = group.iter().map(|entry| prune_one(cluster, entry, owner)).collect();
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

async fn prune_one<C: Cluster>(
    cluster: &C,
    entry: &Entry,
    owner: &Owner,
) -> Result<Outcome, ObjectError> {
    let fail = |operation| move |refusal| ObjectError { id: entry.id.clone(), operation, refusal };
    let live = cluster.read(&entry.id, &entry.version).await.map_err(fail(Operation::Query))?;
    Ok(match verdict(live.as_ref(), owner) {
        Verdict::Gone => Outcome::Deleted(Deleted::Gone),
        Verdict::Terminating => Outcome::StillTerminating,
        Verdict::Skip => Outcome::Skipped,
        Verdict::Delete { uid } => Outcome::Deleted(
            cluster
                .delete(&entry.id, &entry.version, &uid)
                .await
                .map_err(fail(Operation::Delete))?,
        ),
    })
}
