//! The ordered tree that every manifest is.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::{Key, Map};

/// A number as Kubernetes knows it: 64-bit integers, else a double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Fits a signed 64-bit integer; the only form that such a number takes.
    Int(i64),
    /// Larger than [`i64::MAX`], fits an unsigned 64-bit integer.
    UInt(u64),
    /// Everything else; always finite.
    Float(f64),
}

/// One node of a manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
}

impl Value {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The number, if this is an integer that fits 64 signed bits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(Number::Int(number)) = self { Some(*number) } else { None }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The items for editing, if this is a list.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries, if this is a mapping.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The entries for editing, if this is a mapping.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The value at the end of a chain of mapping keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a scalar, as it would be written; empty for null, lists and mappings.
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            Self::Null | Self::List(_) | Self::Map(_) => String::new(),
            scalar => crate::yaml::to_json(scalar),
        }
    }

    /// How many nodes this holds, itself counted.
    pub fn nodes(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::nodes).sum::<usize>(),
            Self::Map(map) => 1 + map.values().map(Self::nodes).sum::<usize>(),
            _ => 1,
        }
    }

    /// How deep this nests; a scalar has depth one.
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::depth).max().unwrap_or_default(),
            Self::Map(map) => map.values().map(Self::depth).max().unwrap_or_default(),
            _ => 0,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Number::Int(number))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::UInt(number), Self::Int)
    }
}

impl From<f64> for Number {
    /// A whole number that fits is an integer: that is what JSON makes of it on the way.
    fn from(number: f64) -> Self {
        const EXACT: f64 = 18_446_744_073_709_551_616.0;
        if number.fract() != 0.0 || number.abs() >= EXACT {
            return Self::Float(number);
        }
        let text = number.to_string();
        let parsed = text.parse().map(Self::Int).or_else(|_| text.parse().map(Self::UInt));
        parsed.unwrap_or(Self::Float(number))
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => Self::Number(
                number
                    .as_i64()
                    .map(Number::Int)
                    .or_else(|| number.as_u64().map(Number::UInt))
                    .unwrap_or_else(|| Number::from(number.as_f64().unwrap_or_default())),
            ),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(Number::Int(number)) => number.into(),
            Value::Number(Number::UInt(number)) => number.into(),
            Value::Number(Number::Float(number)) => number.into(),
            Value::String(text) => Self::String(text),
            Value::List(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Map(map) => {
                let entry = |(key, value): (Key, Value)| (key.into_string(), Self::from(value));
                Self::Object(map.into_iter().map(entry).collect())
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(Number::Int(number)) => serializer.serialize_i64(*number),
            Self::Number(Number::UInt(number)) => serializer.serialize_u64(*number),
            Self::Number(Number::Float(number)) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(map) => serializer.collect_map(map),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::Int(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::Float(number)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<Key, Value>()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}
