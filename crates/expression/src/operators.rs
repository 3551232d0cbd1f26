//! Operators on values.

use std::cmp::Ordering;

use crate::budget::Budget;
use crate::compare::{equal, order};
use crate::fault::{Fault, Result};
use crate::time;
use crate::value::{Key, Value};

/// An operator with two operands.
pub(crate) fn binary(
    name: &str,
    left: &Value,
    right: &Value,
    budget: &mut Budget,
) -> Result<Value> {
    budget.units(left.size().min(right.size()))?;
    match name {
        "_==_" => Ok(Value::Bool(equal(left, right))),
        "_!=_" => Ok(Value::Bool(!equal(left, right))),
        "@in" => contains(right, left, budget),
        "_<_" | "_<=_" | "_>_" | "_>=_" => {
            demand(
                name,
                left,
                matches!(
                    left,
                    Value::Bool(_)
                        | Value::Bytes(_)
                        | Value::Double(_)
                        | Value::Duration(_)
                        | Value::Int(_)
                        | Value::Text(_)
                        | Value::Timestamp(..)
                        | Value::Uint(_)
                ),
            )?;
            let order = order(left, right)?;
            Ok(Value::Bool(match name {
                "_<_" => order == Ordering::Less,
                "_<=_" => order != Ordering::Greater,
                "_>_" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        _ => arithmetic(name, left, right, budget),
    }
}

/// Refuses an operand whose type knows no such operator.
fn demand(name: &str, operand: &Value, known: bool) -> Result<()> {
    if known {
        return Ok(());
    }
    Err(unknown(name, operand))
}

/// How the reference says that a value has no function of a name: some of its types are asked
/// themselves and do not say which.
pub(crate) fn unknown(name: &str, receiver: &Value) -> Fault {
    match receiver {
        Value::Text(_) | Value::Timestamp(..) | Value::Duration(_) => Fault::no_overload(),
        _ => Fault::of(format!("no such overload: {name}")),
    }
}

fn contains(collection: &Value, item: &Value, budget: &mut Budget) -> Result<Value> {
    budget.units(collection.size())?;
    match collection {
        Value::List(items) => Ok(Value::Bool(items.iter().any(|other| equal(item, other)))),
        Value::Map(map) => Ok(Value::Bool(Key::of(item).is_some_and(|key| map.contains_key(&key)))),
        _ => Err(Fault::no_overload()),
    }
}

fn arithmetic(name: &str, left: &Value, right: &Value, budget: &mut Budget) -> Result<Value> {
    let is_number = matches!(left, Value::Int(_) | Value::Uint(_) | Value::Double(_));
    let is_time = matches!(left, Value::Timestamp(..) | Value::Duration(_));
    let is_sequence = matches!(left, Value::Text(_) | Value::Bytes(_) | Value::List(_));
    let known = match name {
        "_+_" => is_number || is_time || is_sequence,
        "_-_" => is_number || is_time,
        "_%_" => is_number && !matches!(left, Value::Double(_)),
        _ => is_number,
    };
    demand(name, left, known)?;
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => signed(name, *a, *b).map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => unsigned(name, *a, *b).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(match name {
            "_+_" => a + b,
            "_-_" => a - b,
            "_*_" => a * b,
            _ => a / b,
        })),
        _ if is_time => times(name == "_-_", left, right),
        _ => concatenate(left, right, budget),
    }
}

fn concatenate(left: &Value, right: &Value, budget: &mut Budget) -> Result<Value> {
    budget.units(left.size().saturating_add(right.size()))?;
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Ok(Value::from(format!("{a}{b}"))),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        (Value::List(a), Value::List(b)) => {
            Ok(Value::List(a.iter().chain(b.iter()).cloned().collect()))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn signed(name: &str, a: i64, b: i64) -> Result<i64> {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(Fault::of("division by zero")),
        "_%_" if b == 0 => return Err(Fault::of("modulus by zero")),
        "_/_" => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or_else(|| Fault::of("integer overflow"))
}

fn unsigned(name: &str, a: u64, b: u64) -> Result<u64> {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(Fault::of("division by zero")),
        "_%_" if b == 0 => return Err(Fault::of("modulus by zero")),
        "_/_" => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or_else(|| Fault::of("unsigned integer overflow"))
}

fn times(minus: bool, left: &Value, right: &Value) -> Result<Value> {
    let overflow = || Fault::of("duration overflow");
    match (left, right, minus) {
        (Value::Duration(a), Value::Duration(b), false) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(overflow)
        }
        (Value::Duration(a), Value::Duration(b), true) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow)
        }
        (Value::Timestamp(at, offset), Value::Duration(span), false)
        | (Value::Duration(span), Value::Timestamp(at, offset), false) => {
            time::later(*at, *offset, *span)
        }
        (Value::Timestamp(at, offset), Value::Duration(span), true) => {
            time::later(*at, *offset, span.checked_neg().ok_or_else(overflow)?)
        }
        (Value::Timestamp(a, _), Value::Timestamp(b, _), true) => time::between(*a, *b),
        _ => Err(Fault::no_overload()),
    }
}

/// `-` before a value.
pub(crate) fn negative(value: &Value) -> Result<Value> {
    let overflow = |what: &str| Fault::of(format!("{what} overflow"));
    match value {
        Value::Int(number) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| overflow("integer"))
        }
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(span) => {
            span.checked_neg().map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        Value::Bool(_) => Err(Fault::no_overload()),
        other => Err(unknown("-_", other)),
    }
}
