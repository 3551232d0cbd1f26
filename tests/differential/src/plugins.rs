//! Built-in transformers and generators written as objects.

use serde_json::{Map, Value, json};

use crate::fields::{LABEL_PATHS, field_specs, image, replica};
use crate::patches::{merge_text, narrow, operations_text, target};
use crate::references::replacement;
use crate::scalars::{SPACES, pairs};
use crate::tree::Layer;

type Plugin = (&'static str, fn(&mut Layer<'_>) -> Option<Value>);

const TRANSFORMERS: &[Plugin] = &[
    ("NamespaceTransformer", |layer| Some(namespace(layer))),
    ("PrefixTransformer", |layer| Some(affix(layer, "prefix", "p-"))),
    ("SuffixTransformer", |layer| Some(affix(layer, "suffix", "-s"))),
    ("LabelTransformer", |layer| Some(labels(layer))),
    ("AnnotationsTransformer", |layer| Some(annotations(layer))),
    ("ImageTagTransformer", |layer| Some(images(layer))),
    ("ReplicaCountTransformer", replicas),
    ("ReplicaCountTransformer", replicas),
    ("PatchTransformer", patch),
    ("PatchStrategicMergeTransformer", strategic),
    ("PatchJson6902Transformer", operations),
    ("ReplacementTransformer", replacements),
    // Twice, because it finds nothing to do more often than the others.
    ("ReplacementTransformer", replacements),
    ("ValueAddTransformer", value_add),
    ("HashTransformer", |_| Some(json!({}))),
];

/// `transformers`.
pub fn transformers(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(2, 4) {
        let (kind, make) = layer.dice.pick(TRANSFORMERS);
        if let Some(made) = make(layer) {
            place(layer, "transformers", kind, made);
        }
    }
}

/// `generators`.
pub fn generators(layer: &mut Layer<'_>) {
    let kind = *layer.dice.pick(&["ConfigMapGenerator", "SecretGenerator", "IAMPolicyGenerator"]);
    let made = if kind == "IAMPolicyGenerator" {
        json!({"cloud": "gke", "kubernetesService": {"name": "k8s-sa", "namespace": "gke"}, "serviceAccount": {"name": "gsa", "projectId": "p"}})
    } else {
        let mut made = crate::generators::arguments(layer);
        made.insert("name".into(), json!("generated"));
        Value::Object(made)
    };
    place(layer, "generators", kind, made);
}

/// Puts a configuration object into the file itself, or into one of its own.
fn place(layer: &mut Layer<'_>, field: &str, kind: &'static str, made: Value) {
    layer.uses(kind);
    let mut object = Map::new();
    object.insert("apiVersion".into(), json!("builtin"));
    object.insert("kind".into(), json!(kind));
    let mut metadata = json!({"name": format!("some-{}", kind.to_lowercase())});
    if kind == "NamespaceTransformer" {
        metadata["namespace"] = json!(*layer.dice.pick(SPACES));
    }
    object.insert("metadata".into(), metadata);
    if let Value::Object(made) = made {
        object.extend(made);
    }
    let object = Value::Object(object);
    let entry = if layer.dice.chance(40) {
        let text = layer.yaml(crate::ink::PLAIN, &object);
        json!(text)
    } else {
        json!(layer.file("plugin", &object))
    };
    layer.append(field, entry);
}

fn namespace(layer: &mut Layer<'_>) -> Value {
    let mut made = json!({"fieldSpecs": [{"path": "metadata/namespace", "create": true}]});
    if layer.dice.chance(20) {
        made["fieldSpecs"] =
            field_specs(layer, &["metadata/namespace", "spec/namespace", "metadata/name"]);
    }
    if layer.dice.chance(30) {
        made["unsetOnly"] = json!(layer.dice.chance(80));
    }
    if layer.dice.chance(50) {
        made["setRoleBindingSubjects"] =
            json!(*layer.dice.pick(&["allServiceAccounts", "none", "defaultOnly"]));
    }
    made
}

fn affix(layer: &mut Layer<'_>, key: &str, text: &str) -> Value {
    let mut made = json!({key: text, "fieldSpecs": [{"path": "metadata/name"}]});
    if layer.dice.chance(40) {
        made["fieldSpecs"] =
            field_specs(layer, &["metadata/name", "spec/size", "spec/config", "spec/serviceName"]);
    }
    made
}

fn labels(layer: &mut Layer<'_>) -> Value {
    let specs = if layer.dice.chance(60) {
        json!([{"path": "metadata/labels", "create": true}])
    } else {
        field_specs(layer, LABEL_PATHS)
    };
    json!({"labels": pairs(layer.dice, 10), "fieldSpecs": specs})
}

fn annotations(layer: &mut Layer<'_>) -> Value {
    let specs = if layer.dice.chance(60) {
        json!([{"path": "metadata/annotations", "create": true}])
    } else {
        field_specs(layer, LABEL_PATHS)
    };
    json!({"annotations": pairs(layer.dice, 50), "fieldSpecs": specs})
}

fn images(layer: &mut Layer<'_>) -> Value {
    let mut made = json!({"imageTag": image(layer)});
    if layer.dice.chance(50) {
        made["fieldSpecs"] = field_specs(
            layer,
            &["spec/image", "spec/list[]/image", "spec/template/spec/containers[]/image"],
        );
    }
    made
}

fn replicas(layer: &mut Layer<'_>) -> Option<Value> {
    let specs = json!([{"path": "spec/replicas", "create": true, "kind": "Deployment"}, {"path": "spec/replicas", "kind": "StatefulSet"}]);
    Some(json!({"replica": replica(layer)?, "fieldSpecs": specs}))
}

fn patch(layer: &mut Layer<'_>) -> Option<Value> {
    let merge = layer.dice.chance(50);
    let (object, text) = if merge { merge_text(layer, false)? } else { operations_text(layer)? };
    let mut made = json!({});
    if layer.dice.chance(50) {
        made["patch"] = json!(text);
    } else {
        let name = layer.fresh("patch", "yaml");
        layer.write(&name, text);
        made["path"] = json!(name);
    }
    if !merge || layer.dice.chance(40) {
        made["target"] = narrow(layer.dice, &object);
    }
    if layer.dice.chance(15) {
        made["options"] = json!({"allowNameChange": true});
    }
    Some(made)
}

fn strategic(layer: &mut Layer<'_>) -> Option<Value> {
    let (_, text) = merge_text(layer, true)?;
    if layer.dice.chance(50) {
        return Some(json!({"patches": text}));
    }
    let name = layer.fresh("patch", "yaml");
    layer.write(&name, text);
    Some(json!({"paths": [name]}))
}

fn operations(layer: &mut Layer<'_>) -> Option<Value> {
    let (object, text) = operations_text(layer)?;
    let (group, version) = crate::paths::group_version(&object);
    let mut target =
        json!({"version": version, "kind": object["kind"], "name": object["metadata"]["name"]});
    if !group.is_empty() {
        target["group"] = json!(group);
    }
    Some(json!({"target": target, "jsonOp": text}))
}

fn replacements(layer: &mut Layer<'_>) -> Option<Value> {
    Some(json!({"replacements": [replacement(layer)?]}))
}

fn value_add(layer: &mut Layer<'_>) -> Option<Value> {
    let object = layer.object()?;
    let mut one = json!({"fieldPath": *layer.dice.pick(&["metadata/namespace", "spec/path", "metadata/annotations/dir", "spec/template/spec/serviceAccountName"])});
    if layer.dice.chance(50) {
        one["selector"] = target(layer.dice, &object);
    }
    if layer.dice.chance(30) {
        one["filePathPosition"] = json!(layer.dice.between(1, 3));
    }
    Some(json!({"value": *layer.dice.pick(&["fruit", "a/b"]), "targets": [one]}))
}
