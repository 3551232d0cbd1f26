//! Reading what a stage needs to be planned: live objects and what an apply would make of them.

use futures::{StreamExt as _, stream};
use manifest::Object;
use plan::{DryRun, Observed, Policy, markers};

use crate::cluster::Cluster;
use crate::error::{Error, ObjectError, Operation, Refusal};

/// Observes every object of a stage, `concurrency` at a time, in order.
///
/// All of them are tried, so that every invalid object is named at once (decisions.md, W15).
pub(crate) async fn observe<C: Cluster>(
    cluster: &C,
    objects: Vec<Object>,
    policy: &Policy,
    concurrency: usize,
) -> Result<Vec<(Object, Observed)>, Error> {
    let observations: Vec<_> =
        objects.into_iter().map(|object| observe_one(cluster, object, policy)).collect();
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

async fn observe_one<C: Cluster>(
    cluster: &C,
    object: Object,
    policy: &Policy,
) -> Result<(Object, Observed), ObjectError> {
    let id = object.id();
    let fail = |operation| move |refusal| ObjectError { id: id.clone(), operation, refusal };
    let object = cluster.place(object).await.map_err(fail.clone()(Operation::DryRun))?;
    let read = cluster.read(&object.id(), &object.gvk().version).await;
    let (live, forbidden) = match read {
        Ok(live) => (live, None),
        // Who may not read may not write either: the answer to the write says so in the words
        // that users know. If the write is allowed, the refused read is the failure.
        Err(refusal) if refusal.is_code(403) => (None, Some(refusal)),
        Err(refusal) => return Err(fail(Operation::Query)(refusal)),
    };
    if markers::is_excluded(&object, live.as_ref()) {
        return Ok((object, Observed { live, dry_run: DryRun::NotAsked }));
    }
    let recreates = live.as_ref().is_some_and(|live| policy.recreates(&object, live));
    let dry_run = match cluster.dry_run(&object).await {
        Ok(result) => DryRun::Gives(result),
        Err(refusal) if recreates && is_immutable(cluster, &object, &refusal).await => {
            DryRun::Immutable
        }
        Err(refusal) => return Err(fail(Operation::DryRun)(refusal)),
    };
    match forbidden {
        Some(refusal) => Err(fail(Operation::Query)(refusal)),
        None => Ok((object, Observed { live, dry_run })),
    }
}

/// Whether an apply is refused only because of fields that cannot be changed: created anew, the
/// object would be accepted (decisions.md, W2).
async fn is_immutable<C: Cluster>(cluster: &C, object: &Object, refusal: &Refusal) -> bool {
    refusal.is_code(422)
        && matches!(cluster.try_create(object).await, Err(refusal) if refusal.is_code(409))
}
