//! Taking an object over from the tools that wrote it before (kustomization.md, 9.5).

use manifest::{Map, Object, Value};

use crate::prune::Owner;

/// Field manager of everything that we apply; the one that Flux uses, so that both agree on who
/// owns a field.
pub const APPLY_MANAGER: &str = "kustomize-controller";

/// Label naming the Kustomization that owns an object.
pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label naming the namespace of the owning Kustomization.
pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";

/// Annotations that other tools left behind and that we remove.
const LEFT_BEHIND: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
/// The label of the same kind.
const LEFT_BEHIND_LABEL: &str = "fluxcd.io/sync-gc-mark";

/// Whose an object is that an apply makes somebody else's.
pub fn former_owner(desired: &Object, live: &Object) -> Option<Owner> {
    let former = Owner::of(live);
    (!former.name.is_empty() && former != Owner::of(desired)).then_some(former)
}

/// The JSON patch that makes us the owner of what kubectl and our own former updates own, or
/// `None` when there is nothing to take over.
pub fn takeover(live: &Object, overridden: &[String]) -> Option<Value> {
    let mut operations = Vec::new();
    for key in LEFT_BEHIND.iter().filter(|key| live.annotation(key).is_some()) {
        operations.push(remove(&format!("/metadata/annotations/{}", key.replace('/', "~1"))));
    }
    if live.label(LEFT_BEHIND_LABEL).is_some() {
        operations
            .push(remove(&format!("/metadata/labels/{}", LEFT_BEHIND_LABEL.replace('/', "~1"))));
    }
    if let Some(managers) = live.at(&["metadata", "managedFields"]).and_then(Value::as_list)
        && let Some(folded) = fold(managers, overridden)
    {
        operations.push(replace("/metadata/managedFields", folded.into()));
    }
    if operations.is_empty() {
        return None;
    }
    if let Some(version) = live.at(&["metadata", "resourceVersion"]) {
        operations.push(replace("/metadata/resourceVersion", version.clone()));
    }
    Some(operations.into())
}

fn remove(path: &str) -> Value {
    Value::Map(Map::from([("op", "remove".into()), ("path", path.into())]))
}

fn replace(path: &str, value: Value) -> Value {
    Value::Map(Map::from([("op", "replace".into()), ("path", path.into()), ("value", value)]))
}

/// Whether an entry belongs to a tool whose fields we take over: those that always are, and
/// `overridden`.
fn is_foreign(entry: &Value, overridden: &[String]) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("subresource").is_empty() {
        return false;
    }
    let (manager, update) = (text("manager"), text("operation") == "Update");
    manager.starts_with("kubectl")
        || overridden.iter().any(|prefix| manager.starts_with(prefix.as_str()))
        || (update
            && (manager.starts_with("before-first-apply") || manager.starts_with(APPLY_MANAGER)))
}

fn is_ours(entry: &Value) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    text("subresource").is_empty()
        && text("manager") == APPLY_MANAGER
        && text("operation") == "Apply"
}

/// Folds foreign entries into ours; the first of them becomes ours when there is none.
fn fold(managers: &[Value], overridden: &[String]) -> Option<Vec<Value>> {
    let is_foreign = |entry: &&Value| is_foreign(entry, overridden);
    if !managers.iter().any(|entry| is_foreign(&entry)) {
        return None;
    }
    let mut fields = Value::Map(Map::new());
    let mut ours = managers.iter().find(|entry| is_ours(entry)).cloned();
    let mut others = Vec::new();
    for entry in managers {
        if is_foreign(&entry) || is_ours(entry) {
            merge(&mut fields, entry.get("fieldsV1").unwrap_or(&Value::Null));
            if ours.is_none() {
                ours = Some(entry.clone());
            }
        } else {
            others.push(entry.clone());
        }
    }
    let mut ours = ours?;
    if let Some(entry) = ours.as_map_mut() {
        entry.insert("manager".into(), APPLY_MANAGER.into());
        entry.insert("operation".into(), "Apply".into());
        entry.insert("fieldsV1".into(), fields);
    }
    others.insert(0, ours);
    Some(others)
}

/// The union of two field sets.
fn merge(into: &mut Value, from: &Value) {
    let (Value::Map(into), Value::Map(from)) = (into, from) else { return };
    for (key, value) in from {
        merge(into.entry(key.clone()).or_insert_with(|| Value::Map(Map::new())), value);
    }
}
