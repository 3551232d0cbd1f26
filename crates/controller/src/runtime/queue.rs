//! The work queue: what has to run, when, and never twice at once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::Clock;

/// When a key runs again after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Only when something asks for it.
    OnChange,
    /// After this time, and the run counts as a success for the backoff.
    After(Duration),
    /// After a time that doubles with every failure in a row, at least this.
    Backoff(Duration),
}

/// Bounds of the backoff.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first delay.
    pub min: Duration,
    /// No delay is longer.
    pub max: Duration,
}

impl Backoff {
    fn delay(self, failures: u32) -> Duration {
        self.min.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.max)
    }
}

/// Keys that have to run.
///
/// A key that is added while it runs, runs again afterwards; what added it is told to the run that
/// it supersedes.
pub struct Queue<K> {
    clock: Clock,
    backoff: Backoff,
    state: Mutex<State<K>>,
    changed: Notify,
    superseded: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Keys in `ready`, or added again while they run.
    dirty: HashMap<K, Demand>,
    running: HashMap<K, Running>,
    due: HashMap<K, Instant>,
    timers: BTreeSet<(Instant, K)>,
    failures: HashMap<K, u32>,
}

/// What asks for a run.
struct Demand {
    /// In the order in which they came, each once; later ones are as good as told beyond
    /// [`CAUSES_MAX`].
    causes: Vec<String>,
    /// When the first of them came.
    since: Instant,
}

/// Causes that are told apart.
const CAUSES_MAX: usize = 16;

/// A run that goes on.
#[derive(Clone, Copy)]
struct Running {
    /// How long it had waited.
    waited: Duration,
    /// When its work was over, and only its report was left.
    over: Option<Instant>,
}

impl<K: Clone + Ord + Hash> Queue<K> {
    /// An empty queue.
    pub fn new(clock: Clock, backoff: Backoff) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashMap::new(),
            running: HashMap::new(),
            due: HashMap::new(),
            timers: BTreeSet::new(),
            failures: HashMap::new(),
        };
        Self {
            clock,
            backoff,
            state: Mutex::new(state),
            changed: Notify::new(),
            superseded: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a key as soon as possible. `cause` names what asked, as `Kind/namespace/name`.
    pub fn add(&self, key: K, cause: &str) {
        let now = self.clock.instant();
        let mut state = self.state();
        state.unschedule(&key);
        let running = state.running.contains_key(&key);
        let is_new = !state.dirty.contains_key(&key);
        let demand = state.dirty.entry(key.clone());
        let demand = demand.or_insert_with(|| Demand { causes: Vec::new(), since: now });
        if demand.causes.len() < CAUSES_MAX && !demand.causes.iter().any(|known| known == cause) {
            demand.causes.push(cause.to_owned());
        }
        if is_new && !running {
            state.ready.push_back(key);
        }
        drop(state);
        self.changed.notify_one();
        if running {
            self.superseded.notify_waiters();
        }
    }

    /// Runs a key after a while, unless something asks for it before.
    pub fn add_later(&self, key: K, delay: Duration) {
        let at = self.clock.instant() + delay;
        let mut state = self.state();
        if state.dirty.contains_key(&key) || state.running.contains_key(&key) {
            return;
        }
        state.schedule(key, at);
        drop(state);
        self.changed.notify_one();
    }

    /// The next key to run. It counts as running until [`Queue::done`].
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let timer = {
                let now = self.clock.instant();
                let mut state = self.state();
                state.collect_due(now);
                if let Some(key) = state.ready.pop_front() {
                    let since = state.dirty.remove(&key).map_or(now, |demand| demand.since);
                    let waited = now.saturating_duration_since(since);
                    state.running.insert(key.clone(), Running { waited, over: None });
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return key;
                }
                state.timers.first().map(|(at, _)| *at)
            };
            match timer {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = self.clock.sleep_until(at) => {}
                },
            }
        }
    }

    /// How long a running key had waited to run.
    pub fn waited(&self, key: &K) -> Duration {
        self.state().running.get(key).map(|running| running.waited).unwrap_or_default()
    }

    /// The work of a run is over, and only its report is left: when it runs again counts from now.
    pub fn work_is_over(&self, key: &K) {
        let now = self.clock.instant();
        if let Some(running) = self.state().running.get_mut(key) {
            running.over = Some(now);
        }
    }

    /// Ends a run; a key that was added meanwhile runs again at once.
    pub fn done(&self, key: &K, requeue: Requeue) {
        let mut state = self.state();
        let over = state.running.remove(key).and_then(|running| running.over);
        let now = over.unwrap_or_else(|| self.clock.instant());
        match requeue {
            Requeue::OnChange => drop(state.failures.remove(key)),
            Requeue::After(delay) => {
                state.failures.remove(key);
                state.schedule(key.clone(), now + delay);
            }
            Requeue::Backoff(least) => {
                let failures = state.failures.get(key).copied().unwrap_or_default();
                let delay = self.backoff.delay(failures).max(least.min(self.backoff.max));
                state.failures.insert(key.clone(), failures.saturating_add(1));
                state.schedule(key.clone(), now + delay);
            }
        }
        if state.dirty.contains_key(key) {
            state.unschedule(key);
            state.ready.push_back(key.clone());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until a running key is asked for again, and says by what.
    pub async fn superseded(&self, key: &K) -> String {
        loop {
            let notified = self.superseded.notified();
            if let Some(demand) = self.state().dirty.get(key) {
                return demand.causes.first().cloned().unwrap_or_default();
            }
            notified.await;
        }
    }

    /// Takes back what a running key was asked for: it is about to look at just that.
    pub fn withdraw(&self, key: &K, cause: &str) {
        let mut state = self.state();
        let is_over = state.running.contains_key(key)
            && state.dirty.get_mut(key).is_some_and(|demand| {
                demand.causes.retain(|known| known != cause);
                demand.causes.is_empty()
            });
        if is_over {
            state.dirty.remove(key);
        }
    }

    /// Whether a key runs, or waits to run now.
    pub fn is_busy(&self, key: &K) -> bool {
        let state = self.state();
        state.running.contains_key(key) || state.dirty.contains_key(key)
    }

    /// How many keys wait to run now.
    pub fn depth(&self) -> usize {
        self.state().ready.len()
    }
}

impl<K: Clone + Ord + Hash> State<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        self.unschedule(&key);
        self.timers.insert((at, key.clone()));
        self.due.insert(key, at);
    }

    fn unschedule(&mut self, key: &K) {
        if let Some(at) = self.due.remove(key) {
            self.timers.remove(&(at, key.clone()));
        }
    }

    fn collect_due(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, key)) = self.timers.pop_first() else { return };
            self.due.remove(&key);
            // A running key has no timer: `done` sets it.
            if !self.dirty.contains_key(&key) {
                self.dirty.insert(key.clone(), Demand { causes: Vec::new(), since: at });
                self.ready.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> (Clock, Queue<&'static str>) {
        let clock = Clock::default();
        let backoff = Backoff { min: Duration::from_millis(750), max: Duration::from_secs(900) };
        (clock.clone(), Queue::new(clock, backoff))
    }

    #[tokio::test]
    async fn a_key_never_runs_twice_at_once_and_again_when_added_meanwhile() {
        let (_, queue) = queue();
        queue.add("a", "one");
        queue.add("a", "two");
        assert_eq!(queue.next().await, "a");
        assert!(queue.is_busy(&"a") && !queue.is_busy(&"b"));
        queue.add("a", "OCIRepository/ns/src");
        assert_eq!(queue.depth(), 0);
        assert_eq!(queue.superseded(&"a").await, "OCIRepository/ns/src");
        queue.done(&"a", Requeue::After(Duration::from_secs(60)));
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test]
    async fn what_is_taken_back_asks_for_nothing_and_the_first_of_the_others_is_told() {
        let (_, queue) = queue();
        queue.add("a", "");
        assert_eq!(queue.next().await, "a");
        for cause in ["source", "one", "two", "source"] {
            queue.add("a", cause);
        }
        queue.withdraw(&"a", "source");
        assert_eq!(queue.superseded(&"a").await, "one");
        queue.withdraw(&"a", "one");
        queue.withdraw(&"a", "two");
        queue.done(&"a", Requeue::OnChange);
        assert_eq!(queue.depth(), 0);
        queue.add("a", "source");
        queue.withdraw(&"a", "source");
        assert_eq!(queue.depth(), 1, "it does not run yet");
    }

    #[tokio::test]
    async fn a_timer_fires_when_the_clock_has_moved() {
        let (clock, queue) = queue();
        queue.add("a", "");
        queue.next().await;
        queue.done(&"a", Requeue::After(Duration::from_secs(3600)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test]
    async fn what_is_added_for_later_comes_later_unless_it_is_asked_for() {
        let (clock, queue) = queue();
        queue.add_later("a", Duration::from_secs(60));
        queue.add_later("b", Duration::from_secs(60));
        queue.add("b", "");
        assert_eq!(queue.next().await, "b");
        queue.add_later("b", Duration::ZERO);
        queue.done(&"b", Requeue::OnChange);
        clock.advance(Duration::from_secs(60));
        assert_eq!(queue.next().await, "a");
        assert!(queue.state().due.is_empty());
    }

    /// What is asked of a run's report, and how long that takes, does not move the next run.
    #[tokio::test]
    async fn the_time_to_the_next_run_counts_from_the_end_of_the_work() {
        let (clock, queue) = queue();
        queue.add("a", "");
        queue.next().await;
        queue.work_is_over(&"a");
        clock.advance(Duration::from_secs(3600));
        queue.done(&"a", Requeue::After(Duration::from_secs(3600)));
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test]
    async fn failures_back_off_and_a_success_forgets_them() {
        let (_, queue) = queue();
        for milliseconds in [750, 1500, 3000] {
            queue.add("a", "");
            queue.next().await;
            let before = queue.clock.instant();
            queue.done(&"a", Requeue::Backoff(Duration::ZERO));
            let due = queue.state().due["a"];
            let delay = due.duration_since(before);
            let wanted = Duration::from_millis(milliseconds);
            assert!(delay >= wanted && delay < wanted + Duration::from_millis(700), "{delay:?}");
        }
        queue.add("a", "");
        queue.next().await;
        queue.done(&"a", Requeue::OnChange);
        assert!(queue.state().failures.is_empty());
    }

    #[tokio::test]
    async fn the_backoff_is_capped_and_honours_a_lower_bound() {
        let backoff = Backoff { min: Duration::from_millis(750), max: Duration::from_secs(900) };
        assert_eq!(backoff.delay(200), Duration::from_secs(900));
        let (_, queue) = queue();
        queue.add("a", "");
        queue.next().await;
        let before = queue.clock.instant();
        queue.done(&"a", Requeue::Backoff(Duration::from_secs(120)));
        assert!(queue.state().due["a"].duration_since(before) >= Duration::from_secs(120));
    }
}
