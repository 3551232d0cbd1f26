//! Equality and order across kinds of numbers.

use std::cmp::Ordering;

use crate::fault::{Fault, Result};
use crate::value::Value;

/// Whether two values are the same; numbers of different kinds may be.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) | (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Timestamp(a, _), Value::Timestamp(b, _)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b),
            (a, b) => a.is_none() && b.is_none(),
        },
        _ => matches!(numbers(left, right), Ok(Some(Ordering::Equal))),
    }
}

/// The order of two values of comparable kinds.
pub(crate) fn order(left: &Value, right: &Value) -> Result<Ordering> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
        (Value::Timestamp(a, _), Value::Timestamp(b, _)) => Ok(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
        _ => numbers(left, right)?.ok_or_else(|| Fault::of("NaN values cannot be ordered")),
    }
}

/// The order of two numbers, if they have one.
#[expect(clippy::cast_precision_loss, reason = "the reference compares doubles, too")]
fn numbers(left: &Value, right: &Value) -> Result<Option<Ordering>> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Int(_), Value::Double(b)) if *b < -TWO_TO_63 => Some(Ordering::Greater),
        (Value::Int(_), Value::Double(b)) if *b > TWO_TO_63 => Some(Ordering::Less),
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Uint(_), Value::Double(b)) if *b < 0.0 => Some(Ordering::Greater),
        (Value::Uint(_), Value::Double(b)) if *b > TWO_TO_64 => Some(Ordering::Less),
        (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(_), Value::Int(_) | Value::Uint(_)) => {
            numbers(right, left)?.map(Ordering::reverse)
        }
        _ => return Err(Fault::no_overload()),
    })
}
