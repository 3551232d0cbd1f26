//! Patches: objects in part, and lists of operations.

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::ink::UNCOMMENTED;
use crate::paths;
use crate::scalars::{self, like, text, value};
use crate::tree::Layer;

/// Keys that tell the items of a list apart, those first that a schema names.
const ITEM_KEYS: &[&str] =
    &["mountPath", "containerPort", "port", "name", "key", "ip", "topologyKey", "host", "kind"];

/// Parts of an object, some of them changed.
fn part(dice: &mut Dice, whole: &Value) -> Value {
    match whole {
        Value::Object(map) => part_of_map(dice, map),
        Value::Array(list) if list.iter().all(Value::is_object) && !list.is_empty() => {
            part_of_list(dice, list)
        }
        Value::Array(list) => {
            let mut kept = dice.some(list, 50);
            kept.extend((0..dice.below(3)).map(|_| text(dice)));
            Value::Array(kept)
        }
        leaf if dice.chance(40) => leaf.clone(),
        leaf => like(dice, leaf),
    }
}

fn part_of_map(dice: &mut Dice, map: &Map<String, Value>) -> Value {
    let mut made = Map::new();
    for (key, value) in map {
        if !dice.chance(35) {
            continue;
        }
        if dice.chance(6) {
            made.insert(key.clone(), json!(null));
            continue;
        }
        if let (Some(list), true) = (value.as_array(), dice.chance(8)) {
            directive(dice, key, list, &mut made);
        }
        made.insert(key.clone(), part(dice, value));
    }
    if dice.chance(8) {
        made.insert(scalars::key(dice), value(dice, 2));
    }
    if dice.chance(2) {
        made.insert("$patch".into(), json!(*dice.pick(&["replace", "delete", "merge"])));
    }
    if dice.chance(2) {
        let keys: Vec<_> = map.keys().cloned().collect();
        made.insert("$retainKeys".into(), json!(dice.some(&keys, 50)));
    }
    Value::Object(made)
}

/// A directive beside a list.
fn directive(dice: &mut Dice, key: &str, list: &[Value], made: &mut Map<String, Value>) {
    let mut items = list.to_vec();
    if dice.chance(50) {
        items.reverse();
    }
    let by = ITEM_KEYS.iter().find(|by| list.first().is_some_and(|item| item.get(by).is_some()));
    if let Some(by) = by {
        let order: Vec<_> = items
            .iter()
            .map(|item| json!({*by: item.get(by).cloned().unwrap_or_default()}))
            .collect();
        made.insert(format!("$setElementOrder/{key}"), json!(order));
    } else if dice.chance(50) {
        made.insert(format!("$setElementOrder/{key}"), json!(items));
    } else {
        made.insert(format!("$deleteFromPrimitiveList/{key}"), json!(dice.some(list, 50)));
    }
}

fn part_of_list(dice: &mut Dice, list: &[Value]) -> Value {
    let mut made = Vec::new();
    for item in list {
        if !dice.chance(60) {
            continue;
        }
        let Some(by) = ITEM_KEYS.iter().find(|by| item.get(by).is_some()) else {
            made.push(part(dice, item));
            continue;
        };
        let mut kept = json!({*by: item[*by]});
        if dice.chance(8) {
            kept["$patch"] = json!(*dice.pick(&["delete", "replace", "merge"]));
        } else if let (Some(kept), Value::Object(part)) = (kept.as_object_mut(), part(dice, item)) {
            let rest = part.into_iter().filter(|(key, _)| key != by);
            kept.extend(rest);
        }
        made.push(kept);
    }
    if dice.chance(30)
        && let Some(by) = ITEM_KEYS.iter().find(|by| list[0].get(by).is_some())
    {
        let mut added = part(dice, &list[0]);
        added[*by] =
            if list[0][*by].is_number() { json!(dice.below(9999)) } else { json!("added") };
        made.insert(dice.below(made.len() + 1), added);
    }
    // One directive at a time: what the reference makes of several hangs on the order of its visits.
    if dice.chance(4) && made.iter().all(|item| item.get("$patch").is_none()) {
        made.insert(0, json!({"$patch": "replace"}));
    }
    Value::Array(made)
}

/// A strategic merge patch for an object.
fn merge_patch(dice: &mut Dice, object: &Value) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".into(), object["metadata"]["name"].clone());
    if let Some(namespace) = object["metadata"].get("namespace") {
        metadata.insert("namespace".into(), namespace.clone());
    }
    let mut made = Map::new();
    made.insert("apiVersion".into(), object["apiVersion"].clone());
    made.insert("kind".into(), object["kind"].clone());
    if dice.chance(4) {
        made.insert("$patch".into(), json!("delete"));
    }
    let Value::Object(rest) = part(dice, object) else { return Value::Object(made) };
    let mut rest: Map<_, _> = rest.into_iter().filter(|(key, _)| !made.contains_key(key)).collect();
    if let Some(Value::Object(part)) = rest.shift_remove("metadata") {
        // A directive here would be for the reference's own annotations too.
        for (key, value) in part.into_iter().filter(|(key, _)| !key.starts_with('$')) {
            metadata.entry(key).or_insert(value);
        }
    }
    made.insert("metadata".into(), Value::Object(metadata));
    made.extend(rest);
    Value::Object(made)
}

/// A selector that finds an object, and others perhaps.
pub fn target(dice: &mut Dice, object: &Value) -> Value {
    let mut made = Map::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, version) = paths::group_version(object);
    if dice.chance(25) {
        made.insert("group".into(), json!(group));
    }
    if dice.chance(25) {
        made.insert("version".into(), json!(version));
    }
    if dice.chance(80) {
        let kind = text(&object["kind"]);
        let kinds =
            [kind.clone(), kind.clone(), kind.clone(), format!("{kind}|Service"), ".*".to_owned()];
        made.insert("kind".into(), json!(dice.pick(&kinds)));
    }
    if dice.chance(60) {
        let name = text(&object["metadata"]["name"]);
        let first: String = name.chars().take(2).collect();
        let names = [
            name.clone(),
            name.clone(),
            name.clone(),
            format!("{first}.*"),
            format!("^{name}$"),
            ".*".to_owned(),
            first,
        ];
        made.insert("name".into(), json!(dice.pick(&names)));
    }
    if let (Some(namespace), true) = (object["metadata"].get("namespace"), dice.chance(30)) {
        made.insert("namespace".into(), namespace.clone());
    }
    for (field, key) in [("labels", "labelSelector"), ("annotations", "annotationSelector")] {
        let chance = dice.chance(25);
        let pair = object["metadata"][field].as_object().and_then(|pairs| pairs.iter().next());
        if let (Some((key_of, Value::String(value))), true) = (pair, chance)
            && value.chars().all(|c| c.is_ascii_alphanumeric())
        {
            let forms = [
                format!("{key_of}={value}"),
                key_of.clone(),
                format!("{key_of} in ({value}, x)"),
                format!("!{key_of}"),
                format!("{key_of}!=x"),
                format!("{key_of}=={value},a notin (b)"),
            ];
            made.insert(key.into(), json!(dice.pick(&forms)));
        }
    }
    if made.is_empty() {
        made.insert("kind".into(), object["kind"].clone());
    }
    Value::Object(made)
}

/// A selector that finds little more than one object.
pub fn narrow(dice: &mut Dice, object: &Value) -> Value {
    let mut made = target(dice, object);
    if dice.chance(85) {
        made["kind"] = object["kind"].clone();
        made["name"] = object["metadata"]["name"].clone();
    }
    made
}

/// A place for an operation. Not the annotations as a whole, where the reference keeps its books, and
/// no name within a list, as the reference refuses references that have lost theirs.
fn operand(dice: &mut Dice, object: &Value) -> (Vec<paths::Step>, Value) {
    loop {
        let (path, old) = paths::any(dice, object);
        let pointer = paths::pointer(&path);
        let books = pointer == "/metadata/annotations" || pointer == "/metadata";
        if !books && !pointer.starts_with("/subjects") {
            return (path, old);
        }
    }
}

/// A list of operations for an object.
pub fn operations(dice: &mut Dice, object: &Value) -> Value {
    let mut list = Vec::new();
    for _ in 0..=dice.below(3) / (1 + dice.below(2)) {
        let (path, old) = operand(dice, object);
        let pointer = paths::pointer(&path);
        let operation = match dice.below(12) {
            0..=2 => json!({"op": "replace", "path": pointer, "value": like(dice, &old)}),
            3 if dice.chance(50) => json!({"op": "remove", "path": pointer}),
            4 => json!({"op": "test", "path": pointer, "value": old}),
            5 => json!({"op": "copy", "from": pointer, "path": "/copied"}),
            6 if dice.chance(50) => {
                json!({"op": "move", "from": pointer, "path": "/metadata/moved"})
            }
            7 if old.is_array() => {
                json!({"op": "add", "path": format!("{pointer}/-"), "value": value(dice, 2)})
            }
            8 if old.is_array() => {
                json!({"op": "add", "path": format!("{pointer}/0"), "value": text(dice)})
            }
            9 if old.is_object() => {
                json!({"op": "add", "path": format!("{pointer}/example.com~1new"), "value": value(dice, 1)})
            }
            _ => json!({"op": "add", "path": pointer, "value": like(dice, &old)}),
        };
        list.push(operation);
    }
    Value::Array(list)
}

/// Puts a patch into the entry itself, or into a file.
fn place(layer: &mut Layer<'_>, entry: &mut Value, text: String) {
    if layer.dice.chance(50) {
        entry["patch"] = json!(text);
    } else {
        let name = layer.fresh("patch", "yaml");
        layer.write(&name, text);
        entry["path"] = json!(name);
    }
}

/// A strategic merge patch as text, at times several. Without comments: the reference moves them to
/// the object, and may not be able to read that again.
pub fn merge_text(layer: &mut Layer<'_>, several: bool) -> Option<(Value, String)> {
    let object = layer.object()?;
    let patch = merge_patch(layer.dice, &object);
    let mut text = layer.yaml(UNCOMMENTED, &patch);
    if several && layer.dice.chance(25) {
        layer.uses("patches: several in a file");
        let other = layer.object()?;
        let patch = merge_patch(layer.dice, &other);
        text = format!("{text}---\n{}", layer.yaml(UNCOMMENTED, &patch));
    }
    Some((object, text))
}

/// Operations as text, in YAML or JSON.
pub fn operations_text(layer: &mut Layer<'_>) -> Option<(Value, String)> {
    let object = layer.object()?;
    let operations = operations(layer.dice, &object);
    Some((object, layer.yaml(UNCOMMENTED, &operations)))
}

/// `patches` with strategic merge.
pub fn strategic(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 2) {
        let targets = layer.dice.chance(40);
        let Some((object, text)) = merge_text(layer, !targets) else { return };
        let mut entry = json!({});
        if targets {
            layer.uses("patches: target");
            entry["target"] = target(layer.dice, &object);
        }
        if layer.dice.chance(15) {
            layer.uses("patches: options");
            entry["options"] = json!({"allowNameChange": layer.dice.chance(70), "allowKindChange": layer.dice.chance(50)});
        }
        place(layer, &mut entry, text);
        layer.append("patches", entry);
    }
}

/// `patches` with operations.
pub fn json(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 2) {
        let Some((object, text)) = operations_text(layer) else { return };
        let mut entry = json!({"target": narrow(layer.dice, &object)});
        place(layer, &mut entry, text);
        layer.append("patches", entry);
    }
}

/// `patchesStrategicMerge`.
pub fn legacy_strategic(layer: &mut Layer<'_>) {
    let Some((_, text)) = merge_text(layer, true) else { return };
    let entry = if layer.dice.chance(50) {
        text
    } else {
        let name = layer.fresh("merge", "yaml");
        layer.write(&name, text);
        name
    };
    layer.append("patchesStrategicMerge", json!(entry));
}

/// `patchesJson6902`.
pub fn legacy_json(layer: &mut Layer<'_>) {
    let Some((object, text)) = operations_text(layer) else { return };
    let (group, version) = paths::group_version(&object);
    let mut target =
        json!({"version": version, "kind": object["kind"], "name": object["metadata"]["name"]});
    if !group.is_empty() {
        target["group"] = json!(group);
    }
    if let Some(namespace) = object["metadata"].get("namespace") {
        target["namespace"] = namespace.clone();
    }
    let mut entry = json!({"target": target});
    place(layer, &mut entry, text);
    layer.append("patchesJson6902", entry);
}
