//! Reading fields of foreign objects, whose types nobody guarantees.

use manifest::{Object, Value};

/// A field is of a type that its kind does not have.
pub(super) struct Malformed(String);

impl Malformed {
    pub(super) fn of(field: &str) -> Self {
        Self(field.into())
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "field {} is of a type that it cannot have", self.0)
    }
}

/// One condition, whatever its writer made of it.
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

fn field<'a>(object: &'a Object, keys: &[&str]) -> Result<Option<&'a Value>, Malformed> {
    let mut value = object.value();
    for (at, key) in keys.iter().enumerate() {
        if at > 0 && value.is_null() {
            return Ok(None);
        }
        let map = value.as_map().ok_or_else(|| Malformed(keys[..at].join(".")))?;
        match map.get(key) {
            None => return Ok(None),
            Some(next) => value = next,
        }
    }
    Ok(Some(value))
}

/// Text; an error when the field is there and is no text.
pub(super) fn text<'a>(object: &'a Object, keys: &[&str]) -> Result<Option<&'a str>, Malformed> {
    field(object, keys)?
        .map(|value| value.as_str().ok_or_else(|| Malformed(keys.join("."))))
        .transpose()
}

/// An integer; an error when the field is there and is none.
pub(super) fn integer(object: &Object, keys: &[&str]) -> Result<Option<i64>, Malformed> {
    field(object, keys)?
        .map(|value| value.as_i64().ok_or_else(|| Malformed(keys.join("."))))
        .transpose()
}

/// A count, or `default` when the field is absent or no integer.
pub(super) fn count(object: &Object, keys: &[&str], default: i64) -> i64 {
    object.at(keys).and_then(Value::as_i64).unwrap_or(default)
}

/// A word, or nothing when the field is absent or no text.
pub(super) fn word<'a>(object: &'a Object, keys: &[&str]) -> &'a str {
    object.at(keys).and_then(Value::as_str).unwrap_or_default()
}

/// The conditions of the status.
pub(super) fn conditions(object: &Object) -> Result<Vec<Condition<'_>>, Malformed> {
    let malformed = || Malformed("status.conditions".into());
    let status = match object.at(&["status"]) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(status) => status.as_map().ok_or_else(malformed)?,
    };
    let list = match status.get("conditions") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_list().ok_or_else(malformed)?,
    };
    list.iter().map(|item| condition(item).ok_or_else(malformed)).collect()
}

fn condition(item: &Value) -> Option<Condition<'_>> {
    static EMPTY: std::sync::LazyLock<manifest::Map> = std::sync::LazyLock::new(manifest::Map::new);
    let map = if item.is_null() { &*EMPTY } else { item.as_map()? };
    let part = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Some(""),
        Some(value) => value.as_str(),
    };
    let since = part("lastTransitionTime")?;
    if !since.is_empty() {
        since.parse::<jiff::Timestamp>().ok()?;
    }
    Some(Condition {
        kind: part("type")?,
        status: part("status")?,
        reason: part("reason")?,
        message: part("message")?,
    })
}
