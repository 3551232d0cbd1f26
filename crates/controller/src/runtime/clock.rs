//! Time, injected once: everything that waits, waits on this.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The one clock of a process.
///
/// It runs with real time, plus what a test has moved it forward by; a test that waits for an hour
/// moves it by an hour.
#[derive(Clone, Debug)]
pub struct Clock {
    moved: Arc<watch::Sender<Duration>>,
    turned: Arc<Mutex<SignedDuration>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { moved: Arc::new(watch::Sender::new(Duration::ZERO)), turned: Arc::default() }
    }
}

impl Clock {
    /// Moves time forward; everyone whose waiting is over by then wakes.
    pub fn advance(&self, duration: Duration) {
        self.moved.send_modify(|moved| *moved += duration);
    }

    /// Sets the wall clock forward or back by so many seconds, as somebody may set a machine's: nobody
    /// who waits is moved by it.
    pub fn turn(&self, seconds: i64) {
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        *turned = turned.saturating_add(SignedDuration::from_secs(seconds));
    }

    /// Monotonic time, for deadlines: steps of the wall clock do not move it.
    pub fn instant(&self) -> Instant {
        Instant::now() + *self.moved.borrow()
    }

    /// Wall-clock time, for what people read.
    pub fn now(&self) -> jiff::Timestamp {
        let turned = *self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = jiff::Timestamp::now().saturating_add(*self.moved.borrow());
        now.and_then(|now| now.saturating_add(turned)).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Wall-clock time as status fields have it: RFC 3339 in whole seconds.
    pub fn timestamp(&self) -> String {
        rfc3339(self.now())
    }

    /// Waits until a moment.
    pub async fn sleep_until(&self, deadline: Instant) {
        let mut moved = self.moved.subscribe();
        loop {
            let left = deadline.saturating_duration_since(self.instant());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.instant() + duration).await;
    }

    /// Runs `work` for at most `limit`; `None` when that was not enough.
    pub async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.sleep(limit) => None,
        }
    }
}

impl apply::wait::Timer for Clock {
    fn now(&self) -> jiff::Timestamp {
        Self::now(self)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move { clock.sleep(duration).await })
    }
}

impl oci::transport::Clock for Clock {
    fn now(&self) -> Instant {
        self.instant()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        apply::wait::Timer::sleep(self, wait)
    }
}

/// A wait of a server's.
struct Wait(Mutex<BoxFuture<'static, ()>>);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let wait = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        wait.as_mut().poll(context)
    }
}

impl hyper::rt::Sleep for Wait {}

impl hyper::rt::Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Wait(Mutex::new(apply::wait::Timer::sleep(self, duration))))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let left = deadline.saturating_duration_since(hyper::rt::Timer::now(self));
        hyper::rt::Timer::sleep(self, left)
    }

    fn now(&self) -> std::time::Instant {
        self.instant().into_std()
    }
}

/// A time as status fields have it: RFC 3339 in whole seconds.
pub(crate) fn rfc3339(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
