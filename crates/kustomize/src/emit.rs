//! The last steps: order, bookkeeping out of the data, objects.

use manifest::yaml;
use manifest::{Object, Value};

use crate::error::settle;
use crate::kustomization::Kustomization;
use crate::manifests;
use crate::resource::{Id, Origin, Resource, map_in};
use crate::resources::Resources;
use crate::transform::order;
use crate::{Error, Options, Order, unquoted};

const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const VERSION: &str = "kustomize-v5.8.1";

/// Annotations that builders use among themselves; they never come out.
const INTERNAL: [&str; 19] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

/// An object needs a kind and a name.
pub(crate) fn expect_name(resource: &mut Resource) -> Result<(), Error> {
    let kind = resource.kind();
    if kind.is_empty() || (resource.name().is_empty() && !kind.ends_with("List")) {
        let missing = manifests::missing(&with_history(resource));
        return missing.map_or(Ok(()), |text| Err(Error::rule(text)));
    }
    Ok(())
}

/// Whether an object is configuration of the build itself.
fn is_local(resource: &Resource) -> bool {
    let local = resource.value.at(&["metadata", "annotations", LOCAL_CONFIG]);
    local.is_some_and(|local| local.to_text() != "false")
}

/// An object with its former identities, as the reference shows it in messages.
pub(crate) fn with_history(resource: &Resource) -> Value {
    let former: Vec<_> = resource.former_ids().collect();
    if former.is_empty() {
        return resource.value.clone();
    }
    let mut shown = resource.clone();
    let annotations = map_in(shown.metadata_mut(), "annotations");
    let listed = |text: fn(&Id) -> &str| former.iter().map(text).collect::<Vec<_>>().join(",");
    for (name, text) in [
        ("previousKinds", listed(|id| &id.gvk.kind)),
        ("previousNames", listed(|id| &id.name)),
        ("previousNamespaces", listed(Id::effective_namespace)),
    ] {
        let name = format!("internal.config.kubernetes.io/{name}");
        annotations.insert(name.into(), text.into());
    }
    shown.value
}

/// Orders the resources by the names that they have before these are read back.
pub(crate) fn order(
    resources: &mut Resources,
    root: &Kustomization,
    options: &Options,
) -> Result<(), Error> {
    match (&root.sort_options, options.order) {
        (Some(sort), _) => order::apply(resources, sort)?,
        (None, Order::Legacy) => order::legacy(resources),
        (None, Order::Fifo) => {}
    }
    Ok(())
}

/// The last changes of every object.
pub(crate) struct Finish {
    managed_by_label: bool,
    origin_annotations: bool,
    transformer_annotations: bool,
}

impl Finish {
    pub(crate) fn new(root: &Kustomization, options: &Options) -> Self {
        let asks = |what: &str| root.build_metadata.iter().any(|option| option == what);
        Self {
            managed_by_label: options.managed_by_label || asks("managedByLabel"),
            origin_annotations: asks("originAnnotations"),
            transformer_annotations: asks("transformerAnnotations"),
        }
    }

    /// Labels and strips one object, and makes its scalars what they mean. One that is
    /// configuration of the build itself is deleted.
    pub(crate) fn apply(&self, resource: &mut Resource) -> Result<(), Error> {
        if is_local(resource) {
            resource.value = Value::Null;
            return Ok(());
        }
        if self.managed_by_label {
            map_in(resource.metadata_mut(), "labels").insert(MANAGED_BY.into(), VERSION.into());
        }
        annotate(resource, self.origin_annotations, self.transformer_annotations);
        unquoted::map(resource.value.at(&["metadata", "annotations"]))?;
        resource.refuse_unquoted_data()?;
        if resource.flow {
            resource.value.unfold();
        }
        settle(&mut resource.value)
    }
}

/// Proves that a document is an object.
pub(crate) fn object(value: Value) -> Result<Object, Error> {
    let text = yaml::to_json(&value);
    Object::new(value).map_err(|_| {
        let step = "failed to decode Kubernetes apiVersion, kind and name from";
        Error::rule(format!("{step}: {text}"))
    })
}

fn annotate(resource: &mut Resource, with_origin: bool, with_transformations: bool) {
    let had_annotations = resource.value.at(&["metadata", "annotations"]).is_some();
    let mut texts = resource.texts("annotations");
    texts.retain(|(key, _)| {
        !INTERNAL.contains(&key.as_str()) && key != ORIGIN && key != TRANSFORMATIONS
    });
    let history = &resource.history;
    if let Some(origin) = history.origin.as_ref().filter(|_| with_origin) {
        texts.push((ORIGIN.to_owned(), entry(origin, "")));
    }
    if with_transformations && !history.transformations.is_empty() {
        let mut list = String::new();
        for origin in &history.transformations {
            list.push_str("- ");
            list.push_str(entry(origin, "  ").trim_start());
        }
        texts.push((TRANSFORMATIONS.to_owned(), list));
    }
    if had_annotations || !texts.is_empty() {
        resource.set_texts("annotations", texts);
    }
    resource.metadata_mut();
}

/// An origin as YAML in the order of its fields.
fn entry(origin: &Origin, indent: &str) -> String {
    let mut lines = Vec::new();
    let quoted = |text: &str| yaml::to_string(&Value::from(text)).trim_end().to_owned();
    for (key, text) in [("path", &origin.path), ("configuredIn", &origin.configured_in)] {
        if !text.is_empty() {
            lines.push(format!("{indent}{key}: {}\n", quoted(text)));
        }
    }
    let named = ["apiVersion", "kind", "name", "namespace"];
    if origin.configured_by.iter().any(|text| !text.is_empty()) {
        lines.push(format!("{indent}configuredBy:\n"));
        for (key, text) in named.iter().zip(&origin.configured_by) {
            if !text.is_empty() {
                lines.push(format!("{indent}  {key}: {}\n", quoted(text)));
            }
        }
    }
    lines.concat()
}
