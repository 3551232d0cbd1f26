//! The schema of a kustomization file, nothing else.

use std::collections::BTreeMap;
use std::fmt;

use manifest::{Gvk, Key, Value, yaml};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::decode;
use crate::fieldspec::FieldSpec;
use crate::resource::Id;

pub(crate) type Texts = BTreeMap<String, String>;

/// Names that a kustomization file may have, in the order of preference.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) const KIND: &str = "Kustomization";
pub(crate) const COMPONENT_KIND: &str = "Component";
const API_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_API_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.Kustomization", default, rename_all = "camelCase")]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: Option<Metadata>,
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
#[serde(rename = "types.Label", default, rename_all = "camelCase")]
pub(crate) struct Labels {
    pub(crate) pairs: Texts,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: Option<bool>,
    pub(crate) fields: Vec<FieldSpec>,
}

#[expect(clippy::struct_field_names, reason = "the names are those of the field")]
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.Patch", default, rename_all = "camelCase")]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Target>,
    pub(crate) options: Option<PatchOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.PatchArgs", default, rename_all = "camelCase")]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.Selector", default, rename_all = "camelCase")]
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
#[serde(rename = "types.Image", default, rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.ReplacementField", default, rename_all = "camelCase")]
pub(crate) struct ReplacementEntry {
    pub(crate) path: String,
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) targets: Option<Vec<ReplacementTarget>>,
    pub(crate) source_value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.SourceSelector", default, rename_all = "camelCase")]
pub(crate) struct ReplacementSource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.TargetSelector", default, rename_all = "camelCase")]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Target>,
    pub(crate) reject: Vec<Target>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename = "types.FieldOptions", default, rename_all = "camelCase")]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) encoding: String,
    pub(crate) create: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.Replica", default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.Var", default, rename_all = "camelCase")]
pub(crate) struct Variable {
    pub(crate) name: String,
    #[serde(rename = "objref")]
    pub(crate) object: VariableObject,
    #[serde(rename = "fieldref")]
    pub(crate) field: VariableField,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.Target", default, rename_all = "camelCase")]
pub(crate) struct VariableObject {
    pub(crate) api_version: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.FieldSelector", default, rename_all = "camelCase")]
pub(crate) struct VariableField {
    pub(crate) field_path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.SortOptions", default, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.LegacySortOptions", default, rename_all = "camelCase")]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// What a ConfigMap or Secret is generated from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.ConfigMapArgs", default, rename_all = "camelCase")]
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
#[serde(rename = "types.GeneratorOptions", default, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Option<Texts>,
    pub(crate) annotations: Option<Texts>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// What a file may say about itself; nothing follows from it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.ObjectMeta", default)]
pub(crate) struct Metadata {
    name: String,
    namespace: String,
    labels: Texts,
    annotations: Texts,
}

/// Whether an entry makes a file more than an empty one, which is an error.
fn is_more_than_header((key, value): (&Key, &Value)) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() && !is(&["apiVersion", "kind"]),
        // The lists of legacy fields are moved to others, which stay absent if nothing is moved.
        Value::List(items) if is(&["bases", "imageTags", "helmChartInflationGenerator"]) => {
            !items.is_empty()
        }
        _ => true,
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gvk = Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
        };
        let (name, namespace) = (self.name.clone(), self.namespace.clone());
        let id = Id { gvk, name, namespace, cluster_scoped: false };
        write!(out, "{id}:a={}:l={}", self.annotation_selector, self.label_selector)
    }
}

impl Kustomization {
    /// Reads a file's text and checks its header.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let value = yaml::read_configuration(text)
            .map_err(|error| Error::Kustomization(error.to_string()))?;
        let file: Self = decode::strict(&value).map_err(Error::Kustomization)?;
        let gives_anything = value.as_map().is_some_and(|map| map.iter().any(is_more_than_header));
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
