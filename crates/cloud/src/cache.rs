//! Tokens that are kept while they are good (ocirepository.md, 6, token cache).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use tokio::time::Instant;

use crate::error::Error;
use crate::who::Object;

/// No token is kept longer.
const LIFE_MAX: Duration = Duration::from_hours(1);

/// Time, so that tests own it.
pub trait Clock: Send + Sync {
    /// Monotonic time.
    fn instant(&self) -> Instant;
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tokens of each sort; none are kept when 0.
    pub tokens_max: usize,
    /// How long one is kept at most; never longer than an hour.
    pub life_max: Duration,
}

/// Counts what the cache does.
pub trait Count: Send + Sync {
    /// A token was there for an object, or was not.
    fn looked_up(&self, object: &Object, found: bool);
    /// An object got its token, or did not.
    fn answered(&self, success: bool);
    /// A token that was still good made room.
    fn evicted(&self);
    /// This many more are kept.
    fn grown(&self);
}

/// What ends at some time.
pub(crate) trait Lasting: Clone {
    fn ends(&self) -> Timestamp;
}

/// What a token was asked for with; nobody else may have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// From all that makes a difference.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, parts.join("\n").as_bytes()).as_ref());
        Self(hash)
    }
}

struct Kept<V> {
    value: V,
    /// Good until both have come: either clock may be wrong alone.
    until: (Instant, Timestamp),
    used: u64,
}

struct Tokens<V> {
    by_key: HashMap<Key, Kept<V>>,
    /// Counts uses, so that the least recent one is known.
    uses: u64,
}

/// Tokens of one sort.
pub(crate) struct Cache<V> {
    limits: Limits,
    clock: Arc<dyn Clock>,
    count: Arc<dyn Count>,
    tokens: Mutex<Tokens<V>>,
}

impl<V: Lasting> Cache<V> {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>, count: Arc<dyn Count>) -> Self {
        let tokens = Mutex::new(Tokens { by_key: HashMap::new(), uses: 0 });
        Self { limits, clock, count, tokens }
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens<V>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of a key: the one that is kept, or what `fetch` gives. A failure is not kept.
    pub(crate) async fn get(
        &self,
        key: Key,
        object: &Object,
        fetch: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Error> {
        if self.limits.tokens_max == 0 {
            return fetch.await;
        }
        let found = self.find(key);
        self.count.looked_up(object, found.is_some());
        if let Some(value) = found {
            self.count.answered(true);
            return Ok(value);
        }
        let fetched = fetch.await;
        self.count.answered(fetched.is_ok());
        let value = fetched?;
        self.keep(key, value.clone());
        Ok(value)
    }

    fn find(&self, key: Key) -> Option<V> {
        let (instant, now) = (self.clock.instant(), self.clock.now());
        let mut tokens = self.tokens();
        tokens.uses += 1;
        let uses = tokens.uses;
        let kept = tokens.by_key.get_mut(&key)?;
        if kept.until.0 <= instant || kept.until.1 <= now {
            return None;
        }
        kept.used = uses;
        Some(kept.value.clone())
    }

    /// Keeps a token for four fifths of its life, as long as kubelet does.
    fn keep(&self, key: Key, value: V) {
        let (instant, now) = (self.clock.instant(), self.clock.now());
        let life = Duration::try_from(value.ends().duration_since(now)).unwrap_or_default();
        let life = (life / 5 * 4).min(self.limits.life_max).min(LIFE_MAX);
        let wall = now.saturating_add(life).unwrap_or(now);
        let mut tokens = self.tokens();
        let kept = Kept { value, until: (instant + life, wall), used: tokens.uses };
        if tokens.by_key.insert(key, kept).is_some() {
            return;
        }
        if tokens.by_key.len() <= self.limits.tokens_max {
            self.count.grown();
            return;
        }
        let others = tokens.by_key.iter().filter(|(other, _)| **other != key);
        if let Some(oldest) = others.min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key) {
            tokens.by_key.remove(&oldest);
            self.count.evicted();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Clone)]
    struct Lasts(u32, Timestamp);

    impl Lasting for Lasts {
        fn ends(&self) -> Timestamp {
            self.1
        }
    }

    struct Hands(Instant, Mutex<Duration>);

    impl Hands {
        fn moved(&self) -> Duration {
            *self.1.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn move_by(&self, seconds: u64) {
            *self.1.lock().unwrap_or_else(PoisonError::into_inner) += Duration::from_secs(seconds);
        }
    }

    impl Clock for Hands {
        fn instant(&self) -> Instant {
            self.0 + self.moved()
        }

        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH.saturating_add(self.moved()).unwrap_or(Timestamp::MAX)
        }
    }

    #[derive(Default)]
    struct Counts([AtomicUsize; 6]);

    impl Counts {
        fn add(&self, at: usize) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }

        fn all(&self) -> [usize; 6] {
            [0, 1, 2, 3, 4, 5].map(|at| self.0[at].load(Ordering::Relaxed))
        }
    }

    impl Count for Counts {
        fn looked_up(&self, _: &Object, found: bool) {
            self.add(usize::from(!found));
        }
        fn answered(&self, success: bool) {
            self.add(2 + usize::from(!success));
        }
        fn evicted(&self) {
            self.add(4);
        }
        fn grown(&self) {
            self.add(5);
        }
    }

    struct Bench {
        clock: Arc<Hands>,
        counts: Arc<Counts>,
        cache: Cache<Lasts>,
    }

    impl Bench {
        fn new(tokens_max: usize) -> Self {
            let clock = Arc::new(Hands(Instant::now(), Mutex::default()));
            let counts = Arc::new(Counts::default());
            let limits = Limits { tokens_max, life_max: Duration::from_secs(1000) };
            let cache = Cache::new(limits, Arc::clone(&clock) as _, Arc::clone(&counts) as _);
            Self { clock, counts, cache }
        }

        /// Asks for a token that is the `nth` and lasts for so long; gives which it got.
        async fn ask(&self, key: &str, nth: u32, seconds: u64) -> Option<u32> {
            let ends = self.clock.now().saturating_add(Duration::from_secs(seconds)).ok()?;
            let fetch = async { Ok(Lasts(nth, ends)) };
            let object = Object { kind: "K", namespace: "ns".into(), name: "n".into() };
            let got = self.cache.get(Key::of(&[key]), &object, fetch).await;
            got.ok().map(|token| token.0)
        }
    }

    #[tokio::test]
    async fn tokens_are_kept_for_four_fifths_of_their_life_and_a_bounded_time() {
        let bench = Bench::new(10);
        assert_eq!(bench.ask("a", 1, 100).await, Some(1));
        bench.clock.move_by(79);
        assert_eq!(bench.ask("a", 2, 100).await, Some(1));
        bench.clock.move_by(1);
        assert_eq!(bench.ask("a", 3, 100_000).await, Some(3));
        bench.clock.move_by(999);
        assert_eq!(bench.ask("a", 4, 100).await, Some(3));
        bench.clock.move_by(1);
        assert_eq!(bench.ask("a", 5, 100).await, Some(5));
        assert_eq!(bench.counts.all(), [2, 3, 5, 0, 0, 1]);
    }

    #[tokio::test]
    async fn the_one_that_nobody_used_for_longest_makes_room() {
        let bench = Bench::new(2);
        for (key, nth) in [("a", 1), ("b", 2)] {
            assert_eq!(bench.ask(key, nth, 100).await, Some(nth));
        }
        assert_eq!(bench.ask("a", 3, 100).await, Some(1));
        assert_eq!(bench.ask("c", 4, 100).await, Some(4));
        assert_eq!(bench.ask("a", 5, 100).await, Some(1));
        assert_eq!(bench.ask("b", 6, 100).await, Some(6));
        assert_eq!(bench.counts.all(), [2, 4, 6, 0, 2, 2]);
    }

    #[tokio::test]
    async fn nothing_is_kept_or_counted_where_nothing_may_be() {
        let bench = Bench::new(0);
        assert_eq!(bench.ask("a", 1, 100).await, Some(1));
        assert_eq!(bench.ask("a", 2, 100).await, Some(2));
        assert_eq!(bench.counts.all(), [0; 6]);
    }
}
