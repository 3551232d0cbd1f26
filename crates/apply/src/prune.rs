//! Deleting what left the source (kustomization.md, 10; decisions.md, W14).

use std::collections::HashSet;

use futures::{StreamExt as _, stream};
use manifest::ObjectId;
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

/// How what left the source is deleted.
pub struct Pruning<'a, C> {
    /// Where.
    pub cluster: &'a C,
    /// What is seen of it.
    pub watches: &'a Watches,
    /// Whose objects may be deleted.
    pub owner: &'a Owner,
    /// Objects deleted at once.
    pub concurrency: usize,
    /// Objects of whose deletion was told: their end is no news.
    pub told: &'a HashSet<ObjectId>,
}

enum Outcome {
    Deleted(Deleted),
    /// It was not there any more.
    Gone,
    StillTerminating,
    Skipped,
}

impl<C: Cluster> Pruning<'_, C> {
    /// Deletes `stale` in reverse apply order, bounded-parallel inside a rank. Every object is tried.
    pub async fn prune(&self, mut stale: Vec<Entry>) -> Pruned {
        sort(&mut stale);
        let mut pruned = Pruned::default();
        for group in stale.chunk_by(|a, b| rank(&a.id.kind) == rank(&b.id.kind)) {
            let prunes: Vec<_> = group.iter().map(|entry| self.prune_one(entry)).collect();
            let outcomes: Vec<_> = stream::iter(prunes).buffered(self.concurrency).collect().await;
            for (entry, outcome) in group.iter().zip(outcomes) {
                pruned.record(entry, outcome, self.told);
            }
        }
        pruned
    }

    /// Decides by what the watch sees. An object that it does not see, or that has moved since, is
    /// read.
    async fn prune_one(&self, entry: &Entry) -> Result<Outcome, ObjectError> {
        let fail =
            |operation| move |refusal| ObjectError { id: entry.id.clone(), operation, refusal };
        if let Sight::Object(seen) = self.watches.look(&entry.id, &entry.version).await {
            let version = Some(seen.mark.version.as_str());
            match self.carry_out(entry, verdict(Some(&seen), self.owner), version).await {
                Err(refusal) if refusal.is_code(409) => {}
                other => return other.map_err(fail(Operation::Delete)),
            }
        }
        let read = self.cluster.read(&entry.id, &entry.version).await;
        let live = read.map_err(fail(Operation::Query))?;
        let seen = live.as_ref().map(Sighting::of);
        let outcome = self.carry_out(entry, verdict(seen.as_ref(), self.owner), None).await;
        outcome.map_err(fail(Operation::Delete))
    }

    /// Deletes an object if it is to be deleted, and still in a state if one is given.
    async fn carry_out(
        &self,
        entry: &Entry,
        verdict: Verdict,
        version: Option<&str>,
    ) -> Result<Outcome, Refusal> {
        Ok(match verdict {
            Verdict::Gone => Outcome::Gone,
            Verdict::Terminating => Outcome::StillTerminating,
            Verdict::Skip => Outcome::Skipped,
            Verdict::Delete { uid } => {
                let only = Only { uid: &uid, version };
                Outcome::Deleted(self.cluster.delete(&entry.id, &entry.version, only).await?)
            }
        })
    }
}

impl Pruned {
    fn record(
        &mut self,
        entry: &Entry,
        outcome: Result<Outcome, ObjectError>,
        told: &HashSet<ObjectId>,
    ) {
        let subject = entry.id.subject();
        match outcome {
            Ok(Outcome::Gone) if told.contains(&entry.id) => {}
            Ok(Outcome::Gone | Outcome::Deleted(Deleted::Gone)) => {
                self.changes.push(format!("{subject} deleted"));
            }
            Ok(Outcome::Deleted(Deleted::Terminating)) => {
                self.changes.push(format!("{subject} deleted"));
                self.terminating.push(entry.clone());
            }
            Ok(Outcome::StillTerminating) => self.terminating.push(entry.clone()),
            Ok(Outcome::Skipped) => self.changes.push(format!("{subject} skipped")),
            Err(error) => {
                self.failed.push(entry.clone());
                self.errors.push(error);
            }
        }
    }

    /// The objects that are not gone yet, of whose deletion need not be told again.
    pub fn leaving(&self) -> HashSet<ObjectId> {
        self.terminating.iter().map(|entry| entry.id.clone()).collect()
    }
}
