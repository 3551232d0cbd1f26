//! Who manages which field of a live object, as the API server keeps account of it.

use manifest::{Object, Value};

use crate::ownership::APPLY_MANAGER;

/// Whether a manager other than us applies the field server-side.
pub(crate) fn is_applied_by_another(live: &Object, place: &[String]) -> bool {
    others(live).any(|entry| {
        text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
            && owned(entry, live, place).is_some_and(|owned| owned.is_whole)
    })
}

/// Who other than us set the field last.
pub(crate) fn changed_by(live: &Object, place: &[String]) -> Option<String> {
    let owners = others(live).filter(|entry| {
        owned(entry, live, place).is_some_and(|owned| owned.is_whole || owned.is_leaf)
    });
    let last = owners.max_by_key(|entry| text(entry, "time"))?;
    Some(text(last, "manager").to_owned())
}

/// The entries of managers other than us.
fn others(live: &Object) -> impl Iterator<Item = &Value> {
    let managers = live.at(&["metadata", "managedFields"]).and_then(Value::as_list);
    managers.into_iter().flatten().filter(|entry| text(entry, "manager") != APPLY_MANAGER)
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// How a set of fields has a place.
struct Owned {
    /// To its last part.
    is_whole: bool,
    /// As part of something that is owned as a whole.
    is_leaf: bool,
}

/// How far the fields of an entry lead to a place; an item of a list is found by the fields that tell
/// it apart.
fn owned(entry: &Value, live: &Object, place: &[String]) -> Option<Owned> {
    let (mut fields, mut value) = (entry.get("fieldsV1")?, Some(live.value()));
    for part in place {
        let found = match value {
            Some(Value::List(items)) => {
                let item = part.parse().ok().and_then(|at: usize| items.get(at));
                value = item;
                item.and_then(|item| field_of_item(fields, item))
            }
            other => {
                value = other.and_then(|value| value.get(part));
                fields.get(&format!("f:{part}"))
            }
        };
        let Some(found) = found else {
            let is_leaf = fields.as_map().is_some_and(manifest::Map::is_empty);
            return Some(Owned { is_whole: false, is_leaf });
        };
        fields = found;
    }
    Some(Owned { is_whole: true, is_leaf: false })
}

fn field_of_item<'a>(fields: &'a Value, item: &Value) -> Option<&'a Value> {
    let is_it = |key: &str| {
        let keys = key.strip_prefix("k:").and_then(|json| manifest::yaml::read_one(json).ok());
        let Some(Value::Map(keys)) = keys else { return false };
        keys.iter().all(|(key, value)| item.get(key) == Some(value))
    };
    fields.as_map()?.iter().find(|(key, _)| is_it(key)).map(|(_, found)| found)
}
