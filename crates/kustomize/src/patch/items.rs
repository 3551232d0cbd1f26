//! Items of lists that are joined by merge keys.

use manifest::Value;

/// The value of a merge key as text; the item itself where the list is joined by value.
pub(super) fn value_of(item: &Value, key: &str) -> String {
    if key.is_empty() {
        item.to_text()
    } else {
        item.get(key).map(Value::to_text).unwrap_or_default()
    }
}

/// Fills keys that one occurrence leaves out from another that agrees with it.
pub(super) fn unify(all: &mut [Vec<String>]) {
    for at in 0..all.len() {
        for other in 0..all.len() {
            if let Some(joined) = agree(&all[at], &all[other]) {
                all[at].clone_from(&joined);
                all[other] = joined;
            }
        }
    }
}

fn agree(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut joined = Vec::new();
    for (x, y) in a.iter().zip(b) {
        if x == y {
            common = true;
        } else if !x.is_empty() && !y.is_empty() {
            return None;
        }
        joined.push(if x.is_empty() { y.clone() } else { x.clone() });
    }
    common.then_some(joined)
}

/// Keeps the keys that any item has a value for.
pub(super) fn valid(
    all: &[Vec<String>],
    values: &[String],
    keys: &[String],
) -> (Vec<String>, Vec<String>) {
    let used: Vec<bool> = (0..keys.len())
        .map(|at| all.iter().any(|values| values.get(at).is_some_and(|value| !value.is_empty())))
        .collect();
    if !used.contains(&true) {
        return (keys.to_vec(), values.to_vec());
    }
    let kept = |texts: &[String]| {
        texts.iter().zip(&used).filter(|(_, used)| **used).map(|(text, _)| text.clone()).collect()
    };
    (kept(keys), kept(values))
}

/// Whether an item has these values under the keys.
pub(super) fn has(item: &Value, keys: &[String], values: &[String]) -> bool {
    compare(item, keys, values, |field, value| field == value)
}

/// Whether an item is replaced by one with these values: an empty value stands for any.
fn fits(item: &Value, keys: &[String], values: &[String]) -> bool {
    compare(item, keys, values, |field, value| value.is_empty() || field == value)
}

fn compare(
    item: &Value,
    keys: &[String],
    values: &[String],
    same: impl Fn(&str, &str) -> bool,
) -> bool {
    if keys.first().is_some_and(String::is_empty) {
        return values.first().is_some_and(|value| item.to_text() == *value);
    }
    let mut pairs = keys.iter().zip(values);
    item.as_map().is_some()
        && !values.is_empty()
        && pairs.all(|(key, value)| item.get(key).is_some_and(|f| same(&f.to_text(), value)))
}

/// Replaces the items that fit by `element`, or adds it; `None` removes them.
pub(super) fn set_element(
    items: &mut Vec<Value>,
    keys: &[String],
    values: &[String],
    element: Option<Value>,
) {
    let mut found = false;
    let mut kept = Vec::with_capacity(items.len() + 1);
    let by_key = keys.first().is_some_and(|key| !key.is_empty());
    for item in items.drain(..) {
        let empty = matches!(&item, Value::Map(map) if map.is_empty());
        if item.is_null() || empty {
            continue;
        }
        let foreign = by_key && item.as_map().is_none();
        if foreign || values.is_empty() || !fits(&item, keys, values) {
            if foreign || !values.is_empty() {
                kept.push(item);
            }
            continue;
        }
        found = true;
        kept.extend(element.clone());
    }
    if !found {
        kept.extend(element);
    }
    *items = kept;
}

/// Adds an item in place of one with the same keys.
pub(super) fn append(items: &mut Vec<Value>, item: Value, keys: &[String]) {
    if keys.first().is_some_and(String::is_empty) {
        let value = item.to_text();
        set_element(items, keys, &[value], Some(item));
        return;
    }
    let mut values = Vec::new();
    for key in keys {
        match item.get(key) {
            Some(value) if !value.is_null() => values.push(value.to_text()),
            _ => items.push(item.clone()),
        }
    }
    if keys.len() > 1 {
        set_element(items, keys, &values, None);
    }
    set_element(items, keys, &values, Some(item));
}
