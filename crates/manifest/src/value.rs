//! The ordered tree that every manifest is.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::text::{Style, Text};
use crate::{Key, Map, yaml};

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

/// A number, and its spelling where that is not the one that it is printed with (`017`, `1.10`).
/// Two are equal if they have the same value.
#[derive(Clone, Debug)]
pub struct Numeral {
    number: Number,
    spelling: Option<Box<str>>,
}

impl Numeral {
    /// A number as it was written.
    pub fn spelled(number: Number, text: &str) -> Self {
        Self { number, spelling: Some(text.into()) }
    }

    /// Its value.
    pub fn number(&self) -> Number {
        self.number
    }
}

impl From<Number> for Numeral {
    fn from(number: Number) -> Self {
        Self { number, spelling: None }
    }
}

impl PartialEq for Numeral {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
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
    Number(Numeral),
    /// Text.
    String(Text),
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
        let Self::Number(numeral) = self else { return None };
        if let Number::Int(number) = numeral.number { Some(number) } else { None }
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

    /// The text of a scalar as it was written, or would be; empty for null, lists and mappings.
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) => text.to_string(),
            Self::Number(Numeral { spelling: Some(text), .. }) => text.to_string(),
            Self::Null | Self::List(_) | Self::Map(_) => String::new(),
            scalar => yaml::to_json(scalar),
        }
    }

    /// Puts a text in the place of this, in the style of a text that was there.
    pub fn set_text(&mut self, text: &str) {
        let style = if let Self::String(old) = self { old.style() } else { Style::Plain };
        let style = if style.is_text() { style } else { Style::Plain };
        *self = Text::new(text, style).into();
    }

    /// Puts a scalar of this spelling in the place of this: text if a text in quotes was there, else
    /// whatever it means without quotes.
    pub fn set_scalar(&mut self, spelling: &str) {
        if matches!(self, Self::String(old) if old.style().is_text()) {
            return self.set_text(spelling);
        }
        *self = Text::new(spelling, Style::Open).into();
    }

    /// Makes folded texts literal ones, which do not change when they are printed and read again.
    pub fn unfold(&mut self) {
        match self {
            Self::String(text) if text.style() == Style::Folded => {
                *text = Text::new(&**text, Style::Literal);
            }
            Self::List(items) => items.iter_mut().for_each(Self::unfold),
            Self::Map(map) => map.values_mut().for_each(Self::unfold),
            _ => {}
        }
    }

    /// Makes this what it is once it was printed and read again, which fails where a text stands in a
    /// field of another type.
    pub fn settle(&mut self) -> Result<(), yaml::Error> {
        match self {
            Self::String(text) if text.style() == Style::Truth => {
                *self = Self::Bool(text.eq_ignore_ascii_case("true"));
            }
            Self::String(text) if text.style() == Style::Open => {
                *self = yaml::resolve_plain(text);
                self.settle()?;
            }
            Self::String(text) => text.settle()?,
            Self::Number(numeral) => numeral.spelling = None,
            Self::List(items) => items.iter_mut().try_for_each(Self::settle)?,
            Self::Map(map) => map.values_mut().try_for_each(Self::settle)?,
            Self::Null | Self::Bool(_) => {}
        }
        Ok(())
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
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
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
        Number::Int(number).into()
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
        Self::Number(number.into())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map(Number::Int)
                .or_else(|| number.as_u64().map(Number::UInt))
                .unwrap_or_else(|| Number::from(number.as_f64().unwrap_or_default()))
                .into(),
            serde_json::Value::String(text) => text.into(),
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
            Value::Number(numeral) => match numeral.number {
                Number::Int(number) => number.into(),
                Number::UInt(number) => number.into(),
                Number::Float(number) => number.into(),
            },
            Value::String(text) => Self::String(text.into_string()),
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
            Self::Number(numeral) => match numeral.number {
                Number::Int(number) => serializer.serialize_i64(number),
                Number::UInt(number) => serializer.serialize_u64(number),
                Number::Float(number) => serializer.serialize_f64(number),
            },
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
        Ok(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Number::from(number).into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::Float(number).into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
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
