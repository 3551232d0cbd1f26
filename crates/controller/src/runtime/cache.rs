//! The objects of one of our kinds, as last seen or written.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kube::api::DynamicObject;

/// Namespace and name of an object of a known kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    pub fn of(object: &DynamicObject) -> Self {
        Self {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

/// The objects of one kind. Fed by the watch and by the answers to our own writes, whichever is
/// newer, so that a run never starts from a state before its own last write.
///
/// Objects are kept as the server sends them: one that does not parse must not stop the others.
#[derive(Default)]
pub struct Cache {
    objects: RwLock<HashMap<Key, Arc<DynamicObject>>>,
}

impl Cache {
    /// The newest state of an object.
    pub fn get(&self, key: &Key) -> Option<Arc<DynamicObject>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// All objects.
    pub fn list(&self) -> Vec<Arc<DynamicObject>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Takes a state in unless a newer one is known.
    pub fn put(&self, object: Arc<DynamicObject>) {
        let key = Key::of(&object);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let newer = objects.get(&key).is_none_or(|known| {
            known.metadata.uid != object.metadata.uid || version(known) < version(&object)
        });
        if newer {
            objects.insert(key, object);
        }
    }

    /// Forgets an object, unless it has been made anew meanwhile.
    pub fn remove(&self, object: &DynamicObject) {
        let key = Key::of(object);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        if objects.get(&key).is_some_and(|known| known.metadata.uid == object.metadata.uid) {
            objects.remove(&key);
        }
    }

    /// Forgets every object that is not among `keys`, and gives those forgotten.
    pub fn retain(&self, keys: &std::collections::HashSet<Key>) -> Vec<Arc<DynamicObject>> {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let gone = objects.iter().filter(|(key, _)| !keys.contains(*key));
        let gone: Vec<_> = gone.map(|(_, object)| Arc::clone(object)).collect();
        objects.retain(|key, _| keys.contains(key));
        gone
    }
}

/// Resource versions of one kind are ordered numbers.
fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}
