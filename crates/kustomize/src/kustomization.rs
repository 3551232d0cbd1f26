//! The schema of a kustomization file, nothing else.

use std::collections::BTreeMap;

use manifest::{Map, Value, yaml};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::fieldspec::FieldSpec;

pub(crate) type Texts = BTreeMap<String, String>;

/// Names that a kustomization file may have, in the order of preference.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) const KIND: &str = "Kustomization";
pub(crate) const COMPONENT_KIND: &str = "Component";
const API_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_API_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    #[serde(rename = "metadata")]
    pub(crate) metadata: Option<serde_json::Value>,
    pub(crate) openapi: Texts,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Option<Texts>,
    pub(crate) labels: Vec<Labels>,
    pub(crate) common_annotations: Texts,
    pub(crate) patches_strategic_merge: Option<Vec<String>>,
    pub(crate) patches_json6902: Option<Vec<Patch>>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) image_tags: Option<Vec<Image>>,
    pub(crate) replacements: Vec<ReplacementEntry>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Option<Vec<Variable>>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) bases: Option<Vec<String>>,
    pub(crate) config_map_generator: Vec<DataArguments>,
    pub(crate) secret_generator: Vec<DataArguments>,
    pub(crate) helm_globals: Option<serde_json::Value>,
    pub(crate) helm_charts: Vec<serde_json::Value>,
    pub(crate) helm_chart_inflation_generator: Vec<serde_json::Value>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
    /// Whether the file gives any field but its header.
    #[serde(skip)]
    pub(crate) gives_anything: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Labels {
    pub(crate) pairs: Texts,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: Option<bool>,
    pub(crate) fields: Vec<FieldSpec>,
}

#[expect(clippy::struct_field_names, reason = "the names are those of the field")]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Target>,
    pub(crate) options: Option<PatchOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotation_selector: String,
    pub(crate) label_selector: String,
}

/// A change of image references.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementEntry {
    pub(crate) path: String,
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) targets: Option<Vec<ReplacementTarget>>,
    pub(crate) source_value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementSource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Target>,
    pub(crate) reject: Vec<Target>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) encoding: String,
    pub(crate) create: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Variable {
    pub(crate) name: String,
    #[serde(rename = "objref")]
    pub(crate) object: VariableObject,
    #[serde(rename = "fieldref")]
    pub(crate) field: VariableField,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct VariableObject {
    pub(crate) api_version: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VariableField {
    #[serde(alias = "fieldPath", alias = "fieldpath")]
    pub(crate) fieldpath: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// What a ConfigMap or Secret is generated from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DataArguments {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    #[serde(rename = "type")]
    pub(crate) secret_type: String,
    pub(crate) options: Option<GeneratorOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Option<Texts>,
    pub(crate) annotations: Option<Texts>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

impl Kustomization {
    /// Reads a file's text and checks its header.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let value = yaml::read_configuration(text)
            .map_err(|error| Error::Kustomization(error.to_string()))?;
        let gives = |map: &Map| {
            let header = |key: &str| ["apiversion", "kind"].contains(&key.to_lowercase().as_str());
            map.iter().any(|(key, value)| !value.is_null() && !header(key))
        };
        let gives_anything = value.as_map().is_some_and(gives);
        let file = decode::<Self>(value).map_err(Error::Kustomization)?;
        Ok(Self { gives_anything, ..file })
    }

    /// Breaches of the rules on `kind` and `apiVersion`.
    pub(crate) fn header_errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if ![KIND, COMPONENT_KIND].contains(&self.kind.as_str()) {
            errors.push(format!("kind should be {KIND} or {COMPONENT_KIND}"));
        }
        let wanted = if self.kind == COMPONENT_KIND { COMPONENT_API_VERSION } else { API_VERSION };
        if self.api_version != wanted {
            errors.push(format!("apiVersion for {} should be {wanted}", self.kind));
        }
        errors
    }

    /// Fills in an absent header.
    pub(crate) fn complete_header(&mut self) {
        if self.kind.is_empty() {
            KIND.clone_into(&mut self.kind);
        }
        if self.api_version.is_empty() {
            let component = self.kind == COMPONENT_KIND;
            let version = if component { COMPONENT_API_VERSION } else { API_VERSION };
            version.clone_into(&mut self.api_version);
        }
    }
}

/// Turns a tree into a structure; null means absent, as in Go.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    let json = match without_nulls(value) {
        Value::Null => serde_json::json!({}),
        value => value.into(),
    };
    decode_json(json, Unknown::Refused)
}

/// The same for configuration objects, whose unknown fields are ignored.
pub(crate) fn decode_leniently<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    decode_json(without_nulls(value).into(), Unknown::Ignored)
}

/// What becomes of a field that a structure does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Ignored,
}

/// How often a field name is corrected before a file is given up.
const CORRECTIONS_MAX: usize = 64;

/// Go matches field names whatever their case: a name that fits in another case is corrected.
fn decode_json<T: serde::de::DeserializeOwned>(
    mut json: serde_json::Value,
    unknown: Unknown,
) -> Result<T, String> {
    let mut failure = String::new();
    for _ in 0..CORRECTIONS_MAX {
        let error = match serde_json::from_value(json.clone()) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        failure = error.to_string();
        let mut names = failure.split('`').skip(1).step_by(2);
        let Some(written) = names.next().filter(|_| failure.starts_with("unknown field")) else {
            break;
        };
        let correct = names.find(|name| name.eq_ignore_ascii_case(written));
        if correct.is_none() && unknown == Unknown::Refused {
            break;
        }
        rename(&mut json, written, correct);
    }
    Err(go_text(&failure))
}

/// Renames a key wherever it stands, or removes it.
fn rename(json: &mut serde_json::Value, from: &str, to: Option<&str>) {
    match json {
        serde_json::Value::Array(items) => {
            for item in items {
                rename(item, from, to);
            }
        }
        serde_json::Value::Object(map) => {
            for value in map.values_mut() {
                rename(value, from, to);
            }
            if let (Some(value), Some(to)) = (map.shift_remove(from), to) {
                map.insert(to.to_owned(), value);
            }
        }
        _ => {}
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::List(items) => Value::List(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    }
}

/// The wording of Go's decoder where it is well known.
fn go_text(text: &str) -> String {
    match text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((field, _)) => format!("json: unknown field \"{field}\""),
        None => format!("json: {text}"),
    }
}
