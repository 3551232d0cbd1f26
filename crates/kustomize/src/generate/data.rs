//! ConfigMaps and Secrets from files, env files and literals.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use manifest::{Map, Value};

use crate::Error;
use crate::error::During;
use crate::kustomization::{DataArguments, GeneratorOptions, Texts};
use crate::load::{Loader, Location};
use crate::resource::{Behavior, Resource, map_in, map_of};
use crate::unquoted;

use super::literals;

/// Encoded bytes are broken into lines of this length.
const BASE64_LINE: usize = 70;

/// Which of the two kinds is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Makes one object.
pub(crate) fn generate(
    loader: &mut Loader<'_>,
    at: &Location,
    kind: Kind,
    arguments: &DataArguments,
) -> Result<Resource, Error> {
    if arguments.name.is_empty() {
        return Err(Error::rule("a configmap must have a name"));
    }
    let pairs = literals::pairs(loader, at, arguments).during(|| "loading KV pairs".to_owned())?;
    let mut root = Map::new();
    root.insert("apiVersion".into(), "v1".into());
    root.insert("kind".into(), if kind == Kind::Secret { "Secret" } else { "ConfigMap" }.into());
    let metadata = map_in(&mut root, "metadata");
    metadata.insert("name".into(), arguments.name.as_str().into());
    if !arguments.namespace.is_empty() {
        metadata.insert("namespace".into(), arguments.namespace.as_str().into());
    }
    if kind == Kind::Secret {
        let named = arguments.secret_type.as_str();
        root.insert("type".into(), if named.is_empty() { "Opaque" } else { named }.into());
        map_in(&mut root, "data");
    }
    let mut seen = std::collections::HashSet::new();
    for (key, content) in pairs {
        if !seen.insert(key.clone()) {
            let name = &arguments.name;
            return Err(Error::rule(format!("configmap {name} illegally repeats the key `{key}`")));
        }
        let (field, text) = match (kind, String::from_utf8(content)) {
            (Kind::ConfigMap, Ok(text)) => ("data", text),
            (Kind::ConfigMap, Err(bytes)) => ("binaryData", encode(bytes.as_bytes())),
            (Kind::Secret, Ok(text)) => ("data", encode(text.as_bytes())),
            (Kind::Secret, Err(bytes)) => ("data", encode(bytes.as_bytes())),
        };
        map_in(&mut root, field).insert(key.into(), text.into());
    }
    let mut resource = Resource::new(root.into());
    let options = arguments.options.clone().unwrap_or_default();
    decorate(&mut resource, &options);
    unquoted::map(resource.value.at(&["metadata", "labels"]))?;
    resource.history.needs_hash = !options.disable_name_suffix_hash;
    resource.history.generated = true;
    resource.history.behavior = Behavior::parse(&arguments.behavior);
    Ok(resource)
}

/// Lets the options of a kustomization file fill in those of one generator.
pub(crate) fn with_defaults(
    arguments: &DataArguments,
    defaults: Option<&GeneratorOptions>,
) -> DataArguments {
    let mut arguments = arguments.clone();
    if let Some(defaults) = defaults {
        let options = arguments.options.get_or_insert_default();
        fill(&mut options.labels, defaults.labels.as_ref());
        fill(&mut options.annotations, defaults.annotations.as_ref());
        options.disable_name_suffix_hash |= defaults.disable_name_suffix_hash;
        options.immutable |= defaults.immutable;
    }
    arguments
}

fn fill(texts: &mut Option<Texts>, defaults: Option<&Texts>) {
    let Some(defaults) = defaults else { return };
    let texts = texts.get_or_insert_default();
    for (key, text) in defaults {
        texts.entry(key.clone()).or_insert_with(|| text.clone());
    }
}

fn decorate(resource: &mut Resource, options: &GeneratorOptions) {
    for (field, texts) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        for (key, text) in texts.iter().flatten() {
            map_in(resource.metadata_mut(), field)
                .insert(key.as_str().into(), text.as_str().into());
        }
    }
    if options.immutable {
        map_of(&mut resource.value).insert("immutable".into(), Value::Bool(true));
    }
}

/// Base64, broken into lines once it is longer than one.
fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() / BASE64_LINE + 1 == 1 {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    for (at, c) in text.chars().enumerate() {
        lines.push(c);
        if (at + 1) % BASE64_LINE == 0 || at + 1 == text.len() {
            lines.push('\n');
        }
    }
    lines
}
