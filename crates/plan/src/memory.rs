//! What is known of objects from earlier runs, so that who has not moved is not asked for again
//! (decisions.md, W7 and the request budget).

use std::collections::HashMap;

use manifest::{Object, ObjectId};

use crate::digest::{Sum, sum};
use crate::markers::is_excluded;
use crate::sighting::Mark;
use crate::{Policy, drift};

/// What is known of the objects of one set. It holds digests, not the objects.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    objects: HashMap<ObjectId, Known>,
}

/// An object as it was when it was last read or written.
#[derive(Clone, Debug)]
pub struct Known {
    /// What was asked for then.
    desired: Sum,
    /// The state that the cluster was in.
    mark: Mark,
    /// What was in it; `None` if it asked to be left alone.
    content: Option<Sum>,
    /// The last version in which it was found healthy.
    healthy: Option<String>,
}

impl Known {
    /// What there is to know of an object that is as it should be, or asks to be left alone. Nothing
    /// if somebody's fields are still to be taken over: the next run has to look at them.
    pub fn of(desired: &Object, live: &Object, policy: &Policy) -> Option<Self> {
        let excluded = is_excluded(desired, Some(live));
        if !excluded && policy.takeover(desired, live).is_some() {
            return None;
        }
        Some(Self {
            desired: sum(desired.value()),
            mark: Mark::of(live),
            content: (!excluded).then(|| drift::content(live.value())),
            healthy: None,
        })
    }
}

/// How much is known of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// It is as it is asked to be.
    Settled,
    /// It asks to be left alone.
    Excluded,
    /// It holds this; an apply may change that.
    Content(Content),
    /// Nothing that counts.
    Nothing,
}

/// What a live object holds, as far as an apply is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content(Sum);

impl Content {
    /// Whether an apply that gives `dry_run` changes nothing.
    pub fn is_in(self, dry_run: &Object) -> bool {
        drift::content(dry_run.value()) == self.0
    }
}

impl Memory {
    /// What is known of an object that is to be applied, if its metadata are `seen` now. An `audit`
    /// takes nothing as settled.
    pub fn recall(&self, desired: &Object, seen: &Mark, policy: &Policy, audit: bool) -> Recall {
        let known = self.objects.get(&desired.id());
        let Some(known) = known.filter(|known| known.mark.still_holds(seen)) else {
            return Recall::Nothing;
        };
        let same = known.desired == sum(desired.value());
        match known.content {
            None if same => Recall::Excluded,
            Some(_) if same && !audit => Recall::Settled,
            // What is ignored is told from the live object.
            Some(content) if policy.ignored.of(desired).is_empty() => {
                Recall::Content(Content(content))
            }
            _ => Recall::Nothing,
        }
    }

    /// Whether anything is known of an object.
    pub fn knows(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(id)
    }

    /// Whether an object is no more what it was; `now` is how it is seen, if it is there.
    pub fn has_moved(&self, id: &ObjectId, now: Option<&Mark>) -> bool {
        let known = self.objects.get(id);
        known.is_some_and(|known| !now.is_some_and(|now| known.mark.still_holds(now)))
    }

    /// Whether an object was found healthy in the version in which it is `seen` now.
    pub fn is_healthy(&self, id: &ObjectId, seen: &Mark) -> bool {
        let known = self.objects.get(id).filter(|known| known.mark.uid == seen.uid);
        known.and_then(|known| known.healthy.as_ref()) == Some(&seen.version)
    }

    /// Takes in an object that is as it should be.
    pub fn insert(&mut self, id: ObjectId, known: Known) {
        let before = self.objects.remove(&id);
        let healthy = before.and_then(|known| known.healthy);
        self.objects.insert(id, Known { healthy, ..known });
    }

    /// Takes in that what is asked for now is what the object holds already.
    pub fn confirm(&mut self, desired: &Object) {
        if let Some(known) = self.objects.get_mut(&desired.id()) {
            known.desired = sum(desired.value());
        }
    }

    /// Takes in which objects were found healthy, and in which state.
    pub fn found_healthy<'a>(&mut self, healthy: impl Iterator<Item = (&'a ObjectId, &'a Mark)>) {
        for (id, mark) in healthy {
            if let Some(known) = self.objects.get_mut(id) {
                known.healthy = Some(mark.version.clone());
            }
        }
    }

    /// Forgets all objects that are not among these.
    pub fn keep(&mut self, ids: impl Fn(&ObjectId) -> bool) {
        self.objects.retain(|id, _| ids(id));
    }
}
