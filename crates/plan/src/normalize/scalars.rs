//! Scalars, and the types of Kubernetes that write themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use manifest::Value;
use manifest::value::Number;

use super::quantity;

/// A type of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Truth,
    Int32,
    Int64,
    Float,
    Bytes,
    Quantity,
    Time,
    MicroTime,
    IntOrText,
    /// Any tree.
    Raw,
}

impl Scalar {
    pub(super) fn of(letter: char) -> Option<Self> {
        Some(match letter {
            's' => Self::Text,
            'b' => Self::Truth,
            'j' => Self::Int32,
            'i' => Self::Int64,
            'f' => Self::Float,
            'B' => Self::Bytes,
            'q' => Self::Quantity,
            't' => Self::Time,
            'u' => Self::MicroTime,
            'x' => Self::IntOrText,
            'r' => Self::Raw,
            _ => return None,
        })
    }

    /// Whether Go knows when it is empty; the others are structures.
    pub(super) fn is_plain(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Truth | Self::Int32 | Self::Int64 | Self::Float | Self::Bytes
        )
    }
}

/// What is there when nobody wrote anything.
pub(super) fn zero(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Text => "".into(),
        Scalar::Truth => false.into(),
        Scalar::Int32 | Scalar::Int64 | Scalar::IntOrText => 0_i64.into(),
        Scalar::Float => Value::from(Number::Float(0.0)),
        Scalar::Quantity => "0".into(),
        Scalar::Bytes | Scalar::Time | Scalar::MicroTime | Scalar::Raw => Value::Null,
    }
}

/// The value as it is written; `None` if it does not fit.
pub(super) fn convert(value: &Value, scalar: Scalar) -> Option<Value> {
    match scalar {
        Scalar::Text => Some(value.as_str()?.into()),
        Scalar::Truth => Some(value.as_bool()?.into()),
        // Go lets a number that does not fit wrap; it stays as written, for the server to name it
        // (decisions.md, normalisation).
        Scalar::Int32 | Scalar::Int64 => whole(value),
        Scalar::Float => number(value).map(Value::from),
        Scalar::Bytes => bytes(value.as_str()?),
        Scalar::Quantity => quantity::canonical(&text_of(value)?).map(Value::from),
        Scalar::Time => time(value.as_str()?, 0),
        Scalar::MicroTime => time(value.as_str()?, 6),
        Scalar::IntOrText => match value {
            Value::String(text) => Some((&**text).into()),
            _ => value.as_i64().filter(|number| i32::try_from(*number).is_ok()).map(Value::from),
        },
        Scalar::Raw => Some(value.clone()),
    }
}

fn number(value: &Value) -> Option<Number> {
    if let Value::Number(numeral) = value { Some(numeral.number()) } else { None }
}

/// A whole number; a fraction is none.
fn whole(value: &Value) -> Option<Value> {
    match number(value)? {
        Number::Float(float) => {
            // The shortest spelling of a whole double has nothing behind a point.
            let text = format!("{float}");
            Some(text.parse::<i64>().ok()?.into())
        }
        number => Some(Value::from(number)),
    }
}

/// Base64 in its usual form; breaks inside are left out.
fn bytes(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some("".into());
    }
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    Some(STANDARD.encode(STANDARD.decode(packed).ok()?).into())
}

/// A time in UTC with this many digits of its second.
fn time(text: &str, digits: usize) -> Option<Value> {
    let time: Timestamp = text.parse().ok()?;
    Some(format!("{time:.digits$}").into())
}

/// The text of a quantity: a number counts as it is written.
fn text_of(value: &Value) -> Option<String> {
    matches!(value, Value::String(_) | Value::Number(_)).then(|| value.to_text())
}
