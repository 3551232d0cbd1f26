//! What an apply need not ask the cluster for: what earlier runs remember, as far as the watches say
//! that it still holds (decisions.md, request budget).

use manifest::{Object, ObjectId};
use plan::health::Health;
use plan::{Memory, Policy, Recall};

use crate::wait::State;
use crate::watch::{Sight, Watches};

/// What is known of the objects of one apply.
#[derive(Default)]
pub struct Knowledge<'a> {
    /// The watches of the cluster; without them nothing that is remembered counts.
    pub watches: Option<&'a Watches>,
    /// What is remembered, and what this apply adds to it.
    pub memory: Memory,
    /// Whether every object is asked for, however well it is known.
    pub is_audit: bool,
}

impl Knowledge<'_> {
    /// What a watch says of an object that carries our label.
    pub(crate) async fn look(&self, id: &ObjectId, version: &str) -> Sight {
        match self.watches {
            Some(watches) => watches.look(id, version).await,
            None => Sight::Blind,
        }
    }

    /// What is known of an object that is to be applied.
    pub(crate) async fn recall(&self, desired: &Object, policy: &Policy) -> Recall {
        let id = desired.id();
        if !self.memory.knows(&id) {
            // The next run will want to know.
            if let Some(watches) = self.watches {
                watches.follow(&id, &desired.gvk().version).await;
            }
            return Recall::Nothing;
        }
        match self.look(&id, &desired.gvk().version).await {
            Sight::Object(seen) => self.memory.recall(desired, &seen.mark, policy, self.is_audit),
            Sight::Nothing | Sight::Blind => Recall::Nothing,
        }
    }

    /// How an object is, if it has not moved since it was found healthy.
    pub(crate) async fn health(&self, id: &ObjectId, version: &str) -> Option<State> {
        let Sight::Object(seen) = self.look(id, version).await else { return None };
        let healthy = self.memory.is_healthy(id, &seen.mark);
        healthy.then_some(State { health: Health::Current, mark: Some(seen.mark) })
    }
}
