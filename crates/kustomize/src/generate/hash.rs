//! The suffix that changes with the content of an object.

use manifest::{Map, Value, yaml};

use crate::Error;
use crate::patch::json6902::through_doubles;
use crate::resources::Resources;
use sha2::{Digest, Sha256};

/// How many digits of the digest are used.
const DIGITS: usize = 10;

/// Adds the hash to the name of every resource that needs one.
pub(crate) fn apply(resources: &mut Resources) -> Result<(), Error> {
    for resource in resources.iter_mut().filter(|resource| resource.history.needs_hash) {
        resource.refuse_unquoted_data()?;
        let name = format!("{}-{}", resource.name(), suffix(&resource.value));
        resource.remember_id();
        resource.set_name(&name);
    }
    Ok(())
}

/// The suffix of a ConfigMap or Secret (or, in an encoding of our own, of any other object).
fn suffix(value: &Value) -> String {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let mut content = Map::new();
    let field = |name: &str| value.get(name).map_or_else(|| "".into(), hashed);
    let optional = match kind {
        "ConfigMap" => Some("binaryData"),
        "Secret" => Some("stringData"),
        _ => None,
    };
    match optional {
        Some(optional) => {
            content.insert("kind".into(), kind.into());
            // kustomize looks the name up under a key that no object has.
            content.insert("name".into(), "".into());
            content.insert("data".into(), field("data"));
            if kind == "Secret" {
                content.insert("type".into(), field("type"));
            }
            if let Some(more @ Value::Map(_)) = value.get(optional) {
                content.insert(optional.into(), hashed(more));
            }
        }
        None => {
            content.insert("object".into(), value.clone());
        }
    }
    encode(&yaml::to_json(&content.into()))
}

/// A field as it is hashed: a mapping as JSON, a scalar as it is spelled; of anything else nothing.
fn hashed(field: &Value) -> Value {
    match field {
        Value::Map(_) => {
            let mut field = field.clone();
            // What cannot be read back fails the build at its end.
            let _ = field.settle();
            through_doubles(&mut field);
            field
        }
        Value::List(_) => Value::Null,
        scalar => scalar.to_text().into(),
    }
}

/// Digits that cannot spell words.
fn encode(text: &str) -> String {
    let digits = hex::encode(Sha256::digest(text.as_bytes()));
    let replaced = digits.chars().take(DIGITS).map(|digit| match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    });
    replaced.collect()
}
