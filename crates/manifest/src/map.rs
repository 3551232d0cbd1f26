//! A mapping that keeps the order in which its keys were written.
//!
//! Manifests are made of very many very small mappings: their entries lie in one piece of memory
//! and are found by looking at each. Only a large mapping has an index beside them.

use std::fmt;
use std::hash::BuildHasher;

use compact_str::CompactString;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::Value;

/// A key of a mapping; nearly all are so short that they lie in the mapping itself.
pub type Key = CompactString;

/// The most entries that are searched one by one.
const SCANNED_MAX: usize = 16;

/// A mapping that keeps the order in which its keys were written. Two mappings are equal when they
/// have equal values under the same keys, in whatever order.
#[derive(Clone, Default)]
pub struct Map {
    entries: Vec<(Key, Value)>,
    /// Where each key lies; there is one once the mapping is larger than [`SCANNED_MAX`].
    index: Option<Box<Index>>,
}

#[derive(Clone, Default)]
struct Index {
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

/// A place in a mapping, for a value that is there or is to be put there.
pub struct Entry<'a> {
    map: &'a mut Map,
    key: Key,
}

impl<'a> Entry<'a> {
    /// The value under the key; made by `default` when there is none.
    pub fn or_insert_with(self, default: impl FnOnce() -> Value) -> &'a mut Value {
        let at = match self.map.position(&self.key) {
            Some(at) => at,
            None => self.map.push(self.key, default()),
        };
        &mut self.map.entries[at].1
    }

    /// The value under the key; `default` when there is none.
    pub fn or_insert(self, default: Value) -> &'a mut Value {
        self.or_insert_with(|| default)
    }

    /// The value under the key; null when there is none.
    pub fn or_default(self) -> &'a mut Value {
        self.or_insert_with(Value::default)
    }
}

impl Map {
    /// An empty mapping.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), index: None }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(known, _)| known == key),
            Some(index) => {
                let same = |at: &usize| self.entries[*at].0 == key;
                index.places.find(index.hasher.hash_one(key), same).copied()
            }
        }
    }

    /// Adds an entry whose key is not there yet, and says where.
    fn push(&mut self, key: Key, value: Value) -> usize {
        let at = self.entries.len();
        if at == self.entries.capacity() {
            // Most mappings stay so small that room for four would be three too many.
            self.entries.reserve_exact(at.max(1));
        }
        self.entries.push((key, value));
        match &mut self.index {
            Some(index) => index.add(at, &self.entries),
            None if at == SCANNED_MAX => self.reindex(),
            None => {}
        }
        at
    }

    fn reindex(&mut self) {
        self.index = None;
        if self.entries.len() > SCANNED_MAX {
            let index = self.index.insert(Box::default());
            (0..self.entries.len()).for_each(|at| index.add(at, &self.entries));
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    /// The value under a key, for editing.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.position(key).map(|at| &mut self.entries[at].1)
    }

    /// Whether there is a value under a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The place of a key.
    pub const fn entry(&mut self, key: Key) -> Entry<'_> {
        Entry { map: self, key }
    }

    /// Sets the value under a key and gives the one that was there; a new key comes last.
    pub fn insert(&mut self, key: Key, value: Value) -> Option<Value> {
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.entries[at].1, value));
        }
        self.push(key, value);
        None
    }

    /// Takes out the value under a key; what follows moves up.
    pub fn shift_remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(key)?;
        let (_, value) = self.entries.remove(at);
        self.reindex();
        Some(value)
    }

    /// Keeps the entries that fit.
    pub fn retain(&mut self, mut fits: impl FnMut(&str, &mut Value) -> bool) {
        let before = self.entries.len();
        self.entries.retain_mut(|(key, value)| fits(key, value));
        if self.entries.len() < before {
            self.reindex();
        }
    }

    /// The entries in their order.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// The entries in their order, with values for editing.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        self.into_iter()
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Key> + ExactSizeIterator {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values in the order of their keys, for editing.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

impl Index {
    fn add(&mut self, at: usize, entries: &[(Key, Value)]) {
        let hash = |at: &usize| self.hasher.hash_one(entries[*at].0.as_str());
        self.places.insert_unique(hash(&at), at, hash);
    }
}

/// The entries of a mapping.
pub type Iter<'a> = std::iter::Map<
    std::slice::Iter<'a, (Key, Value)>,
    fn(&'a (Key, Value)) -> (&'a Key, &'a Value),
>;

/// The entries of a mapping, with values for editing.
pub type IterMut<'a> = std::iter::Map<
    std::slice::IterMut<'a, (Key, Value)>,
    fn(&'a mut (Key, Value)) -> (&'a Key, &'a mut Value),
>;

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Key, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

impl<'a> IntoIterator for &'a mut Map {
    type Item = (&'a Key, &'a mut Value);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> IterMut<'a> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }
}

impl IntoIterator for Map {
    type Item = (Key, Value);
    type IntoIter = std::vec::IntoIter<(Key, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<K: Into<Key>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key.into(), value);
        }
    }
}

impl<K: Into<Key>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Into<Key>, const N: usize> From<[(K, Value); N]> for Map {
    fn from(entries: [(K, Value); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mapping_is_searched_as_a_small_one() {
        let key = |at: usize| Key::from(format!("k{at}"));
        let number = |at: usize| Value::from(i64::try_from(at).unwrap_or_default());
        let mut map: Map = (0..100).map(|at| (key(at), number(at))).collect();
        for at in (0..100).step_by(2) {
            assert_eq!(map.shift_remove(&key(at)), Some(number(at)));
        }
        assert_eq!(map.insert(key(1), number(7)), Some(number(1)));
        map.retain(|_, value| *value != number(99));
        *map.entry(key(200)).or_default() = number(200);
        let mut wanted: Vec<_> = (1..99).step_by(2).chain([200]).map(key).collect();
        assert_eq!(map.keys().cloned().collect::<Vec<_>>(), wanted);
        assert!(wanted.iter().all(|key| map.contains_key(key)) && !map.contains_key("k2"));
        wanted.truncate(4);
        map.retain(|key, _| wanted.iter().any(|kept| kept == key));
        assert_eq!(
            map.values().collect::<Vec<_>>(),
            [&number(7), &number(3), &number(5), &number(7)]
        );
        let backwards: Map = map.clone().into_iter().rev().collect();
        assert_eq!(map, backwards);
    }
}
