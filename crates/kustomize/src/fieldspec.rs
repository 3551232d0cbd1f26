//! Which fields of which kinds a transformer touches, as data.

use std::borrow::Cow;
use std::sync::LazyLock;

use manifest::path::first_of_slashes;
use manifest::{Gvk, Key, Map, Value};
use serde::Deserialize;

use crate::Error;
use crate::error::During;
use crate::resource::{Resource, selects};
use crate::transform::order;

/// One field of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "types.FieldSpec", default)]
pub(crate) struct FieldSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) fn gvk(&self) -> Gvk {
        let (group, version) = (self.group.clone(), self.version.clone());
        Gvk { group, version, kind: self.kind.clone() }
    }

    pub(crate) fn selects(&self, gvk: &Gvk) -> bool {
        self.covers(&gvk.group, &gvk.version, &gvk.kind)
    }

    /// Whether this is a field of the resource's kind.
    pub(crate) fn is_of(&self, resource: &Resource) -> bool {
        if self.is_general() {
            return true;
        }
        let (group, version) = resource.group_version();
        self.covers(group, version, resource.kind())
    }

    /// Whether this is a field of the kind that the resource had first.
    pub(crate) fn is_of_original(&self, resource: &Resource) -> bool {
        let (group, version) = resource.group_version();
        self.covers(group, version, resource.original_kind())
    }

    /// Whether this is a field of every kind.
    fn is_general(&self) -> bool {
        self.kind.is_empty() && self.group.is_empty() && self.version.is_empty()
    }

    fn covers(&self, group: &str, version: &str, kind: &str) -> bool {
        (self.kind.is_empty() || self.kind == kind)
            && (self.group.is_empty() || self.group == group)
            && (self.version.is_empty() || self.version == version)
    }

    /// The path for [`walk`].
    fn steps(&self) -> &str {
        self.path.strip_prefix('/').unwrap_or(&self.path)
    }

    /// The names of the fields on the way.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Key> {
        let mut rest = Some(self.steps());
        std::iter::from_fn(move || {
            let (first, after) = first_of_slashes(rest?);
            rest = after;
            Some(Key::from(first.strip_suffix("[]").unwrap_or(&first)))
        })
    }

    /// Whether the path leads to a field that is there, or is barred by a scalar.
    pub(crate) fn leads_somewhere(&self, value: &Value) -> bool {
        leads_somewhere(value, Some(self.steps()))
    }

    pub(crate) fn made(path: &str) -> Self {
        Self { path: path.to_owned(), create: true, ..Self::default() }
    }
}

/// A kind, and the fields of others that refer to it by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "builtinconfig.NameBackReferences", default)]
pub(crate) struct Reference {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    #[serde(rename = "fieldSpecs")]
    pub(crate) fields: Vec<FieldSpec>,
}

impl Reference {
    pub(crate) fn gvk(&self) -> Gvk {
        let (group, version) = (self.group.clone(), self.version.clone());
        Gvk { group, version, kind: self.kind.clone() }
    }
}

/// The fields of every transformer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename = "builtinconfig.TransformerConfig", default, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    /// Known by name only: the claims of a template are among `template_labels`.
    pub(crate) volume_claim_template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<Reference>,
}

impl Config {
    /// What kustomize does when nothing else is configured.
    pub(crate) fn defaults() -> &'static Self {
        static DEFAULTS: LazyLock<Config> = LazyLock::new(Config::read_defaults);
        &DEFAULTS
    }

    fn read_defaults() -> Self {
        let mut config = Self::default();
        let mut section = "";
        for line in include_str!("defaults/fields.txt").lines().filter(|l| !l.starts_with('#')) {
            match line.strip_prefix("  ") {
                None => section = line,
                Some(spec) => config.section(section).extend(parse(spec)),
            }
        }
        for line in include_str!("defaults/references.txt").lines().filter(|l| !l.starts_with('#'))
        {
            if let (Some(spec), Some(reference)) =
                (line.strip_prefix("  "), config.name_reference.last_mut())
            {
                reference.fields.extend(parse(spec));
            } else {
                let mut parts = line.split(' ').map(part);
                let mut next = || parts.next().unwrap_or_default();
                let (group, version, kind) = (next(), next(), next());
                config.name_reference.push(Reference { group, version, kind, fields: vec![] });
            }
        }
        config
    }

    fn section(&mut self, name: &str) -> &mut Vec<FieldSpec> {
        match name {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "templateLabels" => &mut self.template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => &mut self.var_reference,
        }
    }

    /// Puts the fields in the order in which the reference uses them.
    pub(crate) fn sort(&mut self) {
        let specs = [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.images,
            &mut self.replicas,
            &mut self.var_reference,
        ];
        for specs in specs {
            specs.sort_by_cached_key(|spec| order::rank(&spec.gvk()));
        }
        self.name_reference.sort_by_cached_key(|reference| order::rank(&reference.gvk()));
    }

    /// Adds the fields of another configuration. A spec that an earlier one covers is dropped, so
    /// that a configured kind may take the place of a default.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), Error> {
        let pairs = [
            ("NamePrefix", &mut self.name_prefix, &other.name_prefix),
            ("NameSuffix", &mut self.name_suffix, &other.name_suffix),
            ("NameSpace", &mut self.namespace, &other.namespace),
            ("CommonAnnotations", &mut self.common_annotations, &other.common_annotations),
            ("CommonLabels", &mut self.common_labels, &other.common_labels),
            ("Labels", &mut self.labels, &other.labels),
            ("TemplateLabels", &mut self.template_labels, &other.template_labels),
            (
                "VolumeClaimTemplateLabels",
                &mut self.volume_claim_template_labels,
                &other.volume_claim_template_labels,
            ),
            ("VarReference", &mut self.var_reference, &other.var_reference),
            ("Images", &mut self.images, &other.images),
            ("Replicas", &mut self.replicas, &other.replicas),
        ];
        for (name, specs, more) in pairs {
            merge(specs, more).during(|| format!("failed to merge {name} fieldSpec"))?;
        }
        for reference in &other.name_reference {
            match self.name_reference.iter_mut().find(|known| known.gvk() == reference.gvk()) {
                Some(known) => merge(&mut known.fields, &reference.fields)
                    .during(|| "failed to merge NameReference fieldSpec".to_owned())?,
                None => self.name_reference.push(reference.clone()),
            }
        }
        self.sort();
        Ok(())
    }
}

/// The fields that hold for what was gathered so far; nearly always the defaults alone.
#[derive(Default)]
pub(crate) struct Fields(Option<Cow<'static, Config>>);

impl Fields {
    pub(crate) fn get(&self) -> &Config {
        self.0.as_deref().unwrap_or_else(|| Config::defaults())
    }

    /// Adds a configuration, which holds the defaults too.
    pub(crate) fn merge(&mut self, new: Cow<'static, Config>) -> Result<(), Error> {
        // The defaults change nothing in themselves.
        if matches!((&self.0, &new), (None | Some(Cow::Borrowed(_)), Cow::Borrowed(_))) {
            self.0 = Some(new);
            return Ok(());
        }
        let mut all = self.0.take().map_or_else(Config::default, Cow::into_owned);
        all.merge(&new)?;
        self.0 = Some(Cow::Owned(all));
        Ok(())
    }

    /// Merges all of this anew, as the reference does after a component.
    pub(crate) fn again(&mut self) -> Result<(), Error> {
        match self.0.take() {
            Some(Cow::Owned(all)) => self.merge(Cow::Owned(all)),
            known => {
                self.0 = known;
                Ok(())
            }
        }
    }

    /// Adds what a base has.
    pub(crate) fn absorb(&mut self, base: Self) -> Result<(), Error> {
        base.0.map_or(Ok(()), |config| self.merge(config))
    }
}

fn part(text: &str) -> String {
    if text == "*" { String::new() } else { text.to_owned() }
}

fn parse(line: &str) -> Option<FieldSpec> {
    let mut parts = line.split(' ');
    let (group, version, kind) = (part(parts.next()?), part(parts.next()?), part(parts.next()?));
    let create = parts.next()? == "create";
    Some(FieldSpec { group, version, kind, create, path: parts.next()?.to_owned() })
}

/// Adds specs that are not covered yet; two that differ in creation only are an error.
pub(crate) fn merge(specs: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), Error> {
    for new in more {
        let covers = |old: &&FieldSpec| old.path == new.path && selects(&new.gvk(), &old.gvk());
        match specs.iter().find(covers) {
            Some(old) if old.create != new.create => {
                return Err(Error::rule("conflicting fieldspecs"));
            }
            Some(_) => {}
            None => specs.push(new.clone()),
        }
    }
    Ok(())
}

/// What is made at the end of a path that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    Nothing,
    Scalar,
    Mapping,
}

/// Calls `set` on every value that a spec leads to in a resource of its kinds.
pub(crate) fn visit(
    resource: &mut Resource,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
) -> Result<(), Error> {
    if spec.is_of(resource) { visit_any(resource, spec, create, set) } else { Ok(()) }
}

/// Calls `set` on every value that a spec's path leads to, whatever the resource's kind.
pub(crate) fn visit_any(
    resource: &mut Resource,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let create = if spec.create { create } else { Create::Nothing };
    let walked = match walk(&mut resource.value, Some(spec.steps()), create, set) {
        Ok(true) => return Ok(()),
        Ok(false) => Error::rule("expected sequence or mapping node"),
        Err(error) => error,
    };
    let (path, id) = (&spec.path, resource.id());
    Err(walked.during(format!("considering field '{path}' of object {id}")))
}

fn leads_somewhere(value: &Value, path: Option<&str>) -> bool {
    let Some(path) = path else { return true };
    match value {
        Value::Null => false,
        Value::List(items) => items.iter().any(|item| leads_somewhere(item, Some(path))),
        Value::Map(map) => {
            let (first, rest) = first_of_slashes(path);
            let field = map.get(first.strip_suffix("[]").unwrap_or(&first));
            field.is_some_and(|field| leads_somewhere(field, rest))
        }
        _ => true,
    }
}

/// Answers false where the path leads through a scalar.
fn walk(
    value: &mut Value,
    path: Option<&str>,
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
) -> Result<bool, Error> {
    let Some(path) = path else {
        return set(value).map(|()| true);
    };
    let map = match value {
        Value::Null => return Ok(true),
        Value::List(items) => {
            for item in items {
                if !walk(item, Some(path), create, set)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Value::Map(map) => map,
        _ => return Ok(false),
    };
    let (first, rest) = first_of_slashes(path);
    let name = first.strip_suffix("[]");
    if let Some(name) = name {
        return match map.get_mut(name) {
            Some(field) => {
                if field.is_null() {
                    *field = Vec::new().into();
                }
                walk(field, rest, create, set)
            }
            None => Ok(true),
        };
    }
    if create == Create::Nothing {
        return match map.get_mut(&first) {
            Some(field) => walk(field, rest, create, set),
            None => Ok(true),
        };
    }
    let field = map.entry(first.into()).or_default();
    if field.is_null() {
        let scalar = rest.is_none() && create == Create::Scalar;
        *field = if scalar { String::new().into() } else { Map::new().into() };
    }
    walk(field, rest, create, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_complete() {
        let config = Config::defaults();
        assert_eq!(config.common_labels.len(), 32);
        assert_eq!(config.var_reference.len(), 72);
        assert!(config.name_reference.iter().any(|r| r.kind == "ConfigMap" && r.fields.len() > 30));
    }

    #[test]
    fn defaults_change_nothing_in_themselves() {
        let mut again = Config::default();
        again.merge(Config::defaults()).expect("no conflict");
        assert_eq!(again, *Config::defaults());
        again.merge(Config::defaults()).expect("no conflict");
        assert_eq!(again, *Config::defaults());
    }
}
