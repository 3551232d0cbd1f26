//! Values that stand in several fields of an object at once.
//!
//! The reference puts one node into every field that a label or an annotation is added to. What
//! later writes to one of these fields writes to all of them.

use std::sync::Arc;

use manifest::{Key, Value};

/// The values of an object that are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Vec<Group>);

#[derive(Clone, Debug)]
struct Group {
    value: Value,
    places: Vec<Place>,
}

/// Where a value stands: the keys that lead to it, and which item of each list on the way.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    parts: Parts,
    items: Vec<usize>,
}

/// The names of fields, from the root; many places have them in common.
pub(crate) type Parts = Arc<[Key]>;

impl Shared {
    /// Makes the values at some places one, which is a text.
    pub(crate) fn join(&mut self, text: &str, places: Vec<Place>) {
        if places.len() > 1 {
            self.0.push(Group { value: text.into(), places });
        }
    }

    /// Lets the values that are one follow the last of them that was written.
    pub(crate) fn follow(&mut self, object: &mut Value) {
        for group in &mut self.0 {
            group.places.retain(|place| find(object, place).is_some());
            let mut written = None;
            for place in &group.places {
                written =
                    find(object, place).filter(|value| **value != group.value).cloned().or(written);
            }
            let Some(new) = written else { continue };
            for place in &group.places {
                if let Some(value) = find(object, place) {
                    value.clone_from(&new);
                }
            }
            group.value = new;
        }
        self.0.retain(|group| group.places.len() > 1);
    }

    /// Takes the annotations of the object itself out: they are written anew.
    pub(crate) fn part_annotations(&mut self) {
        for group in &mut self.0 {
            group.places.retain(|place| !place.parts.starts_with(&OWN_ANNOTATIONS));
        }
    }

    /// Makes every value one of its own.
    pub(crate) fn part(&mut self) {
        self.0.clear();
    }
}

const OWN_ANNOTATIONS: [Key; 2] = [Key::const_new("metadata"), Key::const_new("annotations")];

fn find<'a>(value: &'a mut Value, place: &Place) -> Option<&'a mut Value> {
    let mut items = place.items.iter();
    let mut value = value;
    for part in place.parts.iter() {
        while let Value::List(list) = value {
            value = list.get_mut(*items.next()?)?;
        }
        value = value.as_map_mut()?.get_mut(part)?;
    }
    Some(value)
}

/// The places that a path leads to; it may lead through lists.
pub(crate) fn places_of(value: &Value, parts: &Parts) -> Vec<Place> {
    let mut found = Vec::new();
    gather(value, parts, 0, &mut Vec::new(), &mut found);
    found
}

fn gather(
    value: &Value,
    parts: &Parts,
    passed: usize,
    items: &mut Vec<usize>,
    found: &mut Vec<Place>,
) {
    let Some(part) = parts.get(passed) else {
        found.push(Place { parts: parts.clone(), items: items.clone() });
        return;
    };
    match value {
        Value::List(list) => {
            for (at, item) in list.iter().enumerate() {
                items.push(at);
                gather(item, parts, passed, items, found);
                items.pop();
            }
        }
        Value::Map(map) => {
            if let Some(inner) = map.get(part) {
                gather(inner, parts, passed + 1, items, found);
            }
        }
        _ => {}
    }
}
