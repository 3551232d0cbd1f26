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

    /// Waits for `wait` without holding the slot, then for a free slot.
    pub async fn park<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.permit = None;
        let result = wait.await;
        self.permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        result
    }
}
