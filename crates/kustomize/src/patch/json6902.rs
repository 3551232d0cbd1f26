//! JSON patch (RFC 6902), with the leniencies and texts of the library that kustomize links.

use manifest::value::{Number, Numeral};
use manifest::{Map, Text, Value, yaml};

use crate::Error;
use crate::error::settle;
use crate::resource::{bounded, map_of};
use crate::unquoted;

/// How many operations a patch may hold.
pub(crate) const OPERATIONS_MAX: usize = 100_000;

/// A decoded patch.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation(Map);

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
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                    json_kind(&other)
                ));
            }
        };
        if items.len() > OPERATIONS_MAX {
            return Err("too many operations".to_owned());
        }
        let operation = |item: Value| match item {
            Value::Map(map) => Ok(Operation(map)),
            Value::Null => Ok(Operation(Map::new())),
            other => Err(format!(
                "json: cannot unmarshal {} into Go value of type jsonpatch.Operation",
                json_kind(&other)
            )),
        };
        items.into_iter().map(operation).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies every operation in order.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<(), Error> {
        settle(document)?;
        for operation in &self.0 {
            operation.apply(document).map_err(Error::Rule)?;
            bounded(document)?;
        }
        through_json(document);
        unquoted::texts(document)
    }
}

/// Every number becomes a double, as it does in JSON.
pub(crate) fn through_doubles(value: &mut Value) {
    match value {
        Value::Number(numeral) => *numeral = Number::from(double(numeral.number())).into(),
        Value::List(items) => items.iter_mut().for_each(through_doubles),
        Value::Map(map) => map.values_mut().for_each(through_doubles),
        _ => {}
    }
}

fn double(number: Number) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the loss is the rule")]
    match number {
        Number::Int(int) => int as f64,
        Number::UInt(int) => int as f64,
        Number::Float(float) => float,
    }
}

/// A patched object has been JSON, and then YAML again with the spelling and style of its writer.
fn through_json(value: &mut Value) {
    match value {
        Value::Number(numeral) => {
            let double = double(numeral.number());
            *numeral = Numeral::spelled(Number::from(double), &yaml::general(double));
        }
        Value::String(text) => *text = Text::new(&**text, yaml::printed_style(text)),
        Value::List(items) => items.iter_mut().for_each(through_json),
        Value::Map(map) => map.values_mut().for_each(through_json),
        _ => {}
    }
}

const MISSING: &str = "missing value";

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

impl Operation {
    fn apply(&self, document: &mut Value) -> Result<(), String> {
        match self.0.get("op").and_then(Value::as_str).unwrap_or("unknown") {
            "add" => self.add(document),
            "remove" => self.remove(document),
            "replace" => self.replace(document),
            "move" => self.r#move(document),
            "copy" => self.copy(document),
            "test" => self.test(document),
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn text(&self, field: &str, absent: &str) -> Result<&str, String> {
        match self.0.get(field) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => Err(format!("{absent}: {MISSING}")),
            Some(other) => Err(format!(
                "json: cannot unmarshal {} into Go value of type string",
                json_kind(other)
            )),
        }
    }

    fn path(&self) -> Result<&str, String> {
        self.text("path", "operation missing path field")
    }

    /// The path for the operations whose errors do not say what is wrong with it.
    fn plain_path(&self, operation: &str) -> Result<&str, String> {
        self.path().map_err(|_| format!("{operation} operation failed to decode path: {MISSING}"))
    }

    fn decoded_path(&self, operation: &str) -> Result<&str, String> {
        self.path().map_err(|why| format!("{operation} operation failed to decode path: {why}"))
    }

    fn source(&self, operation: &str) -> Result<&str, String> {
        self.text("from", "operation, missing from field")
            .map_err(|why| format!("{operation} operation failed to decode from: {why}"))
    }

    fn value(&self) -> Value {
        self.0.get("value").cloned().unwrap_or_default()
    }

    fn add(&self, document: &mut Value) -> Result<(), String> {
        let path = self.plain_path("add")?;
        let (container, key) = container(document, path).ok_or_else(|| {
            format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}")
        })?;
        add(container, &key, self.value())
            .map_err(|why| format!("error in add for path: '{path}': {why}"))
    }

    fn remove(&self, document: &mut Value) -> Result<(), String> {
        let path = self.plain_path("remove")?;
        let (container, key) = container(document, path).ok_or_else(|| {
            format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}")
        })?;
        remove(container, &key)
            .map(|_| ())
            .map_err(|why| format!("error in remove for path: '{path}': {why}"))
    }

    fn replace(&self, document: &mut Value) -> Result<(), String> {
        let path = self.decoded_path("replace")?;
        if path.is_empty() {
            let value = self.value();
            if !matches!(value, Value::Map(_) | Value::List(_)) {
                return Err("replace operation value must be object or array: %!w(<nil>)".into());
            }
            *document = value;
            return Ok(());
        }
        let missing = |what: &str| {
            format!("replace operation does not apply: doc is missing {what}: {path}: {MISSING}")
        };
        let (container, key) = container(document, path).ok_or_else(|| missing("path"))?;
        let slot = match container {
            // The library takes an absent key of a mapping for one that is null.
            Value::Map(map) => Some(map.entry(key.into()).or_default()),
            Value::List(items) => index(&key, items.len()).ok().and_then(|at| items.get_mut(at)),
            _ => None,
        };
        *slot.ok_or_else(|| missing("key"))? = self.value();
        Ok(())
    }

    fn r#move(&self, document: &mut Value) -> Result<(), String> {
        let from = self.source("move")?;
        let (source, key) = container(document, from).ok_or_else(|| {
            format!("move operation does not apply: doc is missing from path: {from}: {MISSING}")
        })?;
        let value = remove(source, &key)
            .map_err(|why| format!("error in move for path: '{key}': {why}"))?;
        let path = self.decoded_path("move")?;
        let (target, key) = container(document, path).ok_or_else(|| {
            format!(
                "move operation does not apply: doc is missing destination path: {path}: {MISSING}"
            )
        })?;
        add(target, &key, value).map_err(|why| format!("error in move for path: '{path}': {why}"))
    }

    fn copy(&self, document: &mut Value) -> Result<(), String> {
        let from = self.source("copy")?;
        let (source, key) = container(document, from).ok_or_else(|| {
            format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}")
        })?;
        let value = get(source, &key)
            .map_err(|why| format!("error in copy for from: '{from}': {why}"))?
            .cloned()
            .unwrap_or_default();
        let path = self.plain_path("copy")?;
        let (target, key) = container(document, path).ok_or_else(|| {
            format!(
                "copy operation does not apply: doc is missing destination path: {path}: {MISSING}"
            )
        })?;
        add(target, &key, value)
            .map_err(|why| format!("error while adding value during copy: {why}"))
    }

    fn test(&self, document: &mut Value) -> Result<(), String> {
        let path = self.decoded_path("test")?;
        let found = if path.is_empty() {
            Some(&*document)
        } else {
            let (container, key) = container(document, path).ok_or_else(|| {
                format!("test operation does not apply: is missing path: {path}: {MISSING}")
            })?;
            get(container, &key)
                .map_err(|why| format!("error in test for path: '{path}': {why}"))?
        };
        if found.unwrap_or(&Value::Null) == &self.value() {
            return Ok(());
        }
        Err(format!("testing value {path} failed: test failed"))
    }
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// The mapping or list that the last part of a path is in, and that part.
fn container<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    let step = |value: &'a mut Value, key: &str| match value {
        Value::Map(map) => map.get_mut(&unescape(key)),
        Value::List(items) => {
            let at = index(key, items.len()).ok()?;
            items.get_mut(at)
        }
        _ => None,
    };
    let found = parent.split('/').skip(1).try_fold(document, step)?;
    matches!(found, Value::Map(_) | Value::List(_)).then(|| (found, unescape(key)))
}

fn number(key: &str) -> Result<i64, String> {
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))
}

/// The position that a key names in a list; negative numbers count from the end.
fn index(key: &str, length: usize) -> Result<usize, String> {
    within(number(key)?, length)
}

fn within(number: i64, length: usize) -> Result<usize, String> {
    let counted =
        if number < 0 { i64::try_from(length).unwrap_or(i64::MAX) + number } else { number };
    usize::try_from(counted).ok().filter(|at| *at < length).ok_or_else(|| {
        format!("Unable to access invalid index: {number}: invalid index referenced")
    })
}

fn get<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match container {
        Value::List(items) => index(key, items.len()).map(|at| items.get(at)),
        other => Ok(other.get(key)),
    }
}

fn add(container: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match container {
        Value::List(items) if key == "-" => items.push(value),
        Value::List(items) => {
            let number = number(key)
                .map_err(|why| format!("value was not a proper array index: '{key}': {why}"))?;
            // A negative index counts from one past the end, as the list will be one longer.
            items.insert(within(number, items.len() + 1)?, value);
        }
        other => {
            map_of(other).insert(key.into(), value);
        }
    }
    Ok(())
}

fn remove(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::List(items) => index(key, items.len()).map(|at| items.remove(at)),
        other => map_of(other)
            .shift_remove(key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: {MISSING}")),
    }
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
        check("- {op: copy, from: /x, path: /d}", r#"{"a":{"b/c":[1,2]},"d":null}"#);
        assert!(patched("- {op: remove, path: /x}").is_err());
        assert!(patched("- {op: add, value: 1}").is_err());
        assert!(patched("- {op: add, path: /x/y, value: 1}").is_err());
    }
}
