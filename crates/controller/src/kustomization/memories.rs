//! What is remembered of the objects of each Kustomization from one run to the next.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apply::watch::News;
use kube::api::DynamicObject;
use manifest::ObjectId;
use plan::{Mark, Memory};
use tokio::time::Instant;

use crate::objects::generation;
use crate::runtime::cache::Key;

/// A watch may tell of a change after a run that began later: for so long after a run, what moves may
/// have moved before it.
const LATE: Duration = Duration::from_secs(5);

/// What is remembered, by Kustomization. A restart forgets it, and so does a change of the spec:
/// the first run after it asks for every object.
#[derive(Default)]
pub struct Memories {
    by_key: Mutex<HashMap<Key, Entry>>,
}

enum Entry {
    /// A run is under way; what has moved meanwhile.
    Running(HashMap<ObjectId, Option<Mark>>),
    /// The last run ended then.
    Resting(Remembered, Instant),
}

/// What one Kustomization's run left for the next.
#[derive(Default)]
pub(super) struct Remembered {
    generation: i64,
    /// When every object was asked for, and nothing failed.
    audited: Option<Instant>,
    /// Whether the run that begins now asks for every object (decisions.md, W7).
    pub(super) is_audit: bool,
    /// Whether the run wrote to an object.
    pub(super) wrote: bool,
    /// Objects that were deleted and told of, and are not gone yet.
    pub(super) leaving: HashSet<ObjectId>,
    /// What is known of its objects.
    pub(super) memory: Memory,
}

impl Remembered {
    /// Whether a change of an object escaped a run: it took the object as settled. A run that wrote
    /// may be what others answer to, and is not repeated for that.
    fn has_missed(&self, id: &ObjectId, now: Option<&Mark>) -> bool {
        !self.wrote && !self.is_audit && self.memory.has_moved(id, now)
    }
}

impl Memories {
    fn by_key(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
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
        let known = match self.by_key().insert(Key::of(object), Entry::Running(HashMap::new())) {
            Some(Entry::Resting(known, _)) => known,
            _ => Remembered::default(),
        };
        // A new spec changes what is asked for, not what is on its way out.
        let leaving = known.leaving;
        let (audited, memory) = if known.generation == generation {
            (known.audited, known.memory)
        } else {
            (None, Memory::default())
        };
        let is_audit = audited.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        Remembered { generation, audited, is_audit, wrote: false, leaving, memory }
    }

    /// Ends a run that began at `began`; says whether something moved that it has not seen.
    pub(super) fn end(
        &self,
        key: &Key,
        run: Remembered,
        (began, now): (Instant, Instant),
        succeeded: bool,
    ) -> bool {
        let audited = if run.is_audit && succeeded { Some(began) } else { run.audited };
        let mut by_key = self.by_key();
        let missed = match by_key.remove(key) {
            Some(Entry::Running(moved)) => {
                moved.iter().any(|(id, mark)| run.has_missed(id, mark.as_ref()))
            }
            _ => false,
        };
        by_key.insert(key.clone(), Entry::Resting(Remembered { audited, ..run }, now));
        missed
    }

    /// Takes in that an object moved; says whether that escaped a run that has just ended.
    pub(crate) fn moved(&self, key: &Key, news: News, now: Instant) -> bool {
        match self.by_key().get_mut(key) {
            Some(Entry::Running(moved)) => {
                moved.insert(news.id, news.mark);
                false
            }
            Some(Entry::Resting(run, ended)) => {
                let is_late = now.saturating_duration_since(*ended) < LATE;
                is_late && run.has_missed(&news.id, news.mark.as_ref())
            }
            None => false,
        }
    }

    /// Objects of a Kustomization that were deleted and told of, and were not gone yet.
    pub(super) fn leaving(&self, key: &Key) -> HashSet<ObjectId> {
        match self.by_key().get(key) {
            Some(Entry::Resting(run, _)) => run.leaving.clone(),
            _ => HashSet::new(),
        }
    }

    /// The Kustomization is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.by_key().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ApiResource, DynamicObject};
    use manifest::Object;
    use plan::prune::Owner;
    use plan::{Known, Policy};
    use serde_json::json;

    use super::*;

    fn config(version: &str) -> Object {
        let metadata =
            json!({"name": "c", "namespace": "ns", "uid": "u", "resourceVersion": version});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        Object::try_from(object).unwrap_or_else(|_| unreachable!("it is an object"))
    }

    fn news(version: &str) -> News {
        let owner = Owner { name: "k".into(), namespace: "ns".into() };
        News { owner, id: config("1").id(), mark: Some(Mark::of(&config(version))) }
    }

    struct Runs {
        memories: Memories,
        object: DynamicObject,
        now: Instant,
    }

    impl Runs {
        fn new() -> Self {
            let resource = ApiResource::erase::<api::Kustomization>(&());
            let object = DynamicObject::new("k", &resource).within("ns");
            Self { memories: Memories::default(), object, now: Instant::now() }
        }

        fn key(&self) -> Key {
            Key::of(&self.object)
        }

        fn begin(&self) -> Remembered {
            self.memories.begin(&self.object, self.now, Duration::from_secs(3600))
        }

        fn end(&self, run: Remembered) -> bool {
            self.memories.end(&self.key(), run, (self.now, self.now), true)
        }

        /// An audit has seen the object in version 5.
        fn audited() -> Self {
            let runs = Self::new();
            let mut run = runs.begin();
            assert!(run.is_audit, "nothing is known yet");
            let known = Known::of(&config("5"), &config("5"), &Policy::default());
            run.memory
                .insert(config("5").id(), known.unwrap_or_else(|| unreachable!("it is ours")));
            assert!(!runs.end(run));
            runs
        }
    }

    #[test]
    fn an_audit_comes_back_and_a_new_spec_forgets() {
        let mut runs = Runs::audited();
        let run = runs.begin();
        assert!(!run.is_audit && run.memory.knows(&config("5").id()));
        runs.end(run);
        runs.now += Duration::from_secs(3600);
        let run = runs.begin();
        assert!(run.is_audit && run.memory.knows(&config("5").id()));
        runs.end(run);
        runs.object.metadata.generation = Some(2);
        let run = runs.begin();
        assert!(run.is_audit && !run.memory.knows(&config("5").id()));
    }

    /// The watch is slower than whoever asks for a run.
    #[test]
    fn what_a_run_has_missed_makes_another() {
        let mut runs = Runs::audited();
        let run = runs.begin();
        assert!(!runs.memories.moved(&runs.key(), news("6"), runs.now), "the run goes on");
        assert!(runs.end(run), "it moved while the run took it as settled");
        runs.end(runs.begin());
        assert!(!runs.memories.moved(&runs.key(), news("5"), runs.now), "that is known");
        assert!(runs.memories.moved(&runs.key(), news("6"), runs.now), "just after the run");
        runs.now += LATE;
        assert!(!runs.memories.moved(&runs.key(), news("7"), runs.now), "that is drift");
    }

    /// Somebody who answers each of our writes would make us run for ever.
    #[test]
    fn a_run_that_wrote_is_not_repeated() {
        let runs = Runs::audited();
        let mut run = runs.begin();
        run.wrote = true;
        runs.memories.moved(&runs.key(), news("6"), runs.now);
        assert!(!runs.end(run));
        assert!(!runs.memories.moved(&runs.key(), news("7"), runs.now));
    }
}
