//! Values of one type → another.

use api::duration::GoDuration;

use crate::fault::{Fault, Result};
use crate::time;
use crate::value::Value;

const INTEGER: &str = "integer overflow";
const UNSIGNED: &str = "unsigned integer overflow";

/// `int("1")` and its like: the value as the type of that name.
pub(crate) fn convert(name: &str, value: &Value) -> Result<Value> {
    let impossible = || {
        let to = match name {
            "timestamp" => "google.protobuf.Timestamp",
            "duration" => "google.protobuf.Duration",
            other => other,
        };
        let from = value.type_name();
        Fault::of(format!("type conversion error from '{from}' to '{to}'"))
    };
    if value.type_name().trim_start_matches("google.protobuf.").to_ascii_lowercase() == name {
        return Ok(value.clone());
    }
    match (name, value) {
        ("int", value) => to_int(value, impossible),
        ("uint", value) => to_uint(value, impossible),
        ("string", value) => to_text(value, impossible),
        ("double", Value::Text(text)) => text.parse().map(Value::Double).map_err(|_| impossible()),
        #[expect(clippy::cast_precision_loss, reason = "doubles are what is asked for")]
        ("double", Value::Int(number)) => Ok(Value::Double(*number as f64)),
        #[expect(clippy::cast_precision_loss, reason = "doubles are what is asked for")]
        ("double", Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        ("bool", Value::Text(text)) => match &**text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(impossible()),
        },
        ("bytes", Value::Text(text)) => Ok(Value::Bytes(text.as_bytes().into())),
        ("duration", Value::Text(text)) => {
            let span: GoDuration = text.parse().map_err(|_| impossible())?;
            Ok(Value::Duration(span.nanoseconds()))
        }
        ("timestamp", Value::Int(seconds)) => time::from_seconds(*seconds, 0),
        ("timestamp", Value::Text(text)) => {
            time::parse_timestamp(text).unwrap_or_else(|| Err(impossible()))
        }
        _ => Err(impossible()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounds are checked before")]
fn to_int(value: &Value, impossible: impl Fn() -> Fault) -> Result<Value> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let number = match value {
        Value::Double(number) if *number > -BOUND && *number < BOUND => *number as i64,
        Value::Double(_) => return Err(Fault::of(INTEGER)),
        Value::Uint(number) => i64::try_from(*number).map_err(|_| Fault::of(INTEGER))?,
        Value::Text(text) => text.parse().map_err(|_| impossible())?,
        Value::Timestamp(at, _) => return Ok(time::to_seconds(*at)),
        Value::Duration(nanoseconds) => *nanoseconds,
        _ => return Err(impossible()),
    };
    Ok(Value::Int(number))
}

#[expect(clippy::cast_possible_truncation, reason = "bounds are checked before")]
#[expect(clippy::cast_sign_loss, reason = "bounds are checked before")]
fn to_uint(value: &Value, impossible: impl Fn() -> Fault) -> Result<Value> {
    const BOUND: f64 = 18_446_744_073_709_551_616.0;
    let number = match value {
        Value::Double(number) if *number >= 0.0 && *number < BOUND => *number as u64,
        Value::Double(_) => return Err(Fault::of(UNSIGNED)),
        Value::Int(number) => u64::try_from(*number).map_err(|_| Fault::of(UNSIGNED))?,
        Value::Text(text) if !text.starts_with('+') => text.parse().map_err(|_| impossible())?,
        _ => return Err(impossible()),
    };
    Ok(Value::Uint(number))
}

fn to_text(value: &Value, impossible: impl Fn() -> Fault) -> Result<Value> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .map(Value::from)
            .map_err(|_| Fault::of("invalid UTF-8 in bytes, cannot convert to string")),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Uint(_)
        | Value::Double(_)
        | Value::Timestamp(..)
        | Value::Duration(_) => Ok(Value::from(value.to_string())),
        _ => Err(impossible()),
    }
}

/// A double as Go's shortest `%g`.
pub(crate) fn double_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        manifest::yaml::general(number)
    }
}
