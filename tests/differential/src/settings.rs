//! Settings of a kustomization: order, metadata, schemas, field specs.

use serde_json::{Map, Value, json};

use crate::fields::{LABEL_PATHS, field_specs};
use crate::ink::FREE;
use crate::tree::Layer;

/// `sortOptions`.
pub fn sort(layer: &mut Layer<'_>) {
    let mut made = json!({"order": *layer.dice.pick(&["fifo", "legacy", "legacy"])});
    if made["order"] == "legacy" && layer.dice.chance(60) {
        let kinds = ["Namespace", "Service", "Deployment", "ConfigMap", "Widget", "Role", "Secret"];
        made["legacySortOptions"] = json!({"orderFirst": layer.dice.some(&kinds, 30), "orderLast": layer.dice.some(&kinds, 20)});
    }
    layer.fields.insert("sortOptions".into(), made);
}

/// `buildMetadata`.
pub fn metadata(layer: &mut Layer<'_>) {
    let all = ["originAnnotations", "transformerAnnotations", "managedByLabel"];
    let some = layer.dice.some(&all, 50);
    layer.fields.insert("buildMetadata".into(), json!(some));
}

/// `crds`: a definition whose fields are marked.
pub fn definitions(layer: &mut Layer<'_>) {
    let marks = [
        json!({"x-kubernetes-annotation": ""}),
        json!({"x-kubernetes-label-selector": ""}),
        json!({"x-kubernetes-identity": ""}),
        json!({"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap"}),
        json!({"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "Secret", "x-kubernetes-object-ref-name-key": "name"}),
    ];
    let mut fields = Map::new();
    for field in layer.dice.some(&["ref", "configRef", "config", "size", "selector"], 50) {
        let mut property = layer.dice.pick(&marks).clone();
        property["type"] = json!("object");
        fields.insert(field.to_owned(), property);
    }
    let group = "example.com/v1.Widget";
    let spec = format!("{group}Spec");
    let made = json!({group: {"Schema": {"properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"},
            "metadata": {"type": "object"}, "spec": {"$ref": spec}}}},
        spec.clone(): {"Schema": {"properties": fields}}});
    let name = layer.fresh("definitions", "json");
    layer.write(&name, format!("{made:#}\n"));
    layer.append("crds", json!(name));
}

/// `openapi`: a schema with merge keys.
pub fn openapi(layer: &mut Layer<'_>) {
    let key = *layer.dice.pick(&["name", "key"]);
    let strategy = *layer.dice.pick(&["merge", "merge", "replace", "merge,retainKeys"]);
    let made = json!({"definitions": {"v1.Widget": {
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
            "spec": {"properties": {
                "list": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": strategy},
                "items": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
                "containers": {"type": "array", "items": {"$ref": "#/definitions/v1.Part"}, "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"}}}},
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Widget", "version": "v1"}]},
        "v1.Part": {"type": "object", "properties": {"name": {"type": "string"}}}}});
    let name = layer.fresh("schema", "json");
    layer.write(&name, format!("{made:#}\n"));
    layer.fields.insert("openapi".into(), json!({"path": name}));
}

/// Paths that are worth a field spec.
const PATHS: &[&str] = &[
    "spec/config",
    "spec/configRef/name",
    "spec/list/name",
    "spec/image",
    "spec/size",
    "spec/new/deep",
    "spec/template/metadata/labels",
    "spec/template/spec/containers/image",
    "data/a",
    "metadata/annotations/note",
];

fn reference(layer: &mut Layer<'_>) -> Value {
    let (kind, version) = *layer.dice.pick(&[
        ("ConfigMap", "v1"),
        ("Secret", "v1"),
        ("Deployment", ""),
        ("Widget", "v1"),
        ("Service", "v1"),
    ]);
    let mut specs = field_specs(
        layer,
        &[
            "spec/configRef/name",
            "spec/ref",
            "spec/list/name",
            "metadata/annotations/example.com\\/x",
            "spec/config",
        ],
    );
    for spec in specs.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        spec.entry("kind").or_insert(json!("Widget"));
    }
    let mut made = json!({"kind": kind, "fieldSpecs": specs});
    if !version.is_empty() && layer.dice.chance(60) {
        made["version"] = json!(version);
    }
    made
}

/// `configurations`: field specs of one's own.
pub fn configurations(layer: &mut Layer<'_>) {
    let mut made = Map::new();
    let fields: &[(&str, &[&str])] = &[
        ("namePrefix", PATHS),
        ("nameSuffix", PATHS),
        ("namespace", &["metadata/namespace", "spec/namespace", "spec/new/space"]),
        ("commonLabels", LABEL_PATHS),
        ("labels", LABEL_PATHS),
        ("templateLabels", LABEL_PATHS),
        ("commonAnnotations", &["spec/annotations", "spec/template/metadata/annotations"]),
        (
            "images",
            &["spec/image", "spec/list[]/image", "spec/containers/image", "spec/config/image"],
        ),
        ("replicas", &["spec/replicas", "spec/size"]),
        ("varReference", &["data/a", "spec/size", "spec/items", "metadata/annotations"]),
    ];
    for (field, paths) in fields {
        if layer.dice.chance(13) {
            made.insert((*field).into(), field_specs(layer, paths));
        }
    }
    if layer.dice.chance(50) {
        made.insert("nameReference".into(), json!([reference(layer)]));
    }
    let name = layer.fresh("configuration", "yaml");
    let text = layer.yaml(FREE, &Value::Object(made));
    layer.write(&name, text);
    layer.append("configurations", json!(name));
}
