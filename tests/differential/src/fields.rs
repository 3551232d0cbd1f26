//! The fields of a kustomization that change every object.

use serde_json::{Map, Value, json};

use crate::scalars::{APPS, IMAGES, SPACES, pairs};
use crate::tree::Layer;

/// `namespace`.
pub fn namespace(layer: &mut Layer<'_>) {
    let name = *layer.dice.pick(SPACES);
    layer.fields.insert("namespace".into(), json!(name));
}

/// `namePrefix`.
pub fn prefix(layer: &mut Layer<'_>) {
    let prefix = *layer.dice.pick(&["a-", "pre-", "x"]);
    layer.fields.insert("namePrefix".into(), json!(prefix));
}

/// `nameSuffix`.
pub fn suffix(layer: &mut Layer<'_>) {
    let suffix = *layer.dice.pick(&["-z", "-v2", "y"]);
    layer.fields.insert("nameSuffix".into(), json!(suffix));
}

/// `labels`. Without `includeVolumeClaimTemplates`, which the reference does not know yet.
pub fn labels(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 2) {
        let mut entry = json!({"pairs": pairs(layer.dice, 10)});
        if layer.dice.chance(40) {
            entry["includeSelectors"] = json!(layer.dice.chance(80));
        }
        if layer.dice.chance(30) {
            entry["includeTemplates"] = json!(layer.dice.chance(80));
        }
        if layer.dice.chance(25) {
            layer.uses("labels: fields");
            entry["fields"] = field_specs(layer, LABEL_PATHS);
        }
        layer.append("labels", entry);
    }
}

/// `commonLabels`.
pub fn common_labels(layer: &mut Layer<'_>) {
    let pairs = pairs(layer.dice, 10);
    layer.fields.insert("commonLabels".into(), pairs);
}

/// `commonAnnotations`.
pub fn annotations(layer: &mut Layer<'_>) {
    let pairs = pairs(layer.dice, 50);
    layer.fields.insert("commonAnnotations".into(), pairs);
}

/// One entry of `images`.
pub fn image(layer: &mut Layer<'_>) -> Value {
    let dice = &mut *layer.dice;
    let mut entry = json!({"name": *dice.pick(IMAGES)});
    if dice.chance(5) {
        entry["name"] = json!(*dice.pick(&["ngin.", "ghcr.io/org/.*", "app"]));
    }
    if dice.chance(50) {
        entry["newName"] = json!(*dice.pick(&["mirror/nginx", "localhost:5000/x/y", "alpine"]));
    }
    if dice.chance(50) {
        entry["newTag"] = json!(*dice.pick(&["2.0", "v3", "latest", "10"]));
    }
    if dice.chance(15) {
        entry["digest"] = json!("sha256:5f00d5f00d");
    }
    if dice.chance(15) {
        entry["tagSuffix"] = json!("-debug");
    }
    entry
}

/// `images`.
pub fn images(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 3) {
        let entry = image(layer);
        layer.append("images", entry);
    }
}

/// One entry of `replicas`.
pub fn replica(layer: &mut Layer<'_>) -> Option<Value> {
    let runs = |object: &&Value| {
        ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"]
            .contains(&object["kind"].as_str().unwrap_or_default())
    };
    let names: Vec<_> =
        layer.known.iter().filter(runs).map(|o| o["metadata"]["name"].clone()).collect();
    if names.is_empty() && layer.dice.chance(95) {
        return None;
    }
    let name = if names.is_empty() {
        json!(*layer.dice.pick(APPS))
    } else {
        layer.dice.pick(&names).clone()
    };
    Some(json!({"name": name, "count": layer.dice.below(9)}))
}

/// `replicas`.
pub fn replicas(layer: &mut Layer<'_>) {
    if let Some(entry) = replica(layer) {
        layer.append("replicas", entry);
    }
}

/// Paths that labels may be written to. The reference keeps books in `metadata/annotations`, so
/// whether that exists is its own affair.
pub const LABEL_PATHS: &[&str] =
    &["spec/template/metadata/labels", "spec/selector", "spec/custom/labels", "spec/list[]/labels"];

/// Field specs for some paths.
pub fn field_specs(layer: &mut Layer<'_>, paths: &[&str]) -> Value {
    let count = 1 + usize::from(layer.dice.chance(15));
    (0..count)
        .map(|_| {
            let mut spec = Map::new();
            spec.insert("path".into(), json!(*layer.dice.pick(paths)));
            if layer.dice.chance(60) {
                let object = layer.object().unwrap_or_default();
                spec.insert("kind".into(), object["kind"].clone());
            }
            if layer.dice.chance(10) {
                let group = *layer.dice.pick(&["apps", "example.com", ""]);
                spec.insert("group".into(), json!(group));
            }
            if layer.dice.chance(10) {
                spec.insert("version".into(), json!("v1"));
            }
            if layer.dice.chance(50) {
                spec.insert("create".into(), json!(layer.dice.chance(85)));
            }
            Value::Object(spec)
        })
        .collect()
}
