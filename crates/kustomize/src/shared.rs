//! Values that stand in several fields of an object at once.
//!
//! The reference puts one node into every field that a label or an annotation is added to. What
//! later writes to one of these fields writes to all of them.

use manifest::Value;
use manifest::yaml::Step;

/// The values of an object that are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Vec<Group>);

#[derive(Clone, Debug)]
struct Group {
    value: Value,
    places: Vec<Vec<Step>>,
}

impl Shared {
    /// Makes the values at some places one.
    pub(crate) fn join(&mut self, value: Value, places: Vec<Vec<Step>>) {
        if places.len() > 1 {
            self.0.push(Group { value, places });
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
        let own = ["metadata", "annotations"].map(|key| Step::Key(key.to_owned()));
        for group in &mut self.0 {
            group.places.retain(|place| !place.starts_with(&own));
        }
    }

    /// Makes every value one of its own.
    pub(crate) fn part(&mut self) {
        self.0.clear();
    }
}

fn find<'a>(value: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Map(map), Step::Key(key)) => map.get_mut(key),
        (Value::List(items), Step::Item(at)) => items.get_mut(*at),
        _ => None,
    })
}

/// The places that a path leads to; it may lead through lists.
pub(crate) fn places(value: &Value, parts: &[String]) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    gather(value, parts, &mut Vec::new(), &mut found);
    found
}

fn gather(value: &Value, parts: &[String], at: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let Some((first, rest)) = parts.split_first() else {
        found.push(at.clone());
        return;
    };
    match value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(Step::Item(index));
                gather(item, parts, at, found);
                at.pop();
            }
        }
        Value::Map(map) => {
            let name = first.strip_suffix("[]").unwrap_or(first);
            if let Some(inner) = map.get(name) {
                at.push(Step::Key(name.to_owned()));
                gather(inner, rest, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}
