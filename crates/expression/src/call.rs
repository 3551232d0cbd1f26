//! Functions of values: from a name and arguments to a result.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::budget::Budget;
use crate::compare::equal;
use crate::convert::convert;
use crate::declarations::{self, Function, Shape};
use crate::fault::{Fault, Result};
use crate::operators::{binary, negative, unknown};
use crate::types::Type;
use crate::value::Value;
use crate::{format, text, time};

/// Why a call cannot even be prepared, whatever its arguments are.
pub(crate) fn unfit(name: &str, arguments: usize) -> Option<String> {
    let function = declarations::function(name);
    let shape = function.map(|function| function.shape);
    let shown = match (arguments, shape) {
        (0, Some(Shape::Many))
        | (1, Some(Shape::Unary | Shape::Many | Shape::Lazy) | None)
        | (2, Some(Shape::Binary | Shape::Many | Shape::Lazy) | None)
        | (3.., Some(Shape::Many | Shape::Lazy) | None) => return None,
        (0, _) => "",
        (1, _) => "arg",
        (2, _) => "lhs, rhs",
        _ => "...",
    };
    Some(format!("no such overload: {name}({shown})"))
}

/// Calls a function; a receiver is its first argument.
pub(crate) fn call(name: &str, arguments: &[Value], budget: &mut Budget) -> Result<Value> {
    let Some(function) = declarations::function(name) else {
        return Err(arguments
            .first()
            .map_or_else(Fault::no_overload, |first| unknown(name, first)));
    };
    guard(name, function, arguments)?;
    match (name, arguments) {
        ("!_", [Value::Bool(truth)]) => Ok(Value::Bool(!truth)),
        ("!_", _) => Err(Fault::no_overload()),
        ("-_", [value]) => negative(value),
        ("type", [value]) => Ok(Value::Type(value.type_name().into())),
        ("dyn", [value]) => Ok(value.clone()),
        ("size", [value]) => size(value),
        (
            "bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint",
            [value],
        ) => {
            budget.units(value.size())?;
            convert(name, value)
        }
        ("matches", [Value::Text(text), Value::Text(pattern)]) => {
            budget.units(text.len() + pattern.len())?;
            let pattern = manifest::pattern::compile(pattern);
            let pattern = pattern.map_err(|error| Fault::of(error.to_string()))?;
            Ok(Value::Bool(pattern.is_match(text)))
        }
        ("matches", [first, _]) if first.as_text().is_none() => Err(unknown(name, first)),
        ("contains" | "startsWith" | "endsWith", [Value::Text(text), Value::Text(part)]) => {
            budget.units(text.len())?;
            Ok(Value::Bool(match name {
                "contains" => text.contains(&**part),
                "startsWith" => text.starts_with(&**part),
                _ => text.ends_with(&**part),
            }))
        }
        ("strings.quote", [Value::Text(text)]) => {
            budget.units(text.len())?;
            Ok(text::quote(text))
        }
        ("format", [Value::Text(text), Value::List(items)]) => {
            budget.units(text.len() + items.iter().map(Value::size).sum::<usize>())?;
            format::format(text, items)
        }
        ("join", [Value::List(items)]) => text::join(items, "", budget),
        ("join", [Value::List(items), Value::Text(between)]) => text::join(items, between, budget),
        _ if name.starts_with("base64.") => base64(arguments, budget),
        _ if name.starts_with("sets.") => sets(name, arguments, budget),
        ("first", [Value::List(items)]) => Ok(Value::optional(items.first().cloned())),
        ("last", [Value::List(items)]) => Ok(Value::optional(items.last().cloned())),
        ("optional.of", [value]) => Ok(Value::optional(Some(value.clone()))),
        ("optional.ofNonZeroValue", [value]) => {
            Ok(Value::optional((!value.is_zero()).then(|| value.clone())))
        }
        ("optional.none", []) => Ok(Value::Optional(None)),
        ("optional.unwrap" | "unwrapOpt", [Value::List(items)]) => unwrap(items),
        ("hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("value", [Value::Optional(inner)]) => match inner {
            Some(inner) => Ok((**inner).clone()),
            None => Err(Fault::of("optional.none() dereference")),
        },
        _ if name.starts_with("get") => time::part(name, arguments),
        (_, [left, right]) if name.starts_with(['_', '@']) => binary(name, left, right, budget),
        (_, [Value::Text(text), rest @ ..]) => text::call(name, text, rest, budget),
        _ => Err(Fault::no_overload()),
    }
}

/// Refuses arguments whose types no signature has.
fn guard(name: &str, function: &Function, arguments: &[Value]) -> Result<()> {
    let fits = function.signatures.iter().any(|signature| {
        signature.arguments.len() == arguments.len()
            && signature.arguments.iter().zip(arguments).all(|(kind, value)| is_of(kind, value))
    });
    if fits || !function.guarded {
        return Ok(());
    }
    let names: Vec<_> = arguments.iter().map(Value::type_name).collect();
    Err(Fault::of(format!("no such overload: {name}({})", names.join(", "))))
}

/// Whether a value is of a type, judged by the first item of a list.
fn is_of(kind: &Type, value: &Value) -> bool {
    match (kind, value) {
        (Type::Dyn | Type::Param(_), _) => true,
        (Type::List(item), Value::List(items)) => {
            items.first().is_none_or(|first| is_of(item, first))
        }
        (kind, value) => kind.name() == value.type_name(),
    }
}

fn size(value: &Value) -> Result<Value> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => value.size(),
        other => return Err(unknown("size", other)),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| Fault::of("integer overflow"))
}

fn base64(arguments: &[Value], budget: &mut Budget) -> Result<Value> {
    match arguments {
        [Value::Bytes(bytes)] => {
            budget.units(bytes.len())?;
            Ok(Value::from(STANDARD.encode(bytes)))
        }
        [Value::Text(text)] => {
            budget.units(text.len())?;
            // Go's decoder skips ends of lines.
            let text = text.replace(['\r', '\n'], "");
            let decoded = STANDARD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text));
            decoded.map(|bytes| Value::Bytes(bytes.into())).map_err(|error| {
                let at = match error {
                    base64::DecodeError::InvalidByte(at, _)
                    | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                    _ => text.len() / 4 * 4,
                };
                Fault::of(format!("illegal base64 data at input byte {at}"))
            })
        }
        _ => Err(Fault::no_overload()),
    }
}

fn sets(name: &str, arguments: &[Value], budget: &mut Budget) -> Result<Value> {
    let [Value::List(left), Value::List(right)] = arguments else {
        return Err(Fault::no_overload());
    };
    budget.units(left.len().saturating_mul(right.len()))?;
    let holds = |list: &[Value], item: &Value| list.iter().any(|other| equal(item, other));
    let all_in = |items: &[Value], list: &[Value]| items.iter().all(|item| holds(list, item));
    Ok(Value::Bool(match name {
        "sets.contains" => all_in(right, left),
        "sets.equivalent" => all_in(right, left) && all_in(left, right),
        _ => left.iter().any(|item| holds(right, item)),
    }))
}

fn unwrap(items: &[Value]) -> Result<Value> {
    let mut values = Vec::new();
    for item in items {
        match item {
            Value::Optional(Some(inner)) => values.push((**inner).clone()),
            Value::Optional(None) => {}
            other => return Err(Fault::of(format!("value {other} is not optional"))),
        }
    }
    Ok(Value::List(values.into()))
}
