//! Slots: how many reconciles do work at once.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one kind (`--concurrent`).
#[derive(Clone)]
pub struct Slots(Arc<Semaphore>);

/// The right to do work. Whoever waits for the cluster gives it back meanwhile, so that a waiting
/// object never keeps another from running (kustomization.md, W3).
pub struct Slot {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// That many slots.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Waits for a free slot.
    pub async fn take(&self) -> Slot {
        let permit = Arc::clone(&self.0).acquire_owned().await.ok();
        Slot { slots: Arc::clone(&self.0), permit }
    }
}

impl Slot {
    /// Gives the slot back: what is left to do is to wait for the cluster.
    pub fn leave(&mut self) {
        self.permit = None;
    }

    /// Waits for a slot of other work, and gives this one back for it.
    pub async fn change(&mut self, to: &Slots) {
        self.permit = Arc::clone(&to.0).acquire_owned().await.ok();
        self.slots = Arc::clone(&to.0);
    }

    /// Waits for `wait` without holding the slot, then for a free slot.
    pub async fn park<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.permit = None;
        let result = wait.await;
        self.permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_changes_makes_room_behind_himself_and_parks_where_he_is() {
        let (builds, applies) = (Slots::new(1), Slots::new(1));
        let mut first = builds.take().await;
        first.change(&applies).await;
        let mut second = builds.take().await;
        assert_eq!((builds.0.available_permits(), applies.0.available_permits()), (0, 0));
        // Whoever waits for other work still holds his slot.
        let waiting = tokio::spawn(async move { second.change(&applies).await });
        tokio::task::yield_now().await;
        assert_eq!(builds.0.available_permits(), 0);
        let parked = first.park(async { waiting.await.is_ok() });
        assert!(parked.await, "a slot was free while the first waited");
        assert_eq!(builds.0.available_permits(), 1);
    }
}
