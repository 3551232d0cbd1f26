//! JSON patch (RFC 6902), with the leniencies and texts of the library that kustomize links.

use manifest::value::Number;
use manifest::{Value, yaml};

use crate::Error;
use crate::kustomization::decode;
use crate::resource::bounded;
use crate::unquoted;

/// How many operations a patch may hold.
pub(crate) const OPERATIONS_MAX: usize = 100_000;

/// A decoded patch.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch(Vec<Operation>);

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Wire {
    op: String,
    path: Option<String>,
    from: Option<String>,
}

#[derive(Clone, Debug)]
struct Operation {
    op: String,
    /// Absent is an error only when the operation is carried out.
    path: Option<String>,
    from: Option<String>,
    value: Option<Value>,
}

impl JsonPatch {
    /// Reads a patch: JSON if it starts with a bracket, else YAML.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty json patch operations".to_owned());
        }
        let value: Value = if text.starts_with('[') {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            yaml::read_configuration(text).map_err(|error| error.to_string())?
        };
        let items = match value {
            Value::List(items) => items,
            Value::Null => Vec::new(),
            other => {
                let kind = match other {
                    Value::String(_) => "string",
                    Value::Map(_) => "object",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(format!(
                    "json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch"
                ));
            }
        };
        if items.len() > OPERATIONS_MAX {
            return Err("too many operations".to_owned());
        }
        let operation = |item: Value| {
            let value = item.get("value").cloned();
            let mut plain = item;
            plain.as_map_mut().ok_or("an operation is no mapping")?.shift_remove("value");
            let wire: Wire = decode(plain)?;
            Ok(Operation { op: wire.op, path: wire.path, from: wire.from, value })
        };
        items.into_iter().map(operation).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies every operation in order.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<(), Error> {
        for operation in &self.0 {
            operation.apply(document).map_err(Error::Rule)?;
            bounded(document)?;
        }
        through_doubles(document);
        unquoted::texts(document)
    }
}

/// A patched object has been JSON, in which every number is a double.
fn through_doubles(value: &mut Value) {
    match value {
        Value::Number(number) => {
            #[expect(clippy::cast_precision_loss, reason = "the loss is the rule")]
            let double = match *number {
                Number::Int(int) => int as f64,
                Number::UInt(int) => int as f64,
                Number::Float(float) => float,
            };
            *number = Number::from(double);
        }
        Value::List(items) => items.iter_mut().for_each(through_doubles),
        Value::Map(map) => map.values_mut().for_each(through_doubles),
        _ => {}
    }
}

const MISSING: &str = "missing value";

impl Operation {
    fn apply(&self, document: &mut Value) -> Result<(), String> {
        let Some(path) = self.path.as_deref() else {
            return Err(format!("{} operation failed to decode path: {MISSING}", self.op));
        };
        match self.op.as_str() {
            "add" => {
                let value = self.value.clone().unwrap_or_default();
                add(document, path, value, "add")
            }
            "remove" => remove(document, path).map(|_| ()),
            "replace" => self.replace(document, path),
            "move" => {
                let value = remove(document, self.source("move")?).map_err(|_| {
                    missing("move operation does not apply: doc is missing from path", path)
                })?;
                add(document, path, value, "move")
            }
            "copy" => {
                let from = self.source("copy")?;
                let value = find_or_null(document, from).ok_or_else(|| {
                    missing("copy operation does not apply: doc is missing from path", from)
                })?;
                add(document, path, value, "copy")
            }
            "test" => self.test(document, path),
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn source(&self, operation: &str) -> Result<&str, String> {
        self.from.as_deref().ok_or_else(|| {
            format!("{operation} operation failed to decode from: operation, missing from field: {MISSING}")
        })
    }

    fn replace(&self, document: &mut Value, path: &str) -> Result<(), String> {
        let value = self.value.clone().unwrap_or_default();
        if path.is_empty() {
            *document = value;
            return Ok(());
        }
        let (parent, key) = split(path);
        let Some(parent) = find_mut(document, parent) else {
            return Err(missing("replace operation does not apply: doc is missing path", path));
        };
        let slot = match parent {
            // As for `find_or_null`.
            Value::Map(map) => Some(map.entry(unescape(key)).or_default()),
            Value::List(items) => index(key, items.len()).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        match slot {
            Some(slot) => {
                *slot = value;
                Ok(())
            }
            None => Err(missing("replace operation does not apply: doc is missing key", path)),
        }
    }

    fn test(&self, document: &Value, path: &str) -> Result<(), String> {
        let expected = self.value.clone().unwrap_or_default();
        let found = find(document, path).cloned().unwrap_or_default();
        if found == expected {
            return Ok(());
        }
        Err(format!("testing value {path} failed: test failed"))
    }
}

fn missing(what: &str, path: &str) -> String {
    format!("{what}: {path}: {MISSING}")
}

/// The path of the container and the last key.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// The position that a key names in a list; negative numbers count from the end.
fn index(key: &str, length: usize) -> Option<usize> {
    let number: i64 = key.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let number = if number < 0 { number + length } else { number };
    (number < length).then(|| usize::try_from(number).ok())?
}

fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, key| match value {
        Value::Map(map) => map.get(&unescape(key)),
        Value::List(items) => items.get(index(key, items.len())?),
        _ => None,
    })
}

/// The library takes an absent key of a mapping for one that is null.
fn find_or_null(document: &Value, path: &str) -> Option<Value> {
    let absent = || {
        let parent = find(document, split(path).0)?;
        matches!(parent, Value::Map(_)).then_some(Value::Null)
    };
    find(document, path).cloned().or_else(absent)
}

fn find_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('/').skip(1).try_fold(value, |value, key| match value {
        Value::Map(map) => map.get_mut(&unescape(key)),
        Value::List(items) => {
            let at = index(key, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    })
}

fn add(document: &mut Value, path: &str, value: Value, operation: &str) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, key) = split(path);
    let container = find_mut(document, parent)
        .filter(|parent| matches!(parent, Value::Map(_) | Value::List(_)));
    let items = match container {
        Some(Value::Map(map)) => {
            map.insert(unescape(key), value);
            return Ok(());
        }
        Some(Value::List(items)) => items,
        _ if operation == "add" => {
            return Err(format!(
                "add operation does not apply: doc is missing path: \"{path}\": {MISSING}"
            ));
        }
        _ => {
            let text =
                format!("{operation} operation does not apply: doc is missing destination path");
            return Err(missing(&text, path));
        }
    };
    if key == "-" {
        items.push(value);
        return Ok(());
    }
    let Ok(number) = key.parse::<i64>() else {
        return Err(format!(
            "error in {operation} for path: '{path}': value was not a proper array index: \
             '{key}': strconv.Atoi: parsing \"{key}\": invalid syntax"
        ));
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    // A negative index counts from one past the end, as the list will be one longer.
    let at = if number < 0 { number + length + 1 } else { number };
    match usize::try_from(at) {
        Ok(at) if at <= items.len() => {
            items.insert(at, value);
            Ok(())
        }
        _ => Err(format!(
            "error in {operation} for path: '{path}': Unable to access invalid index: {number}: \
             invalid index referenced"
        )),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, key) = split(path);
    let Some(parent) = find_mut(document, parent) else {
        return Err(format!(
            "remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"
        ));
    };
    let removed = match parent {
        Value::Map(map) => map.shift_remove(&unescape(key)),
        Value::List(items) => {
            let at = index(key, items.len());
            let Some(at) = at else {
                return Err(format!(
                    "error in remove for path: '{path}': Unable to access invalid index: {key}: \
                     invalid index referenced"
                ));
            };
            return Ok(items.remove(at));
        }
        _ => {
            return Err(format!(
                "remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"
            ));
        }
    };
    removed.ok_or_else(|| {
        format!(
            "error in remove for path: '{path}': Unable to remove nonexistent key: {}: {MISSING}",
            unescape(key)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(patch: &str) -> Result<String, String> {
        let mut value: Value = serde_json::json!({"a": {"b/c": [1, 2]}}).into();
        let patch = JsonPatch::parse(patch)?;
        patch.apply(&mut value).map_err(|error| error.to_string())?;
        Ok(yaml::to_json(&value))
    }

    #[test]
    fn every_operation() {
        let check = |patch, expected: &str| assert_eq!(patched(patch).as_deref(), Ok(expected));
        check("- {op: add, path: /a/b~1c/-, value: 3}", r#"{"a":{"b/c":[1,2,3]}}"#);
        check("- {op: add, path: /a/b~1c/0, value: 0}", r#"{"a":{"b/c":[0,1,2]}}"#);
        check("- {op: remove, path: /a/b~1c/-1}", r#"{"a":{"b/c":[1]}}"#);
        check("- {op: replace, path: /a, value: yes}", r#"{"a":true}"#);
        check("- {op: move, from: /a/b~1c, path: /d}", r#"{"a":{},"d":[1,2]}"#);
        check("- {op: copy, from: /a/b~1c/1, path: /d}", r#"{"a":{"b/c":[1,2]},"d":2}"#);
        check("- {op: test, path: /a/b~1c/0, value: 1}", r#"{"a":{"b/c":[1,2]}}"#);
        check("- {op: replace, path: /x, value: 1}", r#"{"a":{"b/c":[1,2]},"x":1}"#);
        assert!(patched("- {op: remove, path: /x}").is_err());
        assert!(patched("- {op: add, path: /x/y, value: 1}").is_err());
    }
}
