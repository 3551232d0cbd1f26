//! What is remembered of the objects of each Kustomization from one run to the next.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::DynamicObject;
use plan::Memory;
use tokio::time::Instant;

use crate::objects::generation;
use crate::runtime::cache::Key;

/// What is remembered, by Kustomization. A restart forgets it, and so does a change of the spec:
/// the first run after it asks for every object.
#[derive(Default)]
pub struct Memories {
    by_key: Mutex<HashMap<Key, Remembered>>,
}

/// What one Kustomization's run left for the next.
pub(super) struct Remembered {
    generation: i64,
    /// When every object was asked for, and nothing failed.
    audited: Option<Instant>,
    /// Whether the run that begins now asks for every object (decisions.md, W7).
    pub(super) is_audit: bool,
    /// What is known of its objects.
    pub(super) memory: Memory,
}

impl Memories {
    fn by_key(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a run at `now`; `interval` is how long after an audit there is another one.
    pub(super) fn begin(
        &self,
        object: &DynamicObject,
        now: Instant,
        interval: Duration,
    ) -> Remembered {
        let generation = generation(object);
        let known = self.by_key().remove(&Key::of(object));
        let known = known.filter(|known| known.generation == generation);
        let (audited, memory) =
            known.map(|known| (known.audited, known.memory)).unwrap_or_default();
        let is_audit = audited.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        Remembered { generation, audited, is_audit, memory }
    }

    /// Ends a run that began at `began`.
    pub(super) fn end(&self, key: &Key, run: Remembered, began: Instant, succeeded: bool) {
        let audited = if run.is_audit && succeeded { Some(began) } else { run.audited };
        self.by_key().insert(key.clone(), Remembered { audited, ..run });
    }

    /// The Kustomization is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.by_key().remove(key);
    }
}
