//! The fields that annotated definitions of custom resources name.

use manifest::{Map, Value};

use crate::fieldspec::{Config, FieldSpec, Reference};

/// How deep the definitions of a custom resource are followed.
const DEPTH_MAX: usize = 16;

/// Reads `crds`: definitions by name, in which extensions mark what a field means.
pub(crate) fn fields(definitions: &Value) -> Result<Config, String> {
    let mut config = Config::default();
    let all = match definitions {
        Value::Null => return Ok(config),
        definitions => expect_map(definitions, "accumulator.nameToApiMap")?,
    };
    for (name, definition) in all {
        if definition.is_null() {
            continue;
        }
        expect_map(definition, "accumulator.OpenAPIDefinition")?;
        let properties = definition.at(&["Schema", "properties"]).and_then(Value::as_map);
        let Some(properties) = properties else { continue };
        if ["kind", "apiVersion", "metadata"].iter().all(|key| properties.contains_key(key)) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let mut walk = Definitions { all, kind, config: &mut config };
            walk.follow(properties, &mut Vec::new());
        }
    }
    Ok(config)
}

fn expect_map<'a>(value: &'a Value, wanted: &str) -> Result<&'a Map, String> {
    let found = match value {
        Value::Map(map) => return Ok(map),
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::List(_) => "array",
    };
    Err(format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
}

struct Definitions<'a> {
    all: &'a Map,
    kind: &'a str,
    config: &'a mut Config,
}

impl<'a> Definitions<'a> {
    fn follow(&mut self, properties: &'a Map, path: &mut Vec<&'a str>) {
        if path.len() >= DEPTH_MAX {
            return;
        }
        for (name, property) in properties {
            path.push(name);
            let spec = |path: &[&str]| FieldSpec {
                kind: self.kind.to_owned(),
                path: path.join("/"),
                ..FieldSpec::default()
            };
            let text = |key: &str| property.get(key).map(Value::to_text);
            if text("x-kubernetes-annotation").is_some() {
                self.config.common_annotations.push(spec(path));
            }
            if text("x-kubernetes-label-selector").is_some() {
                self.config.common_labels.push(spec(path));
            }
            if text("x-kubernetes-identity").is_some() {
                self.config.name_prefix.push(spec(path));
            }
            let target =
                (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"));
            if let (Some(version), Some(kind)) = target {
                let key = text("x-kubernetes-object-ref-name-key");
                let mut field = spec(path);
                field.path = format!("{}/{}", field.path, key.as_deref().unwrap_or("name"));
                let (group, fields) = (String::new(), vec![field]);
                self.config.name_reference.push(Reference { group, version, kind, fields });
            }
            let inner = property.get("$ref").and_then(Value::as_str);
            let inner = inner.and_then(|reference| self.all.get(reference));
            let inner = inner.and_then(|definition| definition.at(&["Schema", "properties"]));
            if let Some(inner) = inner.and_then(Value::as_map) {
                self.follow(inner, path);
            }
            path.pop();
        }
    }
}
