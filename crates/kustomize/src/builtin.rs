//! Built-in generators and transformers written as configuration objects.

use manifest::{Map, Value};
use serde::{Deserialize, Serialize};

use crate::accumulate::Build;
use crate::decode;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::generate::{data, hash};
use crate::kustomization::{DataArguments, Image, Patch, ReplacementEntry, Replica, Target, Texts};
use crate::load::{Loader, Location};
use crate::resource::{Resource, map_of};
use crate::resources::Resources;
use crate::transform::{
    annotations, images, labels, names, namespace, patches, replacements, replicas,
};
use crate::{Error, error::During};

/// The fields of all built-in configuration objects; each kind uses some.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
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
    labels: Texts,
    annotations: Texts,
    image_tag: Image,
    replica: Replica,
    replacements: Vec<ReplacementEntry>,
    value: Option<serde_json::Value>,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ValueTarget {
    selector: Option<Target>,
    field_path: String,
    file_path_position: usize,
}

/// The arguments of a configuration object, without what makes it an object.
fn arguments(config: &Resource) -> Value {
    let mut value = config.value.clone();
    // Only a build puts what cannot be read back where it is.
    let _ = value.settle();
    let Value::Map(mut map) = value else { return Map::new().into() };
    for key in ["apiVersion", "kind", "metadata"] {
        map.shift_remove(key);
    }
    map.into()
}

const GENERATORS: [&str; 4] =
    ["ConfigMapGenerator", "SecretGenerator", "IAMPolicyGenerator", "HelmChartInflationGenerator"];
const TRANSFORMERS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SuffixTransformer",
    "ValueAddTransformer",
];

/// A configuration as kustomize shows it: what is empty is left out.
pub(crate) fn written(config: &impl Serialize) -> String {
    fn without_empty(json: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        let given = |json: &Json| match json {
            Json::Null | Json::Bool(false) => false,
            Json::String(text) => !text.is_empty(),
            Json::Number(number) => number.as_i64() != Some(0),
            Json::Array(items) => !items.is_empty(),
            _ => true,
        };
        match json {
            Json::Object(map) => map
                .into_iter()
                .filter(|(_, value)| given(value))
                .map(|(key, value)| (key, without_empty(value)))
                .collect(),
            Json::Array(items) => items.into_iter().map(without_empty).collect(),
            scalar => scalar,
        }
    }
    let json = serde_json::to_value(config).unwrap_or_default();
    manifest::yaml::to_string(&without_empty(json).into())
}

/// Says which configuration a built-in transformer or generator cannot take.
pub(crate) fn trouble(kind: &str, config: &impl Serialize, error: Error) -> Error {
    error.during(format!("trouble configuring builtin {kind} with config: `\n{}`", written(config)))
}

/// Nothing but what is built in can run here.
fn expect_builtin(config: &Resource) -> Result<(), Error> {
    let kind = config.kind();
    if config.api_version() != "builtin" {
        return Err(Error::Refused(format!(
            "external plugins disabled; unable to load external plugin '{kind}'"
        )));
    }
    if !GENERATORS.contains(&kind) && !TRANSFORMERS.contains(&kind) {
        let kind = crate::resource::gvk_text(&config.gvk());
        return Err(Error::rule(format!("unable to load builtin {kind}")));
    }
    Ok(())
}

/// Fails if a configuration object is no generator that can run.
pub(crate) fn expect_generator(config: &Resource) -> Result<(), Error> {
    expect_builtin(config)?;
    match config.kind() {
        "HelmChartInflationGenerator" => {
            let refused = Error::Refused("must specify --enable-helm".to_owned());
            Err(refused.during(format!("plugin {} fails configuration", config.id())))
        }
        kind if GENERATORS.contains(&kind) => Ok(()),
        _ => Err(Error::rule(format!("plugin {} not a generator", config.id()))),
    }
}

/// Runs a generator.
pub(crate) fn generate(
    loader: &mut Loader<'_>,
    at: &Location,
    config: &Resource,
) -> Result<Resource, Error> {
    let kind = match config.kind() {
        "IAMPolicyGenerator" => return iam_account(config),
        "SecretGenerator" => data::Kind::Secret,
        _ => data::Kind::ConfigMap,
    };
    let mut arguments: DataArguments =
        decode::lenient(&arguments(config)).map_err(|text| failed(config, text))?;
    if arguments.name.is_empty() {
        arguments.name = config.name();
    }
    if arguments.namespace.is_empty() {
        arguments.namespace = config.namespace();
    }
    data::generate(loader, at, kind, &arguments)
}

fn fails_configuration(config: &Resource) -> String {
    format!("plugin {} fails configuration", config.id())
}

fn failed(config: &Resource, text: impl Into<String>) -> Error {
    Error::rule(text).during(fails_configuration(config))
}

/// Runs a transformer.
pub(crate) fn transform(
    build: &mut Build<'_>,
    at: &Location,
    config: &Resource,
    resources: &mut Resources,
) -> Result<(), Error> {
    expect_builtin(config)?;
    let value = arguments(config);
    if config.kind() == "PatchTransformer" {
        let entry: Patch = decode::lenient(&value).map_err(|text| failed(config, text))?;
        let written = manifest::yaml::to_string(&config.value);
        let patch = patches::load(&entry, &written, &mut build.loader, at)
            .during(|| fails_configuration(config))?;
        return patch.apply(resources, build.schema());
    }
    let own: Arguments = decode::lenient(&value).map_err(|text| failed(config, text))?;
    let fields = &own.field_specs;
    let affixes = ["PrefixTransformer", "SuffixTransformer", "PrefixSuffixTransformer"];
    if affixes.contains(&config.kind()) && value.get("fieldSpecs").is_none_or(Value::is_null) {
        return Err(failed(config, "fieldSpecs is not expected to be nil"));
    }
    match config.kind() {
        "PatchStrategicMergeTransformer" => {
            let mut entries = own.paths.clone();
            entries.extend(Some(own.patches.clone()).filter(|patches| !patches.is_empty()));
            if entries.is_empty() {
                return Err(failed(config, "empty file path and empty patch content"));
            }
            let patches = patches::load_strategic(&entries, &mut build.loader, at)
                .during(|| fails_configuration(config))?;
            patches::apply_strategic(resources, &patches, build.schema())
        }
        "PatchJson6902Transformer" => {
            let (path, patch) = (own.path, own.json_op);
            let entry = Patch { path, patch, target: own.target, options: None };
            let patch = patches::load_json(&entry, &mut build.loader, at)
                .during(|| fails_configuration(config))?;
            patch.apply(resources)
        }
        "NamespaceTransformer" => set_namespace(resources, config, &own),
        "PrefixTransformer" => names::apply(resources, &own.prefix, names::End::Prefix, fields),
        "SuffixTransformer" => names::apply(resources, &own.suffix, names::End::Suffix, fields),
        "PrefixSuffixTransformer" => {
            names::apply(resources, &own.prefix, names::End::Prefix, fields)?;
            names::apply(resources, &own.suffix, names::End::Suffix, fields)
        }
        "LabelTransformer" => labels::apply(resources, &own.labels, fields),
        "AnnotationsTransformer" => annotations::apply(resources, &own.annotations, fields),
        "ImageTagTransformer" => images::apply(resources, &own.image_tag, fields),
        "ReplicaCountTransformer" => replicas::apply(resources, &own.replica, fields),
        "ReplacementTransformer" => {
            let entries =
                build.replacements(at, &own.replacements).during(|| fails_configuration(config))?;
            replacements::apply(resources, &entries)
        }
        "HashTransformer" => hash::apply(resources),
        "ValueAddTransformer" => {
            let targets = value_targets(&mut build.loader, at, &own)
                .during(|| fails_configuration(config))?;
            add_value(at, resources, &own, &targets)
        }
        _ => Err(Error::rule(format!("plugin {} not a transformer", config.id()))),
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

/// Where a value goes, by the configuration and by a file that it names.
fn value_targets(
    loader: &mut Loader<'_>,
    at: &Location,
    own: &Arguments,
) -> Result<Vec<ValueTarget>, Error> {
    let mut targets = own.targets.clone();
    if !own.target_file_path.is_empty() {
        let text = loader.load_text(at, &own.target_file_path)?;
        let file = own.target_file_path.clone();
        let listed = manifest::yaml::read_configuration(&text)
            .map_err(|source| Error::Malformed { file, source })?;
        let listed: Arguments = decode::lenient(&listed).map_err(Error::rule)?;
        targets.extend(listed.targets);
    }
    if targets.is_empty() {
        return Err(Error::rule("must specify at least one target"));
    }
    Ok(targets)
}

/// Writes a value to fields of all objects, or into paths that stand there.
fn add_value(
    at: &Location,
    resources: &mut Resources,
    own: &Arguments,
    targets: &[ValueTarget],
) -> Result<(), Error> {
    let mut value = own.value.clone().map(|value| Value::from(value).to_text()).unwrap_or_default();
    if value.trim().is_empty() {
        at.directory().name().clone_into(&mut value);
    }
    let value = value.trim();
    for target in targets {
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
#[serde(default, rename_all = "camelCase")]
struct IamPolicy {
    cloud: String,
    kubernetes_service: Account,
    service_account: Account,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Account {
    name: String,
    namespace: String,
    project_id: String,
}

/// A service account that stands for one of a cloud.
fn iam_account(config: &Resource) -> Result<Resource, Error> {
    let policy: IamPolicy =
        decode::lenient(&arguments(config)).map_err(|text| failed(config, text))?;
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
