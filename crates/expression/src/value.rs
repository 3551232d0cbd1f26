//! Values while an expression is evaluated.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use manifest::value::Number;

use crate::types::Type;

/// What an expression gives.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<[Value]>),
    /// A map.
    Map(Arc<BTreeMap<Key, Value>>),
    /// A point in time in UTC, and the offset that it was written with.
    Timestamp(DateTime, Offset),
    /// A span of time in nanoseconds.
    Duration(i64),
    /// A value that may be missing.
    Optional(Option<Arc<Value>>),
    /// A type, by its name.
    Type(Arc<str>),
}

/// What a map may be indexed with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `true` or `false`.
    Bool(bool),
    /// An integer of either kind that a signed one holds.
    Int(i64),
    /// A larger one.
    Uint(u64),
    /// A text.
    Text(Arc<str>),
}

impl Key {
    /// The key that a value is, if it can be one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(Self::Bool(*truth)),
            Value::Int(number) => Some(Self::Int(*number)),
            Value::Uint(number) => {
                Some(i64::try_from(*number).map_or(Self::Uint(*number), Self::Int))
            }
            Value::Double(_) => whole(value).map(Self::Int),
            Value::Text(text) => Some(Self::Text(Arc::clone(text))),
            _ => None,
        }
    }

    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::Text(text) => Value::Text(Arc::clone(text)),
        }
    }
}

/// The integer that a number is without loss.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
        #[expect(clippy::cast_precision_loss, reason = "compared with what it was")]
        Value::Double(number) => {
            let whole = *number as i64;
            (whole as f64).to_bits().eq(&(number + 0.0).to_bits()).then_some(whole)
        }
        _ => None,
    }
}

impl From<&manifest::Value> for Value {
    /// Every integer that fits is signed, however it is spelled.
    fn from(value: &manifest::Value) -> Self {
        match value {
            manifest::Value::Bool(truth) => Self::Bool(*truth),
            manifest::Value::Number(numeral) => match numeral.number() {
                Number::Int(number) => Self::Int(number),
                Number::UInt(number) => Self::Uint(number),
                Number::Float(number) => Self::Double(number),
            },
            manifest::Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            manifest::Value::Map(map) => Self::Map(Arc::new(
                map.iter()
                    .map(|(key, value)| (Key::Text(key.as_str().into()), value.into()))
                    .collect(),
            )),
            other => other.as_str().map_or(Self::Null, Self::from),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl Value {
    pub(crate) fn optional(value: Option<Self>) -> Self {
        Self::Optional(value.map(Arc::new))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What is known of it before evaluation.
    pub(crate) fn static_type(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(..) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Type(_) => Type::Kind(None),
        }
    }

    /// The name of its type, as `type()` gives it.
    pub fn type_name(&self) -> &'static str {
        self.static_type().name()
    }

    /// How the reference's own code calls the type.
    pub(crate) fn go_name(&self) -> &'static str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "types.Bool",
            Self::Int(_) => "types.Int",
            Self::Uint(_) => "types.Uint",
            Self::Double(_) => "types.Double",
            Self::Text(_) => "types.String",
            Self::Bytes(_) => "types.Bytes",
            Self::List(_) => "*types.baseList",
            Self::Map(_) => "*types.baseMap",
            Self::Timestamp(..) => "types.Timestamp",
            Self::Duration(_) => "types.Duration",
            Self::Optional(_) => "*types.Optional",
            Self::Type(_) => "*types.Type",
        }
    }

    /// Whether it is the zero of its type.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(truth) => !truth,
            Self::Int(number) | Self::Duration(number) => *number == 0,
            Self::Uint(number) => *number == 0,
            Self::Double(number) => *number == 0.0,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Optional(inner) => inner.is_none(),
            Self::Timestamp(..) | Self::Type(_) => false,
        }
    }

    /// How much it weighs when it is copied, compared or searched.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.len(),
            Self::Map(map) => map.len(),
            _ => 1,
        }
    }
}

/// As it stands in messages.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(truth) => write!(out, "{truth}"),
            Self::Int(number) => write!(out, "{number}"),
            Self::Uint(number) => write!(out, "{number}"),
            Self::Double(number) => out.write_str(&crate::convert::double_text(*number)),
            Self::Text(text) | Self::Type(text) => out.write_str(text),
            Self::Bytes(bytes) => write!(out, "{bytes:?}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(out, "[{}]", items.join(", "))
            }
            Self::Map(map) => {
                let pairs: Vec<_> =
                    map.iter().map(|(key, value)| format!("{}: {value}", key.value())).collect();
                write!(out, "{{{}}}", pairs.join(", "))
            }
            Self::Timestamp(at, offset) => {
                out.write_str(&crate::time::timestamp_text(*at, *offset))
            }
            Self::Duration(nanoseconds) => out.write_str(&crate::time::duration_text(*nanoseconds)),
            Self::Optional(None) => out.write_str("optional.none()"),
            Self::Optional(Some(inner)) => write!(out, "optional({inner})"),
        }
    }
}
