//! Fields inside of texts that are YAML or JSON themselves.

use manifest::{Value, yaml};

use crate::Error;

use super::put::{Place, put};
use super::replacements::{Found, lookup, matching};

/// A path may go on inside a text that is YAML or JSON itself.
pub(super) fn copy_into_text(
    object: &mut Value,
    value: &Value,
    parts: &[String],
    create: Option<&Value>,
) -> Option<Result<(), Error>> {
    for at in 1..parts.len() {
        let (front, rest) = parts.split_at(at);
        let Ok(Some(Value::String(text))) = lookup(object, front) else { continue };
        let Ok(mut inner) = yaml::read_one(text) else { continue };
        let pretty = text.contains('\n') && text.contains("  ");
        let json = text.trim_start().starts_with(['{', '[']);
        let mut count = 0_usize;
        let walked = matching(&mut inner, rest, create, Place::There, &mut |field, place| {
            count += 1;
            put(field, place, value, None)
        });
        if walked.is_err() || count == 0 {
            return None;
        }
        let written = match (json, pretty) {
            (true, true) => pretty_json(&inner),
            (true, false) => yaml::to_json(&inner),
            (false, _) => yaml::to_string(&inner).trim().to_owned(),
        };
        let mut done = Ok(());
        let replaced = matching(object, front, None, Place::There, &mut |field, _| {
            *field = written.as_str().into();
            Ok(())
        });
        if let Err(Found::Refused(error)) = replaced {
            done = Err(error);
        }
        return Some(done);
    }
    None
}

fn pretty_json(value: &Value) -> String {
    let sorted: serde_json::Value = serde_json::from_str(&yaml::to_json(value)).unwrap_or_default();
    serde_json::to_string_pretty(&sorted).unwrap_or_default()
}
