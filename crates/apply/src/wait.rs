//! Waiting until objects are healthy: woken by watches, never holding more than this future.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use manifest::ObjectId;
use plan::Mark;
use plan::health::{Health, Judge};

use crate::cluster::Cluster;
use crate::watch::{Ownership, Subscription, Watches};

/// How often objects are read whose watch is forbidden or fails (decisions.md, watches).
const POLL: Duration = Duration::from_secs(5);
/// How often a definition is read again until its kind is served.
const POLL_DEFINITION: Duration = Duration::from_millis(100);
/// An object is read at most once in this time, however often it moves.
const PAUSE: Duration = Duration::from_millis(100);
/// Objects read at once.
const CONCURRENCY: usize = 8;

/// Time, as its owner injects it.
pub trait Timer: Send + Sync {
    /// The wall clock.
    fn now(&self) -> jiff::Timestamp;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// An object whose health is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which object.
    pub id: ObjectId,
    /// The version to read it in.
    pub version: String,
    /// Whether its absence is success: a Job that removes itself when it is done.
    pub may_vanish: bool,
    /// Which watch sees it.
    pub ownership: Ownership,
}

/// How an object was when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its health.
    pub health: Health,
    /// Which state that was; none where no object was seen.
    pub mark: Option<Mark>,
}

/// What is not healthy, and why the wait ended (kustomization.md, 11.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// Whether something failed for good before the time was over.
    pub early: bool,
    /// The objects that are not Current, in order; those that failed if that ended the wait.
    pub objects: Vec<(ObjectId, Health)>,
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.early {
            "failed early due to stalled resources: ["
        } else {
            "timeout waiting for: ["
        })?;
        // What ended the wait early is told, not what else was still on its way.
        let told = |health: &Health| !self.early || *health == Health::Failed;
        let told = self.objects.iter().filter(|(_, health)| told(health));
        for (at, (id, health)) in told.enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(out, "{separator}{} status: '{health}'", id.subject())?;
            if let Health::Unknown(cause) = health {
                write!(out, ": {cause}")?;
            }
        }
        out.write_str("]")
    }
}

/// Objects whose health is awaited, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Awaited {
    /// The objects.
    pub targets: Vec<Target>,
    /// How they were when they were last seen; who is not here has not been looked at.
    pub states: BTreeMap<ObjectId, State>,
    /// Who says how they are.
    pub judge: Arc<Judge>,
}

impl Awaited {
    /// Reads every object that is not known to be Current and may have moved since it was seen, and
    /// says what is not healthy.
    pub async fn check<C: Cluster, T: Timer>(
        &mut self,
        cluster: &C,
        watches: &Watches,
        timer: &T,
    ) -> Result<(), Unhealthy> {
        let pending =
            self.targets.iter().filter(|target| self.is_pending(target)).cloned().collect();
        self.look(cluster, watches, timer, pending).await
    }

    async fn look<C: Cluster, T: Timer>(
        &mut self,
        cluster: &C,
        watches: &Watches,
        timer: &T,
        targets: Vec<Target>,
    ) -> Result<(), Unhealthy> {
        let mut moved = Vec::new();
        for target in targets {
            let mark = self.states.get(&target.id).and_then(|state| state.mark.as_ref());
            let is_still = match mark {
                Some(mark) => watches.is_still(&target, mark).await,
                None => false,
            };
            if !is_still {
                moved.push(target);
            }
        }
        let reads: Vec<_> =
            moved.iter().map(|target| read(cluster, target, &self.judge, timer)).collect();
        let read: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENCY).collect().await;
        self.states.extend(read);
        self.verdict()
    }

    /// Who was found healthy, and in which state.
    pub fn marks(&self) -> impl Iterator<Item = (&ObjectId, &Mark)> {
        let healthy = self.states.iter().filter(|(_, state)| state.health == Health::Current);
        healthy.filter_map(|(id, state)| Some((id, state.mark.as_ref()?)))
    }

    fn is_pending(&self, target: &Target) -> bool {
        let state = self.states.get(&target.id);
        state.is_none_or(|state| state.health != Health::Current)
    }

    fn verdict(&self) -> Result<(), Unhealthy> {
        let mut objects: Vec<_> = self
            .targets
            .iter()
            .filter_map(|target| self.states.get_key_value(&target.id))
            .filter(|(_, state)| state.health != Health::Current)
            .map(|(id, state)| (id.clone(), state.health.clone()))
            .collect();
        let early = objects.iter().any(|(_, health)| *health == Health::Failed);
        // Who has failed is the news; the others would have been waited for.
        objects.retain(|(_, health)| !early || *health == Health::Failed);
        if objects.is_empty() { Ok(()) } else { Err(Unhealthy { early, objects }) }
    }
}

/// Waits until every target is Current, one has failed, or `deadline` is over.
///
/// The subscription must have been made before: what moves between a look and a subscription would
/// be missed.
pub async fn wait<C: Cluster, T: Timer>(
    cluster: &C,
    awaited: &mut Awaited,
    (watches, subscription): (&Watches, &Subscription),
    timer: &T,
    deadline: impl Future<Output = ()> + Send,
) -> Result<(), Unhealthy> {
    let mut deadline = std::pin::pin!(deadline);
    let mut verdict = awaited.check(cluster, watches, timer).await;
    while let Err(unhealthy) = verdict {
        if unhealthy.early {
            return Err(unhealthy);
        }
        let due = tokio::select! {
            due = next_due(awaited, subscription, timer) => due,
            () = &mut deadline => return Err(unhealthy),
        };
        verdict = awaited.look(cluster, watches, timer, due).await;
    }
    Ok(())
}

/// Waits until something may have changed, and says what has to be read again.
async fn next_due<T: Timer>(
    awaited: &Awaited,
    subscription: &Subscription,
    timer: &T,
) -> Vec<Target> {
    let targets = &awaited.targets;
    let pending = |target: &&Target| awaited.is_pending(target);
    let definition = targets.iter().any(|t| pending(&t) && t.id.kind == "CustomResourceDefinition");
    let poll = match (definition, subscription.must_poll()) {
        (true, _) => Some(POLL_DEFINITION),
        (false, true) => Some(POLL),
        (false, false) => None,
    };
    let polled = async {
        match poll {
            Some(interval) => timer.sleep(interval).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        woken = subscription.woken() => {
            // What else moves in this moment is read in the same round.
            timer.sleep(PAUSE).await;
            targets.iter().filter(|target| woken.contains(&target.id)).cloned().collect()
        }
        () = polled => targets.iter().filter(pending).cloned().collect(),
    }
}

async fn read<C: Cluster, T: Timer>(
    cluster: &C,
    target: &Target,
    judge: &Judge,
    timer: &T,
) -> (ObjectId, State) {
    let (health, mark) = match cluster.read(&target.id, &target.version).await {
        Ok(Some(object)) => match judge.health(&object, timer.now()) {
            // Established is not yet served: what follows would not find the kind.
            Health::Current if !cluster.serves(&object).await => (Health::InProgress, None),
            health => (health, Some(Mark::of(&object))),
        },
        Ok(None) if target.may_vanish => (Health::Current, None),
        Ok(None) => (Health::NotFound, None),
        Err(refusal) => (Health::Unknown(refusal.to_string()), None),
    };
    (target.id.clone(), State { health, mark })
}
