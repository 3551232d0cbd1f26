//! The ordered collection of resources that a build works on.

use std::collections::HashSet;

use manifest::pattern::Pattern;
use manifest::scope::is_cluster_scoped;
use manifest::selector::{self, Selector};
use manifest::{Map, Value};

use crate::Error;
use crate::kustomization::Target;
use crate::resource::{Behavior, Id, Resource, effective_namespace};

/// How many objects a build may hold.
pub(crate) const RESOURCES_MAX: usize = 200_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Resources(pub(crate) Vec<Resource>);

/// The identities of the first of some resources, so that they need not be gathered again.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    identities: HashSet<String>,
    covered: usize,
}

impl Seen {
    fn cover(&mut self, resources: &[Resource]) {
        self.identities.extend(resources.iter().skip(self.covered).map(identity));
        self.covered = resources.len();
    }
}

/// What no two resources may have in common, as one text.
fn identity(resource: &Resource) -> String {
    let (group, version) = resource.group_version();
    let (kind, name) = (resource.kind(), resource.name());
    let namespace = resource.namespace();
    let cluster_scoped = is_cluster_scoped(resource.api_version(), kind);
    let namespace = effective_namespace(cluster_scoped, &namespace);
    [group, version, kind, &name, namespace].join("\0")
}

impl Resources {
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.0.iter_mut()
    }

    /// Adds resources; an identity that is there already is an error.
    pub(crate) fn append(&mut self, more: Vec<Resource>) -> Result<(), Error> {
        self.append_to(more, &mut Seen::default())
    }

    /// Adds resources one after the other to what has been seen and not changed since.
    pub(crate) fn append_to(&mut self, more: Vec<Resource>, seen: &mut Seen) -> Result<(), Error> {
        if more.is_empty() {
            return Ok(());
        }
        if self.0.len() + more.len() > RESOURCES_MAX {
            return Err(Error::Limit("number of resources"));
        }
        seen.cover(&self.0);
        for resource in more {
            if !seen.identities.insert(identity(&resource)) {
                return Err(Error::Duplicate(resource.id().to_string()));
            }
            self.0.push(resource);
        }
        seen.covered = self.0.len();
        Ok(())
    }

    /// Indexes of resources of which any identity, former or current, has a name and fits.
    pub(crate) fn matching_any(&self, name: &str, fits: impl Fn(&Id) -> bool) -> Vec<usize> {
        let fits = |id: &Id| id.name == name && fits(id);
        let any = |resource: &Resource| {
            resource.had_name(name)
                && !resource.is_deleted()
                && (resource.former_ids().any(|id| fits(&id)) || fits(&resource.id()))
        };
        self.0.iter().enumerate().filter(|(_, r)| any(r)).map(|(at, _)| at).collect()
    }

    /// The one resource that a patch is for.
    pub(crate) fn unique(&self, id: &Id) -> Result<usize, Error> {
        let found = self.matching_any(&id.name, |other| id.same_object(other));
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
        let mut selected = Vec::new();
        for (at, resource) in self.0.iter().enumerate() {
            if matcher.selects(resource)? {
                selected.push(at);
            }
        }
        Ok(selected)
    }

    /// Leaves out what was deleted; two resources of one identity are an error.
    pub(crate) fn gather_anew(&mut self) -> Result<(), Error> {
        let mut all = std::mem::take(&mut self.0);
        all.retain(|resource| !resource.is_deleted());
        self.append(all)
    }

    pub(crate) fn drop_deleted(&mut self) {
        self.0.retain(|resource| !resource.is_deleted());
    }

    /// Adds a generated resource, or joins it with the one that it changes.
    pub(crate) fn absorb(&mut self, mut new: Resource) -> Result<(), Error> {
        let id = new.id();
        let found = self.matching_any(&id.name, |other| id.same_object(other));
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
    new.set_name(&name);
    new.set_namespace(&namespace);
    let needs_hash = new.history.needs_hash && old.history.needs_hash;
    let origin = new.history.origin.take();
    new.history = old.history.clone();
    new.history.needs_hash = needs_hash;
    new.history.generated = true;
    new.history.origin = origin;
}

/// Joins the data of both, all of which becomes text as it was written.
fn inherit_data(new: &mut Resource, old: &Resource, field: &str) {
    let mut data = Map::new();
    for resource in [old, &*new] {
        for (key, value) in resource.value.get(field).and_then(Value::as_map).into_iter().flatten()
        {
            data.insert(key.clone(), value.to_text().into());
        }
    }
    let Value::Map(root) = &mut new.value else { return };
    if data.is_empty() {
        root.shift_remove(field);
    } else {
        root.insert(field.into(), data.into());
    }
}

/// A compiled target.
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    // What is wrong with a selector is told when it is needed.
    labels: Result<Selector, selector::Error>,
    annotations: Result<Selector, selector::Error>,
}

impl Matcher {
    pub(crate) fn new(target: &Target) -> Result<Self, Error> {
        Ok(Self {
            group: Pattern::new(&target.group)?,
            version: Pattern::new(&target.version)?,
            kind: Pattern::new(&target.kind)?,
            name: Pattern::new(&target.name)?,
            namespace: Pattern::new(&target.namespace)?,
            labels: Selector::parse(&target.label_selector),
            annotations: Selector::parse(&target.annotation_selector),
        })
    }

    fn selects(&self, resource: &Resource) -> Result<bool, Error> {
        let (current, original) = (resource.id(), resource.original_id());
        let namespaces = [original.effective_namespace(), current.effective_namespace()];
        let fits_id = namespaces.iter().any(|namespace| self.namespace.matches(namespace))
            && [&original.name, &current.name].iter().any(|name| self.name.matches(name))
            && self.fits_kind(&current);
        Ok(fits_id && self.fits_metadata(&resource.value)?)
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

    pub(crate) fn fits_metadata(&self, value: &Value) -> Result<bool, Error> {
        let labels = self.labels.as_ref().map_err(Clone::clone)?;
        if !labels.matches(value.at(&["metadata", "labels"])) {
            return Ok(false);
        }
        let annotations = self.annotations.as_ref().map_err(Clone::clone)?;
        Ok(annotations.matches(value.at(&["metadata", "annotations"])))
    }
}
