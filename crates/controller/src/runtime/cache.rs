//! The objects of one of our kinds, as last seen or written.

use std::collections::{HashMap, HashSet, VecDeque};
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

/// How many objects that are gone are remembered.
const GONE_MAX: usize = 1024;

/// The objects of one kind. Fed by the watch and by the answers to our own writes, whichever is
/// newer, so that a run never starts from a state before its own last write.
///
/// Objects are kept as the server sends them: one that does not parse must not stop the others.
#[derive(Default)]
pub struct Cache {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    objects: HashMap<Key, Arc<DynamicObject>>,
    /// UIDs of the last objects that went: the answer to our own last write may come after the
    /// watch has told that the object is gone.
    gone: VecDeque<String>,
}

impl State {
    fn forget(&mut self, object: &DynamicObject) {
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.extend(object.metadata.uid.clone());
        let key = Key::of(object);
        if self.objects.get(&key).is_some_and(|known| known.metadata.uid == object.metadata.uid) {
            self.objects.remove(&key);
        }
    }
}

impl Cache {
    /// The newest state of an object.
    pub fn get(&self, key: &Key) -> Option<Arc<DynamicObject>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).objects.get(key).cloned()
    }

    /// All objects.
    pub fn list(&self) -> Vec<Arc<DynamicObject>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.objects.values().cloned().collect()
    }

    /// Takes a state in unless a newer one is known, or the object is known to be gone. Gives the
    /// state, which is one with the one that is kept where both are equal.
    ///
    /// Who manages which field is left out: nobody asks, and it is half of an object.
    pub fn put(&self, mut object: DynamicObject) -> Arc<DynamicObject> {
        object.metadata.managed_fields = None;
        let key = Key::of(&object);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if object.metadata.uid.as_ref().is_some_and(|uid| state.gone.contains(uid)) {
            return Arc::new(object);
        }
        let known = state.objects.get(&key);
        let known = known.filter(|known| known.metadata.uid == object.metadata.uid);
        match known.map(|known| (version(known), known)) {
            Some((known_version, known)) if known_version == version(&object) => Arc::clone(known),
            Some((known_version, _)) if known_version > version(&object) => Arc::new(object),
            _ => {
                let object = Arc::new(object);
                state.objects.insert(key, Arc::clone(&object));
                object
            }
        }
    }

    /// Forgets an object for good; one of the same name that is made later is another.
    pub fn remove(&self, object: &DynamicObject) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).forget(object);
    }

    /// Forgets every object that is not among `keys`, and gives those forgotten.
    pub fn retain(&self, keys: &HashSet<Key>) -> Vec<Arc<DynamicObject>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let gone = state.objects.iter().filter(|(key, _)| !keys.contains(*key));
        let gone: Vec<_> = gone.map(|(_, object)| Arc::clone(object)).collect();
        for object in &gone {
            state.forget(object);
        }
        gone
    }
}

/// Resource versions of one kind are ordered numbers.
fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, version: &str) -> DynamicObject {
        let metadata =
            json!({"name": "a", "namespace": "ns", "uid": uid, "resourceVersion": version});
        let object: Result<DynamicObject, _> =
            serde_json::from_value(json!({"metadata": metadata}));
        object.unwrap_or_else(|_| unreachable!("it is well-formed"))
    }

    fn known(cache: &Cache) -> Option<String> {
        let key = Key { namespace: "ns".into(), name: "a".into() };
        cache.get(&key)?.metadata.resource_version.clone()
    }

    #[test]
    fn older_states_do_not_come_back() {
        let cache = Cache::default();
        cache.put(object("u", "10"));
        cache.put(object("u", "9"));
        assert_eq!(known(&cache).as_deref(), Some("10"));
    }

    #[test]
    fn equal_states_are_one() {
        let cache = Cache::default();
        let (written, seen) = (cache.put(object("u", "10")), cache.put(object("u", "10")));
        assert!(Arc::ptr_eq(&written, &seen));
    }

    #[test]
    fn what_is_gone_stays_gone_and_what_is_made_anew_is_another() {
        let cache = Cache::default();
        cache.put(object("u", "10"));
        cache.remove(&object("u", "11"));
        cache.put(object("u", "12"));
        assert_eq!(known(&cache), None);
        cache.put(object("v", "13"));
        cache.remove(&object("u", "11"));
        assert_eq!(known(&cache).as_deref(), Some("13"));
    }
}
