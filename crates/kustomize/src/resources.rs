//! The ordered collection of resources that a build works on.

use std::collections::HashSet;

use manifest::Value;
use manifest::selector::{Pattern, Selector};
use manifest::yaml::{self, Document};

use crate::Error;
use crate::kustomization::Target;
use crate::resource::{Behavior, Id, Resource};

/// How many objects a build may hold.
pub(crate) const RESOURCES_MAX: usize = 200_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Resources(pub(crate) Vec<Resource>);

impl Resources {
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.0.iter_mut()
    }

    /// Adds resources; an identity that is there already is an error.
    pub(crate) fn append(&mut self, more: Vec<Resource>) -> Result<(), Error> {
        if more.is_empty() {
            return Ok(());
        }
        if self.0.len() + more.len() > RESOURCES_MAX {
            return Err(Error::Limit("number of resources"));
        }
        let key = |resource: &Resource| {
            let id = resource.id();
            let namespace = id.effective_namespace().to_owned();
            (id.gvk, id.name, namespace)
        };
        let mut seen: HashSet<_> = self.0.iter().map(key).collect();
        for resource in more {
            if !seen.insert(key(&resource)) {
                return Err(Error::Duplicate(resource.id().to_string()));
            }
            self.0.push(resource);
        }
        Ok(())
    }

    /// Indexes of resources of which any identity, former or current, fits.
    pub(crate) fn matching_any(&self, fits: impl Fn(&Id) -> bool) -> Vec<usize> {
        let any = |resource: &Resource| {
            !resource.is_deleted()
                && (resource.former_ids().any(|id| fits(&id)) || fits(&resource.id()))
        };
        self.0.iter().enumerate().filter(|(_, r)| any(r)).map(|(at, _)| at).collect()
    }

    /// The one resource that a patch is for.
    pub(crate) fn unique(&self, id: &Id) -> Result<usize, Error> {
        let found = self.matching_any(|other| id.same_object(other));
        let count = match found.as_slice() {
            [one] => return Ok(*one),
            [] => "no",
            _ => "multiple",
        };
        Err(Error::rule(format!(
            "{count} matches for Id {id}; failed to find unique target for patch {id}"
        )))
    }

    /// Indexes of what a target selects.
    pub(crate) fn select(&self, target: &Target) -> Result<Vec<usize>, Error> {
        let matcher = Matcher::new(target)?;
        let selected = |resource: &Resource| matcher.selects(resource);
        Ok(self.0.iter().enumerate().filter(|(_, r)| selected(r)).map(|(at, _)| at).collect())
    }

    pub(crate) fn drop_deleted(&mut self) {
        self.0.retain(|resource| !resource.is_deleted());
    }

    /// Adds a generated resource, or joins it with the one that it changes.
    pub(crate) fn absorb(&mut self, mut new: Resource) -> Result<(), Error> {
        let id = new.id();
        let found = self.matching_any(|other| id.same_object(other));
        let go_text = || {
            format!(
                "resid.ResId{{Gvk:resid.Gvk{{Group:{:?}, Version:{:?}, Kind:{:?}, \
                 isClusterScoped:{}}}, Name:{:?}, Namespace:{:?}}}",
                id.gvk.group, id.gvk.version, id.gvk.kind, id.cluster_scoped, id.name, id.namespace
            )
        };
        let at = match found.as_slice() {
            [] => {
                if matches!(new.history.behavior, Behavior::Merge | Behavior::Replace) {
                    let text = go_text();
                    return Err(Error::rule(format!(
                        "id {text} does not exist; cannot merge or replace"
                    )));
                }
                return self.append(vec![new]);
            }
            [at] => *at,
            _ => {
                return Err(Error::rule(format!(
                    "found multiple objects that could accept merge of {id}"
                )));
            }
        };
        let Some(old) = self.0.get_mut(at) else { return Ok(()) };
        match new.history.behavior {
            Behavior::Replace => inherit(&mut new, old),
            Behavior::Merge => {
                inherit(&mut new, old);
                for field in ["data", "binaryData"] {
                    inherit_data(&mut new, old, field);
                }
                if old.history.origin.is_some() {
                    new.history.origin.clone_from(&old.history.origin);
                }
            }
            behavior => {
                let text = go_text();
                return Err(Error::rule(format!(
                    "id {text} exists; can not use behavior: '{}', behavior must be merge or \
                     replace",
                    behavior.name()
                )));
            }
        }
        *old = new;
        Ok(())
    }
}

/// Takes over metadata and history of the resource that is replaced.
fn inherit(new: &mut Resource, old: &Resource) {
    for field in ["labels", "annotations"] {
        let mut texts = old.texts(field);
        for (key, text) in new.texts(field) {
            match texts.iter_mut().find(|(existing, _)| *existing == key) {
                Some((_, slot)) => *slot = text,
                None => texts.push((key, text)),
            }
        }
        new.set_texts(field, texts);
    }
    let (name, namespace) = (old.name(), old.namespace());
    let metadata = new.metadata_mut();
    metadata.insert("name".into(), name.into());
    if namespace.is_empty() {
        metadata.shift_remove("namespace");
    } else {
        metadata.insert("namespace".into(), namespace.into());
    }
    let needs_hash = new.history.needs_hash && old.history.needs_hash;
    let origin = new.history.origin.take();
    new.history = old.history.clone();
    new.history.needs_hash = needs_hash;
    new.history.generated = true;
    new.history.origin = origin;
}

fn inherit_data(new: &mut Resource, old: &Resource, field: &str) {
    let mut data = old.value.get(field).and_then(Value::as_map).cloned().unwrap_or_default();
    if let Some(more) = new.value.get(field).and_then(Value::as_map) {
        data.extend(more.clone());
    }
    let Value::Map(root) = &mut new.value else { return };
    if data.is_empty() {
        root.shift_remove(field);
    } else {
        root.insert(field.to_owned(), data.into());
    }
}

/// A compiled target.
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Selector,
    annotations: Selector,
}

impl Matcher {
    pub(crate) fn new(target: &Target) -> Result<Self, Error> {
        Ok(Self {
            group: Pattern::new(&target.group)?,
            version: Pattern::new(&target.version)?,
            kind: Pattern::new(&target.kind)?,
            name: Pattern::new(&target.name)?,
            namespace: Pattern::new(&target.namespace)?,
            labels: Selector::parse(&target.label_selector)?,
            annotations: Selector::parse(&target.annotation_selector)?,
        })
    }

    fn selects(&self, resource: &Resource) -> bool {
        let (current, original) = (resource.id(), resource.original_id());
        let namespaces = [original.effective_namespace(), current.effective_namespace()];
        namespaces.iter().any(|namespace| self.namespace.matches(namespace))
            && [&original.name, &current.name].iter().any(|name| self.name.matches(name))
            && self.fits_kind(&current)
            && self.fits_metadata(&resource.value)
    }

    /// Whether an identity fits, by exact namespace.
    pub(crate) fn fits(&self, id: &Id) -> bool {
        self.fits_kind(id) && self.name.matches(&id.name) && self.namespace.matches(&id.namespace)
    }

    fn fits_kind(&self, id: &Id) -> bool {
        self.group.matches(&id.gvk.group)
            && self.version.matches(&id.gvk.version)
            && self.kind.matches(&id.gvk.kind)
    }

    pub(crate) fn fits_metadata(&self, value: &Value) -> bool {
        self.labels.matches(value.at(&["metadata", "labels"]))
            && self.annotations.matches(value.at(&["metadata", "annotations"]))
    }
}

/// Reads the objects of a manifest's text; lists are taken apart.
pub(crate) fn read(text: &str) -> Result<Vec<Resource>, ReadError> {
    let documents = yaml::read_manifests(text)?;
    let alone = documents.len() == 1;
    let mut queue = Vec::new();
    for document in documents {
        match document.value {
            Value::Map(mut map)
                if alone
                    && matches!(
                        map.get("kind").and_then(Value::as_str),
                        Some("List" | "ResourceList")
                    )
                    && (map.contains_key("items") || map.contains_key("functionConfig")) =>
            {
                if let Some(Value::List(items)) = map.shift_remove("items") {
                    queue.extend(items.into_iter().map(plain_document));
                }
            }
            value => queue.push(Document { value, blanks: document.blanks }),
        }
    }
    let mut resources = Vec::new();
    let mut queue: std::collections::VecDeque<_> = checked(queue)?.into();
    while let Some(document) = queue.pop_front() {
        let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !kind.ends_with("List") {
            resources.push(document);
            continue;
        }
        match document.value.get("items") {
            None => resources.push(document),
            Some(Value::Null) => {}
            Some(Value::List(items)) => {
                let items = items.iter().cloned().map(plain_document).collect();
                queue.extend(checked(items)?);
            }
            Some(_) => {
                let text = format!("expected array in {kind}/items, but found something else");
                return Err(ReadError::Rule(text));
            }
        }
    }
    let resource =
        |document: Document| Resource { blanks: document.blanks, ..Resource::new(document.value) };
    Ok(resources.into_iter().map(resource).collect())
}

fn plain_document(value: Value) -> Document {
    Document { value, blanks: Vec::new() }
}

/// Why a text holds no objects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    #[error("{0}")]
    Rule(String),
}

impl ReadError {
    /// Names the file that the text came from.
    pub(crate) fn in_file(self, file: &str) -> Error {
        match self {
            Self::Yaml(source) => Error::Malformed { file: file.to_owned(), source },
            Self::Rule(text) => Error::Rule(text),
        }
    }
}

/// Leaves out what is empty; everything else needs a kind and a name.
fn checked(documents: Vec<Document>) -> Result<Vec<Document>, ReadError> {
    let mut result = Vec::with_capacity(documents.len());
    for document in documents {
        match &document.value {
            Value::Null => continue,
            Value::Map(map) if map.is_empty() => continue,
            Value::Map(_) => {}
            _ => return Err(ReadError::Rule("missing Resource metadata".to_owned())),
        }
        identified(&document.value).map_err(ReadError::Rule)?;
        result.push(document);
    }
    Ok(result)
}

/// Proves that an object has a kind and, if it is no list, a name.
pub(crate) fn identified(value: &Value) -> Result<(), String> {
    let text = |keys: &[&str]| value.at(keys).map(Value::to_text).unwrap_or_default();
    let (api_version, kind) = (text(&["apiVersion"]), text(&["kind"]));
    let (name, namespace) = (text(&["metadata", "name"]), text(&["metadata", "namespace"]));
    let missing = if kind.is_empty() {
        "kind"
    } else if name.is_empty() && !kind.ends_with("List") {
        "metadata.name"
    } else {
        return Ok(());
    };
    Err(format!(
        "missing {missing} in object {{{{{api_version} {kind}}} {{{{{name} {namespace}}} map[] \
         map[]}}}}"
    ))
}
