//! Waiting until objects are healthy: woken by watches, never holding more than this future.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use manifest::{Object, ObjectId};
use plan::Mark;
use plan::health::{Health, Judge, Pods, pods, turns};

use crate::cluster::Cluster;
use crate::pods::tell;
use crate::watch::{Ownership, Subscription, Watches};

/// How often objects are read whose watch is forbidden or fails (decisions.md, watches).
const POLL: Duration = Duration::from_secs(5);
/// How often a definition is read again until its kind is served.
const POLL_DEFINITION: Duration = Duration::from_millis(100);
/// An object is read at most once in this time, however often it moves.
const PAUSE: Duration = Duration::from_millis(100);
/// Objects read at once.
pub(crate) const CONCURRENCY: usize = 8;

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

/// What a failed object does to a wait (kustomization.md, 11.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailFast {
    /// It ends the wait.
    #[default]
    On,
    /// It ends the wait when all others are either failed or healthy.
    Off,
}

/// What is not healthy, and why the wait ended (kustomization.md, 11.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unhealthy {
    /// Whether something failed for good before the time was over.
    pub early: bool,
    /// The objects that are not Current, in order; those that failed if that ended the wait.
    pub objects: Vec<(ObjectId, Health)>,
    /// What keeps those that are in progress, where it is known.
    pub causes: BTreeMap<ObjectId, String>,
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.early {
            "failed early due to stalled resources: ["
        } else {
            "timeout waiting for: ["
        })?;
        for (at, (id, health)) in self.objects.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(out, "{separator}{} status: '{health}'", id.subject())?;
            let known = match health {
                Health::Unknown(cause) => Some(cause),
                _ => self.causes.get(id),
            };
            if let Some(cause) = known {
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
    /// The pods of those that are in progress, where pods decide.
    pub pods: BTreeMap<ObjectId, Pods>,
    /// When those change by themselves that do.
    pub turns: BTreeMap<ObjectId, jiff::Timestamp>,
    /// Who says how they are.
    pub judge: Arc<Judge>,
    /// What a failed one does to the wait.
    pub fail_fast: FailFast,
}

/// What was seen of an object.
struct Seen {
    state: State,
    pods: Option<Pods>,
    turns: Option<jiff::Timestamp>,
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
            let turned = self.turns.get(&target.id).is_some_and(|then| *then <= timer.now());
            let is_still = match mark {
                // Its pods may have moved, or its time has come.
                Some(_) if turned || self.judge.asks_pods(&target.id) => false,
                Some(mark) => watches.is_still(&target, mark).await,
                None => false,
            };
            if !is_still {
                moved.push(target);
            }
        }
        let reads: Vec<_> =
            moved.iter().map(|target| read(cluster, target, &self.judge, timer)).collect();
        let seen: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENCY).collect().await;
        for (id, Seen { state, pods, turns }) in seen {
            set(&mut self.pods, &id, pods);
            set(&mut self.turns, &id, turns);
            self.states.insert(id, state);
        }
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
        let has_failed = |(_, health): &(_, Health)| *health == Health::Failed;
        let early = match self.fail_fast {
            FailFast::On => objects.iter().any(has_failed),
            FailFast::Off => objects.iter().all(has_failed),
        };
        // Who has failed is the news; the others would have been waited for.
        objects.retain(|(_, health)| !early || *health == Health::Failed);
        if objects.is_empty() {
            return Ok(());
        }
        Err(Unhealthy { early, objects, causes: BTreeMap::new() })
    }
}

/// Waits until every target is Current, one has failed, or `deadline` is over.
///
/// The subscription must have been made before: what moves between a look and a subscription would
/// be missed.
pub async fn wait<C: Cluster, T: Timer>(
    cluster: &C,
    awaited: &mut Awaited,
    (watches, subscription): (&Watches, &mut Subscription),
    timer: &T,
    deadline: impl Future<Output = ()> + Send,
) -> Result<(), Unhealthy> {
    let mut deadline = std::pin::pin!(deadline);
    let mut verdict = awaited.check(cluster, watches, timer).await;
    let mut followed = HashSet::new();
    while let Err(unhealthy) = verdict {
        if unhealthy.early {
            return Err(unhealthy);
        }
        for (id, pods) in &awaited.pods {
            if followed.insert(id.clone()) {
                subscription.follow_pods(id, pods);
            }
        }
        let due = tokio::select! {
            due = next_due(awaited, subscription, timer) => due,
            // What moved in the last moment counts.
            () = &mut deadline => match awaited.check(cluster, watches, timer).await {
                Ok(()) => return Ok(()),
                Err(mut unhealthy) => {
                    unhealthy.causes = tell(cluster, awaited, &unhealthy.objects, timer).await;
                    return Err(unhealthy);
                }
            }
        };
        verdict = awaited.look(cluster, watches, timer, due).await;
    }
    Ok(())
}

fn set<T>(map: &mut BTreeMap<ObjectId, T>, id: &ObjectId, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(id.clone(), value)),
        None => drop(map.remove(id)),
    }
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
        (false, false) => awaited.turns.values().min().map(|then| {
            let left = Duration::try_from(then.duration_since(timer.now()));
            left.unwrap_or_default().max(PAUSE)
        }),
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
) -> (ObjectId, Seen) {
    let without = |health| Seen { state: State { health, mark: None }, pods: None, turns: None };
    let seen = match cluster.read(&target.id, &target.version).await {
        Ok(Some(object)) => look(cluster, &object, judge, timer).await,
        Ok(None) if target.may_vanish => without(Health::Current),
        Ok(None) => without(Health::NotFound),
        Err(refusal) => without(Health::Unknown(refusal.to_string())),
    };
    (target.id.clone(), seen)
}

/// Judges an object that is there; its pods are asked where they decide.
async fn look<C: Cluster, T: Timer>(
    cluster: &C,
    object: &Object,
    judge: &Judge,
    timer: &T,
) -> Seen {
    let (health, mark) = match judge.health(object, timer.now()) {
        // Established is not yet served: what follows would not find the kind.
        Health::Current if !cluster.serves(object).await => (Health::InProgress, None),
        health => (health, Some(Mark::of(object))),
    };
    let mut seen = Seen { state: State { health, mark }, pods: None, turns: None };
    if seen.state.health != Health::InProgress {
        return seen;
    }
    seen.turns = turns(object, timer.now());
    let found = pods::of(object).ok().flatten();
    seen.pods = found.filter(|_| judge.asks_pods(&object.id()));
    let Some(pods) = &seen.pods else { return seen };
    match cluster.pods(pods).await {
        Ok(pods) if pods::have_failed(&pods, timer.now()) => seen.state.health = Health::Failed,
        Ok(_) => {}
        Err(refusal) => seen.state.health = Health::Unknown(refusal.to_string()),
    }
    seen
}
