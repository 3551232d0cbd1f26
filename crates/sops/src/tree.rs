//! Documents as trees: which values are encrypted, and what they become.

use manifest::{Map, Value, value::Number};

use crate::cipher::{Kind, Plain, open};
use crate::keys::DataKey;
use crate::metadata::Rule;

/// Where a walk is, and what it works with.
pub(crate) struct Walk<'a> {
    pub(crate) key: &'a DataKey,
    pub(crate) rule: &'a Rule,
    path: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(key: &'a DataKey, rule: &'a Rule) -> Self {
        Self { key, rule, path: Vec::new() }
    }

    /// Opens every encrypted value of a mapping.
    pub(crate) fn map(&mut self, map: &mut Map) -> Result<(), String> {
        for (key, value) in map.iter_mut() {
            self.path.push(key.to_string());
            self.value(value)?;
            self.path.pop();
        }
        Ok(())
    }

    fn value(&mut self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::Map(map) => self.map(map),
            Value::List(items) => {
                for item in items.iter_mut() {
                    self.value(item)?;
                }
                // Comments of a list are items until they are open.
                items.retain(|item| !matches!(item, Value::String(text) if &**text == COMMENT));
                Ok(())
            }
            Value::Null => Ok(()),
            scalar => {
                if !self.rule.covers(&self.path, scalar.as_str()) {
                    return Ok(());
                }
                let text = scalar.as_str().ok_or_else(|| {
                    format!("Expected encrypted value as string, but got {}", type_name(scalar))
                })?;
                *scalar = plain_value(&open(text, self.key, &joined(&self.path))?);
                Ok(())
            }
        }
    }
}

/// What a comment in a list becomes until the list is done; no value is this.
const COMMENT: &str = "\u{0}comment";

/// A path as values are bound to it.
pub(crate) fn joined(path: &[String]) -> String {
    let mut out = path.join(":");
    out.push(':');
    out
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        _ => "string",
    }
}

fn plain_value(plain: &Plain) -> Value {
    let text = plain.text.as_str();
    let string = || Value::from(text);
    match plain.kind {
        Kind::Text | Kind::Time => string(),
        Kind::Comment => Value::from(COMMENT),
        Kind::Bool => Value::Bool(text.eq_ignore_ascii_case("true")),
        Kind::Int => text.parse::<i64>().map_or_else(|_| string(), Value::from),
        Kind::Float => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::from(Number::from(number)),
            _ => string(),
        },
    }
}
