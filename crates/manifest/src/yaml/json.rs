//! Trees → JSON as Go's encoder prints it.

use std::borrow::Cow;
use std::fmt::Write;

use crate::value::{Number, Value};

/// Go's shortest `%g` has an exponent from here on.
const GENERAL_DIGITS: i32 = 6;

/// Writes JSON as Go's encoder does: keys sorted by bytes, `<`, `>` and `&` escaped.
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    json(value, &mut out);
    out
}

/// A number, a truth value or null.
pub(super) fn plain_text(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::Number(numeral) => match numeral.number() {
            Number::Int(number) => number.to_string().into(),
            Number::UInt(number) => number.to_string().into(),
            Number::Float(number) => general(number).into(),
        },
        _ => "null".into(),
    }
}

/// Go's shortest `%g`, which is how YAML spells a double.
pub fn general<T: std::fmt::Display + std::fmt::LowerExp>(number: T) -> String {
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..GENERAL_DIGITS).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn json(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => json_text(text, out),
        Value::Number(numeral) => match numeral.number() {
            Number::Float(number) => out.push_str(&json_float(number)),
            _ => out.push_str(&plain_text(value)),
        },
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text(key, out);
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&plain_text(other)),
    }
}

fn json_float(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    format!("{number}")
}

fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
