//! Functions of texts. Offsets count code points.

use std::sync::Arc;

use crate::budget::Budget;
use crate::fault::{Fault, Result};
use crate::value::Value;

/// A method of a text.
pub(crate) fn call(
    name: &str,
    text: &str,
    arguments: &[Value],
    budget: &mut Budget,
) -> Result<Value> {
    budget.units(text.len())?;
    let result = match (name, arguments) {
        ("charAt", [Value::Int(at)]) => char_at(text, *at)?.into(),
        ("indexOf", [Value::Text(part)]) => Value::Int(index_of(text, part, 0)?),
        ("indexOf", [Value::Text(part), Value::Int(from)]) => {
            Value::Int(index_of(text, part, *from)?)
        }
        ("lastIndexOf", [Value::Text(part)]) => Value::Int(last_index_of(text, part, None)?),
        ("lastIndexOf", [Value::Text(part), Value::Int(from)]) => {
            Value::Int(last_index_of(text, part, Some(*from))?)
        }
        ("lowerAscii", []) => text.to_ascii_lowercase().into(),
        ("upperAscii", []) => text.to_ascii_uppercase().into(),
        ("trim", []) => text.trim().into(),
        ("reverse", []) => text.chars().rev().collect::<String>().into(),
        ("replace", [Value::Text(old), Value::Text(new)]) => {
            replace(text, (old, new), usize::MAX, budget)?
        }
        ("replace", [Value::Text(old), Value::Text(new), Value::Int(times)]) => {
            replace(text, (old, new), usize::try_from(*times).unwrap_or(usize::MAX), budget)?
        }
        ("split", [Value::Text(separator)]) => split(text, separator, usize::MAX),
        ("split", [Value::Text(separator), Value::Int(parts)]) => {
            split(text, separator, usize::try_from(*parts).unwrap_or(usize::MAX))
        }
        ("substring", [Value::Int(start)]) => substring(text, *start, None)?.into(),
        ("substring", [Value::Int(start), Value::Int(end)]) => {
            substring(text, *start, Some(*end))?.into()
        }
        _ => return Err(Fault::no_overload()),
    };
    budget.units(result.size())?;
    Ok(result)
}

fn out_of_range(at: i64) -> Fault {
    Fault::of(format!("index out of range: {at}"))
}

fn char_at(text: &str, at: i64) -> Result<String> {
    let length = text.chars().count();
    let index = usize::try_from(at).ok().filter(|index| *index <= length);
    let index = index.ok_or_else(|| out_of_range(at))?;
    Ok(text.chars().nth(index).map(String::from).unwrap_or_default())
}

/// The offset in bytes of a code point.
fn bytes_before(text: &str, points: usize) -> usize {
    text.char_indices().nth(points).map_or(text.len(), |(at, _)| at)
}

fn points(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn index_of(text: &str, part: &str, from: i64) -> Result<i64> {
    if part.is_empty() {
        return Ok(from);
    }
    let start = usize::try_from(from).map_err(|_| out_of_range(from))?;
    let start = bytes_before(text, start);
    Ok(text[start..].find(part).map_or(-1, |at| points(&text[..start + at])))
}

fn last_index_of(text: &str, part: &str, from: Option<i64>) -> Result<i64> {
    let length = points(text);
    if part.is_empty() {
        return Ok(from.unwrap_or(length));
    }
    if from.is_none() && text.len() < part.len() {
        return Ok(-1);
    }
    let from = from.unwrap_or(length - 1);
    let start = usize::try_from(from).map_err(|_| out_of_range(from))?;
    if from >= length {
        return Ok(-1);
    }
    // The part may begin at `from` at the latest.
    let last = bytes_before(text, start).saturating_add(part.len()).min(text.len());
    let last = (last..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let found = text[..last].rmatch_indices(part).map(|(at, _)| points(&text[..at]));
    Ok(found.into_iter().find(|at| *at <= from).unwrap_or(-1))
}

fn replace(
    text: &str,
    (old, new): (&str, &str),
    times: usize,
    budget: &mut Budget,
) -> Result<Value> {
    let found = text.matches(old).count().min(times);
    budget.units(found.saturating_mul(new.len()))?;
    Ok(text.replacen(old, new, times).into())
}

fn split(text: &str, separator: &str, parts: usize) -> Value {
    let parts: Vec<&str> = if separator.is_empty() {
        let mut chars: Vec<&str> = text.split("").filter(|part| !part.is_empty()).collect();
        if parts < chars.len() && parts > 0 {
            let rest = chars[..parts - 1].iter().map(|part| part.len()).sum::<usize>();
            chars.truncate(parts - 1);
            chars.push(&text[rest..]);
        } else if parts == 0 {
            chars.clear();
        }
        chars
    } else {
        text.splitn(parts, separator).collect()
    };
    Value::List(parts.into_iter().map(Value::from).collect())
}

fn substring(text: &str, start: i64, end: Option<i64>) -> Result<String> {
    let length = points(text);
    if let Some(end) = end
        && start > end
    {
        let text = format!("invalid substring range. start: {start}, end: {end}");
        return Err(Fault::of(text));
    }
    let offset = |at: i64| {
        let index = usize::try_from(at).ok().filter(|_| at <= length);
        index.map(|index| bytes_before(text, index)).ok_or_else(|| out_of_range(at))
    };
    let start = offset(start)?;
    Ok(text[start..end.map_or(Ok(text.len()), offset)?].to_owned())
}

/// Texts of a list with a separator between them.
pub(crate) fn join(items: &[Value], separator: &str, budget: &mut Budget) -> Result<Value> {
    let texts: Vec<&str> = items
        .iter()
        .map(|item| item.as_text().ok_or_else(|| Fault::of(format!("join: invalid input: {item}"))))
        .collect::<Result<_>>()?;
    let size: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    budget.units(size)?;
    Ok(texts.join(separator).into())
}

/// A text in quotes.
pub(crate) fn quote(text: &str) -> Value {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    Value::Text(Arc::from(out))
}
