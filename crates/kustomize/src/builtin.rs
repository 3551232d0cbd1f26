//! Built-in generators and transformers written as configuration objects.

use std::collections::BTreeMap;

use manifest::{Map, Value};
use serde::Deserialize;

use crate::accumulate::Build;
use crate::fieldspec::{Config, Create, FieldSpec, Reference, visit};
use crate::generate::{data, hash};
use crate::kustomization::{
    DataArguments, Image, Patch, ReplacementEntry, Replica, Target, Texts, decode_leniently,
};
use crate::load::{Loader, Location};
use crate::resource::{Resource, map_of};
use crate::resources::Resources;
use crate::transform::{
    annotations, images, labels, names, namespace, patches, replacements, replicas,
};
use crate::{Error, error::During};

/// How deep the definitions of a custom resource are followed.
const DEFINITION_DEPTH_MAX: usize = 16;

/// The fields of all built-in configuration objects; each kind uses some.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Arguments {
    field_specs: Vec<FieldSpec>,
    paths: Vec<String>,
    patches: String,
    path: String,
    patch: String,
    json_op: String,
    target: Option<Target>,
    options: Option<crate::kustomization::PatchOptions>,
    unset_only: bool,
    set_role_binding_subjects: String,
    prefix: String,
    suffix: String,
    labels: BTreeMap<String, serde_json::Value>,
    annotations: BTreeMap<String, serde_json::Value>,
    image_tag: Image,
    replica: Replica,
    replacements: Vec<ReplacementEntry>,
    value: Option<serde_json::Value>,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ValueTarget {
    selector: Option<Target>,
    field_path: String,
    file_path_position: usize,
}

/// The arguments of a configuration object, without what makes it an object.
fn arguments(config: &Resource) -> Value {
    let mut map = config.value.as_map().cloned().unwrap_or_default();
    for key in ["apiVersion", "kind", "metadata"] {
        map.shift_remove(key);
    }
    map.into()
}

fn refuse_foreign(config: &Resource) -> Result<(), Error> {
    let kind = config.kind();
    if config.api_version() == "builtin" {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "external plugins disabled; unable to load external plugin '{kind}'"
    )))
}

/// Runs a generator.
pub(crate) fn generate(
    loader: &mut Loader<'_>,
    at: &Location,
    config: &Resource,
) -> Result<Resource, Error> {
    refuse_foreign(config)?;
    let kind = match config.kind() {
        "ConfigMapGenerator" => data::Kind::ConfigMap,
        "SecretGenerator" => data::Kind::Secret,
        "IAMPolicyGenerator" => return iam_account(config),
        "HelmChartInflationGenerator" => {
            return Err(Error::Refused("must specify --enable-helm".to_owned()))
                .during(|| format!("plugin {} fails configuration", config.id()));
        }
        other => {
            return Err(Error::rule(format!("unable to load builtin {other}")));
        }
    };
    let mut arguments: DataArguments =
        decode_leniently(arguments(config)).map_err(|text| failed(config, text))?;
    if arguments.name.is_empty() {
        arguments.name = config.name();
    }
    if arguments.namespace.is_empty() {
        arguments.namespace = config.namespace();
    }
    data::generate(loader, at, kind, &arguments)
}

/// Numbers become texts where a text is asked for.
fn texts(values: &BTreeMap<String, serde_json::Value>) -> Texts {
    values.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()).to_text())).collect()
}

fn failed(config: &Resource, text: impl Into<String>) -> Error {
    Error::rule(text).during(format!("plugin {} fails configuration", config.id()))
}

/// Runs a transformer.
pub(crate) fn transform(
    build: &mut Build<'_>,
    at: &Location,
    config: &Resource,
    resources: &mut Resources,
) -> Result<(), Error> {
    refuse_foreign(config)?;
    let value = arguments(config);
    if config.kind() == "PatchTransformer" {
        let entry: Patch = decode_leniently(value).map_err(|text| failed(config, text))?;
        return patches::apply(resources, &entry, &mut build.loader, at, &build.schema);
    }
    let own: Arguments = decode_leniently(value).map_err(|text| failed(config, text))?;
    let fields = &own.field_specs;
    match config.kind() {
        "PatchStrategicMergeTransformer" => {
            let mut entries = own.paths.clone();
            entries.extend(Some(own.patches.clone()).filter(|patches| !patches.is_empty()));
            if entries.is_empty() {
                return Err(failed(config, "empty file path and empty patch content"));
            }
            patches::apply_strategic(resources, &entries, &mut build.loader, at, &build.schema)
        }
        "PatchJson6902Transformer" => {
            let (path, patch) = (own.path, own.json_op);
            let entry = Patch { path, patch, target: own.target, options: None };
            patches::apply_json(resources, &entry, &mut build.loader, at)
        }
        "NamespaceTransformer" => set_namespace(resources, config, &own),
        "PrefixTransformer" => names::apply(resources, &own.prefix, names::End::Prefix, fields),
        "SuffixTransformer" => names::apply(resources, &own.suffix, names::End::Suffix, fields),
        "PrefixSuffixTransformer" => {
            names::apply(resources, &own.prefix, names::End::Prefix, fields)?;
            names::apply(resources, &own.suffix, names::End::Suffix, fields)
        }
        "LabelTransformer" => labels::apply(resources, &texts(&own.labels), fields),
        "AnnotationsTransformer" => annotations::apply(resources, &texts(&own.annotations), fields),
        "ImageTagTransformer" => images::apply(resources, &own.image_tag, fields),
        "ReplicaCountTransformer" => replicas::apply(resources, &own.replica, fields),
        "ReplacementTransformer" => {
            let entries = build.replacements(at, &own.replacements)?;
            replacements::apply(resources, &entries)
        }
        "HashTransformer" => {
            for resource in resources.iter_mut().filter(|r| r.history.needs_hash) {
                let name = format!("{}-{}", resource.name(), hash::suffix(&resource.value));
                resource.remember_id();
                resource.set_name(&name);
            }
            Ok(())
        }
        "ValueAddTransformer" => add_value(&mut build.loader, at, resources, &own),
        _ => {
            let kind = crate::resource::gvk_text(&config.gvk());
            Err(Error::rule(format!("unable to load builtin {kind}")))
        }
    }
}

fn set_namespace(
    resources: &mut Resources,
    config: &Resource,
    own: &Arguments,
) -> Result<(), Error> {
    let subjects = match own.set_role_binding_subjects.as_str() {
        "" | "defaultOnly" => namespace::Subjects::Default,
        "allServiceAccounts" => namespace::Subjects::ServiceAccounts,
        "none" => namespace::Subjects::None,
        other => {
            return Err(failed(
                config,
                format!(
                    "invalid value \"{other}\" for setRoleBindingSubjects: must be one of \
                     \"defaultOnly\", \"none\" or \"allServiceAccounts\""
                ),
            ));
        }
    };
    let replace = if own.unset_only { namespace::Replace::Unset } else { namespace::Replace::All };
    let name = config.namespace();
    let namespace = namespace::Namespace { name: &name, subjects, replace };
    namespace::apply(resources, &namespace, &own.field_specs)
}

/// Writes a value to fields of all objects, or into paths that stand there.
fn add_value(
    loader: &mut Loader<'_>,
    at: &Location,
    resources: &mut Resources,
    own: &Arguments,
) -> Result<(), Error> {
    let mut value = own.value.clone().map(|value| Value::from(value).to_text()).unwrap_or_default();
    if value.trim().is_empty() {
        at.directory().name().clone_into(&mut value);
    }
    let value = value.trim();
    let mut targets = own.targets.clone();
    if !own.target_file_path.is_empty() {
        let text = loader.load_text(at, &own.target_file_path)?;
        let file = own.target_file_path.clone();
        let listed = manifest::yaml::read_configuration(&text)
            .map_err(|source| Error::Malformed { file, source })?;
        let listed: Arguments = decode_leniently(listed).map_err(Error::rule)?;
        targets.extend(listed.targets);
    }
    if targets.is_empty() {
        return Err(Error::rule("must specify at least one target"));
    }
    for target in &targets {
        let selected = match &target.selector {
            Some(selector) => resources.select(selector)?,
            None => (0..resources.0.len()).collect(),
        };
        let field = FieldSpec::made(&target.field_path);
        for at in selected {
            let Some(resource) = resources.0.get_mut(at) else { continue };
            if target.field_path == "metadata/namespace" {
                let namespace = namespace::Namespace { name: value, ..Default::default() };
                namespace::one(resource, &namespace, &[])?;
                continue;
            }
            visit(resource, &field, Create::Scalar, &mut |slot| {
                let text = match target.file_path_position {
                    0 => value.to_owned(),
                    position => insert_part(&slot.to_text(), position - 1, value),
                };
                // What was made for it has no quotes.
                let made = *slot == Value::from("");
                *slot = if made { manifest::yaml::resolve_plain(&text) } else { text.into() };
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Puts a part into a path of files.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct IamPolicy {
    cloud: String,
    kubernetes_service: Account,
    service_account: Account,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Account {
    name: String,
    namespace: String,
    project_id: String,
}

/// A service account that stands for one of a cloud.
fn iam_account(config: &Resource) -> Result<Resource, Error> {
    let policy: IamPolicy =
        decode_leniently(arguments(config)).map_err(|text| failed(config, text))?;
    if policy.cloud != "gke" {
        return Err(Error::rule(format!("cloud provider {} not supported yet", policy.cloud)));
    }
    let Account { name, project_id, .. } = &policy.service_account;
    let mut made = Resource::new(Map::new().into());
    let root = map_of(&mut made.value);
    root.insert("apiVersion".into(), "v1".into());
    root.insert("kind".into(), "ServiceAccount".into());
    made.set_name(&policy.kubernetes_service.name);
    if !policy.kubernetes_service.namespace.is_empty() {
        let namespace = policy.kubernetes_service.namespace.as_str();
        made.metadata_mut().insert("namespace".into(), namespace.into());
    }
    let account = format!("{name}@{project_id}.iam.gserviceaccount.com");
    made.set_texts("annotations", vec![("iam.gke.io/gcp-service-account".to_owned(), account)]);
    Ok(made)
}

/// The fields that annotated definitions of custom resources name.
pub(crate) fn config_of_definitions(definitions: &Value) -> Config {
    let mut config = Config::default();
    let Some(definitions) = definitions.as_map() else { return config };
    for (name, definition) in definitions {
        let properties = definition.at(&["Schema", "properties"]).and_then(Value::as_map);
        let Some(properties) = properties else { continue };
        if ["kind", "apiVersion", "metadata"].iter().all(|key| properties.contains_key(*key)) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let mut walk = Definitions { all: definitions, kind, config: &mut config };
            walk.follow(properties, &mut Vec::new());
        }
    }
    config
}

struct Definitions<'a> {
    all: &'a Map,
    kind: &'a str,
    config: &'a mut Config,
}

impl<'a> Definitions<'a> {
    fn follow(&mut self, properties: &'a Map, path: &mut Vec<&'a str>) {
        if path.len() >= DEFINITION_DEPTH_MAX {
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
