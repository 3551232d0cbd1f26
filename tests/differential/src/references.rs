//! Values that go from one object to others: replacements and variables.

use serde_json::{Map, Value, json};

use crate::ink::FREE;
use crate::patches::{narrow, target};
use crate::paths;
use crate::tree::Layer;

/// How often a way is sought that an object may not have.
const TRIALS_MAX: usize = 32;

/// The fields that name an object exactly.
fn identity(layer: &mut Layer<'_>, object: &Value) -> Map<String, Value> {
    let mut made = Map::new();
    made.insert("kind".into(), object["kind"].clone());
    let (group, version) = paths::group_version(object);
    if layer.dice.chance(85) {
        made.insert("name".into(), object["metadata"]["name"].clone());
    }
    if layer.dice.chance(20) {
        made.insert("group".into(), json!(group));
    }
    if layer.dice.chance(20) {
        made.insert("version".into(), json!(version));
    }
    if let (Some(namespace), true) = (object["metadata"].get("namespace"), layer.dice.chance(30)) {
        made.insert("namespace".into(), namespace.clone());
    }
    made
}

fn cut(layer: &mut Layer<'_>, made: &mut Value) {
    made["delimiter"] = json!(*layer.dice.pick(&[".", ":", "/", "-", "=", " ", "a"]));
    if layer.dice.chance(70) {
        made["index"] = json!(*layer.dice.pick(&[0, 0, 0, 1, 1, 2, -1]));
    }
}

/// One replacement. Not into its own source: the reference reads that anew for every field.
pub fn replacement(layer: &mut Layer<'_>) -> Option<Value> {
    let from = layer.object()?;
    let mut source = identity(layer, &from);
    // Names for names: one that is replaced by something else may lose its quotes.
    let bare = layer.dice.chance(25);
    if !bare {
        let path = source_path(layer, &from)?;
        source.insert("fieldPath".into(), json!(paths::dotted(layer.dice, &path)));
    }
    if layer.dice.chance(25) {
        layer.uses("replacements: delimiter");
        let mut options = json!({});
        cut(layer, &mut options);
        source.insert("options".into(), options);
    }
    let known = layer.known.clone();
    layer.known.retain(|object| *object != from);
    let targets: Option<Vec<_>> =
        (0..=usize::from(layer.dice.chance(20))).map(|_| replacement_target(layer, bare)).collect();
    layer.known = known;
    let mut made = json!({"source": source, "targets": targets?});
    if layer.dice.chance(8) {
        layer.uses("replacements: sourceValue");
        made = json!({"sourceValue": *layer.dice.pick(&["given", "1", "true", "a: b", ""]), "targets": made["targets"]});
    }
    Some(made)
}

/// A way to a value. Not to a number that is spelled in its own way: the reference keeps spellings.
fn source_path(layer: &mut Layer<'_>, from: &Value) -> Option<Vec<paths::Step>> {
    (0..TRIALS_MAX).find_map(|_| {
        let (path, value) = paths::any(layer.dice, from);
        let compound = value.is_object() || value.is_array();
        let usual = !compound || layer.dice.chance(5);
        (crate::ink::as_raw(&value).is_none() && usual).then_some(path)
    })
}

/// A way to a scalar, for the reason that `scalars::like` gives; not to the name, whose quotes are
/// gone once it was changed.
fn scalar_path(layer: &mut Layer<'_>, to: &Value) -> Option<Vec<paths::Step>> {
    (0..TRIALS_MAX).find_map(|_| {
        let (path, value) = paths::any(layer.dice, to);
        let scalar = !value.is_object() && !value.is_array();
        (scalar && paths::pointer(&path) != "/metadata/name").then_some(path)
    })
}

fn replacement_target(layer: &mut Layer<'_>, bare: bool) -> Option<Value> {
    let to = layer.object()?;
    let mut made = json!({"select": narrow(layer.dice, &to)});
    if layer.dice.chance(15) {
        layer.uses("replacements: reject");
        let other = layer.object()?;
        made["reject"] = json!([target(layer.dice, &other)]);
    }
    let mut paths = Vec::new();
    let mut options = json!({});
    for _ in 0..=usize::from(layer.dice.chance(20)) {
        let path = scalar_path(layer, &to)?;
        let mut text = paths::dotted(layer.dice, &path);
        if layer.dice.chance(15) {
            let made = [
                "metadata.annotations.new",
                "spec.new.deep",
                "metadata.labels.[example.com/new]",
                "spec.template.spec.containers.[name=app].image",
                "spec.template.spec.containers.*.image",
                "spec.list.[name=new].value",
                "spec.template.spec.containers.[name=added].env.[name=X].value",
                "data.new",
                "metadata.namespace",
            ];
            (*layer.dice.pick(&made)).clone_into(&mut text);
            options["create"] = json!(layer.dice.chance(70));
        }
        paths.push(text);
    }
    if layer.dice.chance(20) {
        layer.uses("replacements: delimiter");
        cut(layer, &mut options);
    }
    if layer.dice.chance(5) {
        options["encoding"] = json!("base64");
    }
    if layer.dice.chance(8) {
        options["create"] = json!(true);
    }
    if options.as_object().is_some_and(|options| !options.is_empty()) {
        made["options"] = options;
    }
    if !(bare && layer.dice.chance(50)) {
        made["fieldPaths"] = json!(paths);
    }
    Some(made)
}

/// `replacements`.
pub fn replacements(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 2) {
        let Some(made) = replacement(layer) else { return };
        if layer.dice.chance(75) {
            layer.append("replacements", made);
            continue;
        }
        let whole = if layer.dice.chance(50) { made } else { json!([made]) };
        let name = layer.fresh("replacement", "yaml");
        let text = layer.yaml(FREE, &whole);
        layer.write(&name, text);
        layer.append("replacements", json!({"path": name}));
    }
}

/// `vars`, and an object that uses them.
pub fn vars(layer: &mut Layer<'_>) {
    let serial = layer.fresh("VAR", "x").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let Some(object) = layer.object() else { return };
    let mut entry = json!({"name": serial, "objref": {"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"]}});
    if let Some(namespace) = object["metadata"].get("namespace")
        && layer.dice.chance(30)
    {
        entry["objref"]["namespace"] = namespace.clone();
    }
    if layer.dice.chance(60) {
        let (path, _) = paths::any(layer.dice, &object);
        let path = paths::dotted(layer.dice, &path).replace(".[", "[");
        entry["fieldref"] = json!({"fieldpath": path});
    }
    layer.append("vars", entry);
    let forms = [
        format!("$({serial})"),
        format!("a-$({serial})-b$({serial})"),
        format!("$$({serial}) $(UNKNOWN) $({serial}"),
        format!("x $({serial}) $$ $"),
    ];
    let form = layer.dice.pick(&forms).clone();
    let name = layer.fresh("uses", "yaml");
    let user = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": serial.to_lowercase().replace('_', "-"), "annotations": {"var": form}},
        "spec": {"containers": [{"name": "app", "image": "x", "args": [form, "plain"], "env": [{"name": "V", "value": form}]}]}});
    let text = layer.yaml(FREE, &user);
    layer.write(&name, text);
    layer.append("resources", json!(name));
    layer.known.push(user);
}
