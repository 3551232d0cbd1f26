//! Asking what a stage needs to be planned: what an apply would make of its objects, and live
//! objects where that is not known.

use futures::{StreamExt as _, stream};
use manifest::Object;
use plan::{DryRun, Observed, Policy, Recall, markers};

use crate::cluster::Cluster;
use crate::error::{Error, ObjectError, Operation, Refusal};
use crate::knowledge::Knowledge;

/// What the cluster makes of one object: the object as it will be sent, and what is there.
pub(crate) type Observation = (Object, Observed);

/// Observes every object of a stage, `concurrency` at a time, in order.
///
/// All of them are tried, so that every invalid object is named at once (decisions.md, W15).
pub(crate) async fn observe<C: Cluster>(
    cluster: &C,
    objects: Vec<Object>,
    policy: &Policy,
    knowledge: &Knowledge<'_>,
    concurrency: usize,
) -> Result<Vec<Observation>, Error> {
    let observer = Observer { cluster, policy, knowledge };
    let observations: Vec<_> = objects.into_iter().map(|object| observer.observe(object)).collect();
    let results: Vec<_> = stream::iter(observations).buffered(concurrency).collect().await;
    let mut observed = Vec::with_capacity(results.len());
    let mut refused = Vec::new();
    for result in results {
        match result {
            Ok(pair) => observed.push(pair),
            Err(error) => refused.push(error),
        }
    }
    if refused.is_empty() { Ok(observed) } else { Err(Error::Objects(refused)) }
}

struct Observer<'a, C> {
    cluster: &'a C,
    policy: &'a Policy,
    knowledge: &'a Knowledge<'a>,
}

impl<C: Cluster> Observer<'_, C> {
    async fn observe(&self, object: Object) -> Result<Observation, ObjectError> {
        let id = object.id();
        let fail = |operation| move |refusal| ObjectError { id, operation, refusal };
        let object = match self.cluster.place(object).await {
            Ok(object) => object,
            Err(refusal) => return Err(fail(Operation::DryRun)(refusal)),
        };
        match self.ask(&object).await {
            Ok(observed) => Ok((object, observed)),
            Err((operation, refusal)) => Err(fail(operation)(refusal)),
        }
    }

    async fn ask(&self, object: &Object) -> Result<Observed, (Operation, Refusal)> {
        if markers::is_excluded(object, None) {
            return Ok(Observed::Excluded(None));
        }
        let recall = self.knowledge.recall(object, self.policy).await;
        match recall {
            Recall::Settled => return Ok(Observed::Settled),
            Recall::Excluded => return Ok(Observed::Excluded(None)),
            Recall::Content(_) | Recall::Nothing => {}
        }
        let dry_run = self.cluster.dry_run(object).await;
        match (&dry_run, recall) {
            // What would be created has no version yet.
            (Ok(made), _) if made.at(&["metadata", "resourceVersion"]).is_none() => {
                Ok(Observed::Absent)
            }
            (Ok(made), Recall::Content(content)) if content.is_in(made) => Ok(Observed::Settled),
            (Ok(_), Recall::Content(_)) => Ok(Observed::Differs),
            _ => self.compare(object, dry_run).await,
        }
    }

    /// Compares an object that is there, or may be, with what an apply would make of it.
    async fn compare(
        &self,
        object: &Object,
        dry_run: Result<Object, Refusal>,
    ) -> Result<Observed, (Operation, Refusal)> {
        let read = self.cluster.read(&object.id(), &object.gvk().version).await;
        let live = match (read, &dry_run) {
            (Ok(live), _) => live,
            // Who may not read may not write either: the answer to the write says so in the words
            // that users know.
            (Err(refusal), Err(_)) if refusal.is_code(403) => None,
            (Err(refusal), _) => return Err((Operation::Query, refusal)),
        };
        if markers::is_excluded(object, live.as_ref()) {
            return Ok(Observed::Excluded(live));
        }
        let dry_run = match (dry_run, &live) {
            (Ok(made), _) => DryRun::Gives(made),
            (Err(refusal), Some(live))
                if self.policy.recreates(object, live)
                    && self.is_immutable(object, &refusal).await =>
            {
                DryRun::Immutable
            }
            (Err(refusal), _) => return Err((Operation::DryRun, refusal)),
        };
        // It ended between the two: the next run sees it, and so does the apply of this one.
        Ok(live.map_or(Observed::Absent, |live| Observed::Present { live, dry_run }))
    }

    /// Whether an apply is refused only because of fields that cannot be changed: created anew, the
    /// object would be accepted (decisions.md, W2).
    async fn is_immutable(&self, object: &Object, refusal: &Refusal) -> bool {
        refusal.is_code(422)
            && matches!(self.cluster.try_create(object).await, Err(refusal) if refusal.is_code(409))
    }
}
