//! A value put in another's place.

use manifest::value::Number;
use manifest::{Style, Tag, Text, Value, yaml};

use crate::Error;
use crate::kustomization::FieldOptions;
use crate::resource::TEXT_BYTES_MAX;

/// Whether a field was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has a type that it keeps.
    There,
    /// It was made for the value.
    Made,
}

/// Puts a value, or with a delimiter a part of its text, where another stands.
pub(crate) fn put(
    field: &mut Value,
    place: Place,
    value: &Value,
    options: Option<&FieldOptions>,
) -> Result<(), Error> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        value = joined(field, &value, options)?.into();
    }
    let kept = tag(field);
    *field = match field {
        Value::Map(_) | Value::List(_) => value,
        Value::Null if place == Place::Made => Text::new(value.to_text(), Style::Open).into(),
        Value::String(text) if kept.is_none() => Text::new(value.to_text(), text.style()).into(),
        _ => retyped(field, &value.to_text()),
    };
    Ok(())
}

/// The text of a field with one of its parts replaced.
fn joined(field: &Value, value: &Value, options: &FieldOptions) -> Result<String, Error> {
    if matches!(field, Value::Map(_) | Value::List(_)) {
        return Err(Error::rule("delimiter option can only be used with scalar nodes"));
    }
    let text = field.to_text();
    let mut parts: Vec<&str> = text.split(options.delimiter.as_str()).collect();
    let new = value.to_text();
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, &new),
        Ok(at) if at >= parts.len() => parts.push(&new),
        Ok(at) => parts[at] = &new,
    }
    let joined = parts.join(&options.delimiter);
    if joined.len() > TEXT_BYTES_MAX {
        return Err(Error::Limit("length of a text"));
    }
    Ok(joined)
}

/// A scalar keeps its type and takes the other's spelling, which must fit in the end.
fn retyped(field: &Value, text: &str) -> Value {
    let new = yaml::resolve_plain(text);
    match tag(field) {
        Some(wanted) if !fits(&new, wanted) => Text::new(text, Style::Misplaced(wanted)).into(),
        _ => new,
    }
}

fn fits(value: &Value, wanted: Tag) -> bool {
    let found = tag(value);
    found == Some(wanted) || (found, wanted) == (Some(Tag::Int), Tag::Float)
}

/// The type of a scalar that is no text.
fn tag(scalar: &Value) -> Option<Tag> {
    match scalar {
        Value::Null => Some(Tag::Null),
        Value::Bool(_) => Some(Tag::Bool),
        Value::Number(numeral) if matches!(numeral.number(), Number::Float(_)) => Some(Tag::Float),
        Value::Number(_) => Some(Tag::Int),
        Value::String(text) => match text.style() {
            Style::Timestamp => Some(Tag::Timestamp),
            Style::Truth => Some(Tag::Bool),
            Style::Misplaced(wanted) => Some(wanted),
            _ => None,
        },
        Value::List(_) | Value::Map(_) => None,
    }
}
