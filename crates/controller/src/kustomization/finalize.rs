//! Cleaning up after a Kustomization that is being deleted (kustomization.md, 12).

use std::sync::Arc;

use api::kustomization::{DeletionPolicy, KustomizationSpec, KustomizationStatus};
use api::well_known::{FINALIZER, RECONCILE_REQUEST};
use apply::end::ended;
use apply::prune::Pruning;
use apply::{Identity, Reach};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::DynamicObject;

use super::detect::is_only_detecting;
use super::reach::Destination;
use super::report::{happening, record};
use super::status::{OWNED, Outcome, finished};
use super::{entries, owner, request, teardown};
use crate::context::Context;
use crate::events::Severity;
use crate::objects::{annotation, generation, part};
use crate::runtime::cache::Key;
use crate::runtime::queue::Requeue;
use crate::runtime::slots::Slot;

/// Deletes what the Kustomization owns, if it asks for that, and lets it go.
pub(super) async fn finalize(
    context: &Arc<Context>,
    key: &Key,
    object: &Arc<DynamicObject>,
    slot: &mut Slot,
) -> Requeue {
    let held = object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
    if !held {
        return Requeue::OnChange;
    }
    if let Err(retry) = delete_objects(context, key, object, slot).await {
        held_back(context, key, object).await;
        return retry;
    }
    match context.kustomizations.release(object).await {
        Ok(()) => Requeue::OnChange,
        Err(error) => {
            tracing::warn!(%error, %key, "the finalizer could not be removed, will be tried again");
            Requeue::Backoff(std::time::Duration::ZERO)
        }
    }
}

/// Notes that the deletion was seen and is not done (kustomization.md, 3, final step).
async fn held_back(context: &Context, key: &Key, object: &Arc<DynamicObject>) {
    let Ok(status) = part::<KustomizationStatus>(object, "status") else { return };
    let facts = (generation(object), annotation(object, RECONCILE_REQUEST));
    let status = finished(&status, &Outcome::Held, facts, &context.clock.timestamp());
    let written = context.kustomizations.write_status(object, &status, &OWNED).await;
    if let Err(error) = written {
        tracing::warn!(%error, %key, "the status of an object that is being deleted was not written");
    }
}

async fn delete_objects(
    context: &Arc<Context>,
    key: &Key,
    object: &Arc<DynamicObject>,
    slot: &mut Slot,
) -> Result<(), Requeue> {
    let retry = Requeue::Backoff(std::time::Duration::ZERO);
    let (spec, status): (KustomizationSpec, KustomizationStatus) =
        match (part(object, "spec"), part(object, "status")) {
            (Ok(spec), Ok(status)) => (spec, status),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, %key, "a malformed object is not finalized");
                return Err(retry);
            }
        };
    let owned = entries(&status);
    let stays = spec.suspend == Some(true) || is_only_detecting(context, object);
    if owned.is_empty() || stays || !deletes(&spec) {
        return Ok(());
    }
    if let Some(later) = teardown::wait(context, key, object, &spec) {
        return Err(later);
    }
    let destination = Destination::new(key, &spec, &context.settings.default_service_account);
    let revision = status.last_applied_revision.clone().unwrap_or_default();
    let origin = status.last_applied_origin_revision.as_deref();
    let reason = ready_reason(&status);
    let tell = |severity, message: &str| {
        record(context, object, happening(severity, &reason, message, (&revision, origin)));
    };
    match account_exists(context, &destination.identity).await {
        Ok(true) => {}
        Ok(false) => {
            let list: Vec<String> = owned.iter().map(|entry| entry.id.subject()).collect();
            tell(Severity::Error, &format!("unable to prune objects: \n{}", list.join("\n")));
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(%error, %key, "the account to prune with could not be read");
            return Err(retry);
        }
    }
    let reach = destination.open(context, key).await.map_err(|error| {
        tracing::warn!(%error, %key, "the cluster to prune could not be opened");
        retry
    })?;
    let Reach { cluster, watches } = reach;
    let pruning = Pruning {
        cluster: cluster.as_ref(),
        watches: &watches,
        owner: &owner(key),
        concurrency: context.settings.concurrent_ssa,
        told: &context.memories.leaving(key),
    };
    let pruned = pruning.prune(owned).await;
    if !pruned.errors.is_empty() {
        let error = apply::Error::Prune(pruned.errors);
        tracing::warn!(%error, %key, "objects could not be deleted, will be tried again");
        tell(Severity::Error, "pruning for deleted resource failed");
        return Err(retry);
    }
    if !pruned.changes.is_empty() {
        tell(Severity::Info, &pruned.changes.join("\n"));
    }
    if spec.deletion_policy == Some(DeletionPolicy::WaitForTermination) {
        // An unfit duration ends reconciles, not deletions: it waits as briefly as it may.
        let timeout = request::timeout(&spec).unwrap_or(request::TIMEOUT_MIN);
        let end = ended(cluster.as_ref(), &context.clock, &pruned.terminating, timeout);
        if let Err(error) = slot.park(end).await {
            tracing::error!(%error, %key, "objects did not end in time, the finalizer is removed");
            tell(Severity::Error, "failed to wait for resources termination");
        }
    }
    Ok(())
}

/// Whether the objects are deleted with their Kustomization.
fn deletes(spec: &KustomizationSpec) -> bool {
    match spec.deletion_policy.unwrap_or(DeletionPolicy::MirrorPrune) {
        DeletionPolicy::MirrorPrune => spec.prune,
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
    }
}

/// The reason of events while finalizing: that of the last outcome.
fn ready_reason(status: &KustomizationStatus) -> String {
    let ready = status.conditions.iter().find(|condition| condition.kind == api::condition::READY);
    ready.map_or_else(|| "info".into(), |condition| condition.reason.clone())
}

/// Whether the account that objects are deleted as is still there. Without it they are left: the
/// operator's own rights are no substitute for a tenant's.
async fn account_exists(context: &Context, identity: &Identity) -> kube::Result<bool> {
    let Identity::ServiceAccount { namespace, name } = identity else { return Ok(true) };
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    Ok(accounts.get_opt(name).await?.is_some())
}
