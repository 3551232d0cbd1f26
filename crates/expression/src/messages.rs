//! Names of types, and the messages that can be made: the well-known ones, which are values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault::{Fault, Result};
use crate::time;
use crate::types::Type;
use crate::value::Value;

/// A message that is a value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Timestamp,
    Duration,
    Struct,
    List,
    Value,
    Bool,
    Bytes,
    Double,
    Int,
    Text,
    Uint,
}

const PREFIX: &str = "google.protobuf.";

/// The message of a name.
pub(crate) fn message(name: &str) -> Option<Message> {
    Some(match name.trim_start_matches('.').strip_prefix(PREFIX)? {
        "Timestamp" => Message::Timestamp,
        "Duration" => Message::Duration,
        "Struct" => Message::Struct,
        "ListValue" => Message::List,
        "Value" => Message::Value,
        "BoolValue" => Message::Bool,
        "BytesValue" => Message::Bytes,
        "DoubleValue" | "FloatValue" => Message::Double,
        "Int32Value" | "Int64Value" => Message::Int,
        "StringValue" => Message::Text,
        "UInt32Value" | "UInt64Value" => Message::Uint,
        _ => return None,
    })
}

/// The type of a name.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "string" => Type::Text,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "null_type" => Type::Null,
        "type" => Type::Kind(None),
        "optional_type" => Type::optional(Type::Dyn),
        other => message(other)?.kind(),
    })
}

impl Message {
    pub(crate) fn kind(self) -> Type {
        let wrapper = |inner| Type::Wrapper(Arc::new(inner));
        match self {
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::Struct => Type::map(Type::Text, Type::Dyn),
            Self::List => Type::list(Type::Dyn),
            Self::Value => Type::Dyn,
            Self::Bool => wrapper(Type::Bool),
            Self::Bytes => wrapper(Type::Bytes),
            Self::Double => wrapper(Type::Double),
            Self::Int => wrapper(Type::Int),
            Self::Text => wrapper(Type::Text),
            Self::Uint => wrapper(Type::Uint),
        }
    }

    /// The type of a field.
    pub(crate) fn field(self, name: &str) -> Option<Type> {
        Some(match (self, name) {
            (Self::Timestamp | Self::Duration, "seconds" | "nanos") => Type::Int,
            (Self::Value, "null_value") => Type::Null,
            (Self::Value, "number_value") => Type::Double,
            (Self::Value, "string_value") => Type::Text,
            (Self::Value, "bool_value") => Type::Bool,
            (Self::Struct, "fields") | (Self::Value, "struct_value") => {
                Type::map(Type::Text, Type::Dyn)
            }
            (Self::List, "values") | (Self::Value, "list_value") => Type::list(Type::Dyn),
            (Self::Timestamp | Self::Duration | Self::Struct | Self::List | Self::Value, _) => {
                return None;
            }
            (_, "value") => match self.kind() {
                Type::Wrapper(inner) => (*inner).clone(),
                other => other,
            },
            _ => return None,
        })
    }

    /// The value that a message with these fields is.
    pub(crate) fn make(self, mut fields: BTreeMap<String, Value>) -> Result<Value> {
        if let Some(unknown) = fields.keys().find(|name| self.field(name).is_none()) {
            return Err(Fault::of(format!("no such field: {unknown}")));
        }
        let number = |fields: &BTreeMap<String, Value>, name: &str| match fields.get(name) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        };
        let (seconds, nanos) = (number(&fields, "seconds"), number(&fields, "nanos"));
        let only = |fields: &mut BTreeMap<String, Value>, default: Value| {
            fields.pop_first().map_or(default, |(_, value)| value)
        };
        Ok(match self {
            Self::Timestamp => {
                let nanos = i32::try_from(nanos).map_err(|_| Fault::of("timestamp overflow"))?;
                time::from_seconds(seconds, nanos)?
            }
            Self::Duration => {
                let total = seconds.checked_mul(1_000_000_000).and_then(|s| s.checked_add(nanos));
                Value::Duration(total.ok_or_else(|| Fault::of("duration overflow"))?)
            }
            Self::Struct => only(&mut fields, Value::Map(Arc::default())),
            Self::List => only(&mut fields, Value::List(Vec::new().into())),
            Self::Value => only(&mut fields, Value::Null),
            Self::Bool => only(&mut fields, Value::Bool(false)),
            Self::Bytes => only(&mut fields, Value::Bytes(Vec::new().into())),
            Self::Double => only(&mut fields, Value::Double(0.0)),
            Self::Int => only(&mut fields, Value::Int(0)),
            Self::Text => only(&mut fields, Value::from("")),
            Self::Uint => only(&mut fields, Value::Uint(0)),
        })
    }
}
