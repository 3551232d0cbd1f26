//! What is worked out once: functions that do not exist, constants that cannot be converted.

use crate::ast::{Expr, Kind};
use crate::budget::Budget;
use crate::call::{call, unfit};
use crate::value::Value;
use crate::{declarations, messages};

/// Functions whose result is worked out ahead where the argument is a constant.
const CONVERSIONS: [&str; 10] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

/// The name under which a call is looked up, and whether its target is part of that name.
pub(crate) fn function_name(name: &str, target: Option<&Expr>) -> (String, bool) {
    let full = target.and_then(Expr::path).map(|path| format!("{path}.{name}"));
    match full.filter(|full| declarations::function(full).is_some()) {
        Some(full) => (full, true),
        None => (name.trim_start_matches('.').to_owned(), false),
    }
}

/// Says why an expression cannot be evaluated at all; what is constant in it is worked out.
pub(crate) fn prepare(expr: &Expr) -> Result<(), String> {
    constant(expr).map(drop)
}

/// The value of an expression, if it is a constant to the reference.
fn constant(expr: &Expr) -> Result<Option<Value>, String> {
    match &expr.kind {
        Kind::Constant(value) => Ok(Some(value.clone())),
        Kind::List(items) => {
            let mut values = Vec::with_capacity(items.len());
            let mut whole = true;
            for item in items {
                match constant(&item.value)? {
                    Some(value) if !item.optional => values.push(value),
                    _ => whole = false,
                }
            }
            Ok(whole.then(|| Value::List(values.into())))
        }
        Kind::Call { name, target, arguments } => {
            let (name, namespaced) = function_name(name, target.as_deref());
            let target = target.as_deref().filter(|_| !namespaced);
            let mut values = Vec::new();
            for argument in target.into_iter().chain(arguments) {
                values.push(constant(argument)?);
            }
            if let Some(text) = unfit(&name, values.len()) {
                return Err(text);
            }
            match (name.as_str(), &values[..]) {
                (name, [Some(value)]) if CONVERSIONS.contains(&name) => {
                    let value =
                        call(name, std::slice::from_ref(value), &mut Budget::of_constants());
                    value.map(Some).map_err(|fault| fault.to_string())
                }
                ("matches", [_, Some(Value::Text(pattern))]) => {
                    let compiled = manifest::pattern::compile(pattern);
                    compiled.map(|_| None).map_err(|error| error.to_string())
                }
                _ => Ok(None),
            }
        }
        other => {
            if let Kind::Message { name, .. } = other
                && messages::message(name).is_none()
            {
                return Err(format!("unknown type: {name}"));
            }
            other.children().into_iter().try_for_each(|child| constant(child).map(drop))?;
            Ok(None)
        }
    }
}
