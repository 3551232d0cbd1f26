//! Waiting for health: what is awaited, for how long, and what ends the wait.

use std::sync::Arc;
use std::time::Duration;

use apply::Reach;
use apply::wait::{Awaited, Target, Unhealthy, wait};
use apply::watch::Subscription;

use super::converge::{Applied, Attempt, Failure};
use super::request::Checks;
use super::status::{HEALTH_CHECK_FAILED, Phase, seconds};

/// How long the next stage waits for an awaited one (kustomization.md, 9.2).
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A wait that is over in this time is not told of: the report of its end follows at once.
const SHORT: Duration = Duration::from_secs(3);

/// A wait for what was applied.
struct Wait<'a> {
    reach: &'a Reach,
    awaited: &'a mut Awaited,
    subscription: &'a mut Subscription,
    began: tokio::time::Instant,
}

/// Awaits the health of what the request names; gives how long that took.
pub(super) async fn await_health(
    attempt: &mut Attempt<'_>,
    reach: &Reach,
    applied: Applied,
) -> Result<Option<Duration>, Failure> {
    let itself = |target: &Target| {
        target.id.kind == "Kustomization"
            && target.id.group == "kustomize.toolkit.fluxcd.io"
            && target.id.namespace == attempt.key.namespace
            && target.id.name == attempt.key.name
    };
    let mut awaited = match &attempt.request.checks {
        Checks::None => return Ok(None),
        Checks::Applied => applied.awaited,
        Checks::Named(targets) => {
            let judge = Arc::clone(&attempt.request.judge);
            Awaited { targets: targets.clone(), judge, ..Awaited::default() }
        }
    };
    awaited.targets.retain(|target| !itself(target));
    awaited.fail_fast = attempt.context.settings.fail_fast;
    let clock = attempt.context.clock.clone();
    let began = clock.instant();
    let was_healthy = attempt.status.conditions.iter().any(|condition| {
        condition.kind == "Healthy" && condition.status == api::condition::ConditionStatus::True
    });
    if awaited.check(reach.cluster.as_ref(), &reach.watches, &clock).await.is_err() {
        attempt.run.phase = Phase::Checking;
        let mut subscription = reach.watches.subscribe(&awaited.targets).await;
        let mut wait =
            Wait { reach, awaited: &mut awaited, subscription: &mut subscription, began };
        if !attempt.await_applied(&mut wait, Some(SHORT)).await? {
            attempt.progress().await?;
            attempt.await_applied(&mut wait, None).await?;
        }
    }
    attempt.remembered.memory.found_healthy(awaited.marks());
    let took = clock.instant() - began;
    let new_revision =
        attempt.status.last_applied_revision.as_deref() != Some(&attempt.run.revision);
    if !was_healthy || (new_revision && !applied.changes.is_empty()) {
        attempt.happened(&format!("Health check passed in {}", seconds(took)));
    }
    Ok(Some(took))
}

impl Attempt<'_> {
    /// Waits for an awaited stage, without holding the slot.
    pub(super) async fn await_stage(
        &mut self,
        reach: &Reach,
        mut awaited: Awaited,
    ) -> Result<(), Unhealthy> {
        let clock = self.context.clock.clone();
        if awaited.check(reach.cluster.as_ref(), &reach.watches, &clock).await.is_ok() {
            return Ok(());
        }
        let mut subscription = reach.watches.subscribe(&awaited.targets).await;
        let deadline = clock.sleep(STAGE_TIMEOUT);
        let (cluster, seen) = (reach.cluster.as_ref(), (reach.watches.as_ref(), &mut subscription));
        self.slot.park(wait(cluster, &mut awaited, seen, &clock, deadline)).await
    }

    /// Waits for health without holding the slot, for as long as the request says, and says whether it
    /// came: at most `short`, if that is given. Whatever asks for this object meanwhile ends the wait
    /// (W3).
    async fn await_applied(
        &mut self,
        waiting: &mut Wait<'_>,
        short: Option<Duration>,
    ) -> Result<bool, Failure> {
        let clock = self.context.clock.clone();
        let deadline = clock.sleep_until(waiting.began + self.request.timeout);
        let queue = &self.context.kustomizations.queue;
        let Wait { reach, awaited, subscription, .. } = waiting;
        let (cluster, seen) =
            (reach.cluster.as_ref(), (reach.watches.as_ref(), &mut **subscription));
        let over = async {
            match short {
                Some(short) => clock.sleep(short).await,
                None => std::future::pending().await,
            }
        };
        let waited = self.slot.park(async {
            tokio::select! {
                result = wait(cluster, awaited, seen, &clock, deadline) => Ok(Some(result)),
                cause = queue.superseded(self.key) => Err(cause),
                () = over => Ok(None),
            }
        });
        let unhealthy = match waited.await {
            Ok(None) => return Ok(false),
            Ok(Some(Ok(()))) => return Ok(true),
            Ok(Some(Err(unhealthy))) => unhealthy,
            Err(cause) => return Err(Failure::Canceled { cause }),
        };
        let took = seconds(clock.instant() - waiting.began);
        Err(Failure::Failed {
            reason: HEALTH_CHECK_FAILED,
            message: format!("health check failed after {took}: {unhealthy}"),
            unhealthy: Some(unhealthy.to_string()),
        })
    }
}
