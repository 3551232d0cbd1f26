//! What the reference writes without its quotes and then cannot read back.
//!
//! It keeps objects as nodes with their spelling; keys and texts that it sets itself have none. At
//! the end it prints every object and reads that again, which fails for these.

use manifest::{Style, Value, yaml};

use crate::Error;

/// A key that would be read as something else than a text.
pub(crate) fn key(key: &str) -> Result<(), Error> {
    match yaml::resolve_plain(key) {
        Value::String(text) if *text == *key && text.style() != Style::Timestamp => Ok(()),
        _ => Err(Error::rule("json: unsupported type: map[interface {}]interface {}")),
    }
}

/// A text that would be a block whose first line starts with a tab.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    let block = text.contains('\n') && !text.ends_with(' ') && !text.contains(" \n");
    if text.starts_with('\t') && block {
        return Err(Error::rule(
            "yaml: found a tab character where an indentation space is expected",
        ));
    }
    Ok(())
}

/// All texts of a value.
pub(crate) fn texts(value: &Value) -> Result<(), Error> {
    match value {
        Value::String(inner) => text(inner),
        Value::List(items) => items.iter().try_for_each(texts),
        Value::Map(map) => map.values().try_for_each(texts),
        _ => Ok(()),
    }
}

/// A map of texts that was set entry by entry.
pub(crate) fn map(value: Option<&Value>) -> Result<(), Error> {
    for (name, value) in value.and_then(Value::as_map).into_iter().flatten() {
        key(name)?;
        texts(value)?;
    }
    Ok(())
}
