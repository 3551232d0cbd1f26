//! Names by which objects refer to others, after those others were renamed.

use std::collections::HashMap;

use manifest::{Gvk, Value};

use crate::Error;
use crate::fieldspec::{Create, FieldSpec, Reference, visit_any};
use crate::resource::{Id, Resource, selects};
use crate::resources::Resources;

/// An object that may be referred to, as it was and as it is.
struct Candidate {
    name: String,
    namespace: String,
    kind: String,
    id: Id,
    original: Id,
    former: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

struct Index {
    candidates: Vec<Candidate>,
    /// Former name → candidates in order.
    by_name: HashMap<String, Vec<usize>>,
}

/// Updates references to renamed objects.
pub(crate) struct References<'a> {
    index: Index,
    /// The fields of every kind that there is.
    fields: Vec<(Gvk, Vec<Field<'a>>)>,
}

/// A field and the kind that it refers to.
type Field<'a> = (&'a FieldSpec, &'a Reference);

impl<'a> References<'a> {
    /// Looks at what all objects are called and were called.
    pub(crate) fn new(resources: &Resources, references: &'a [Reference]) -> Result<Self, Error> {
        let mut this = Self { index: Index::new(resources)?, fields: Vec::new() };
        for resource in &resources.0 {
            this.meet(resource, references);
        }
        Ok(this)
    }

    /// Updates every reference of one object.
    pub(crate) fn update(&self, resource: &mut Resource) -> Result<(), Error> {
        for (field, reference) in self.fields_of(resource).into_iter().flatten() {
            if !field.leads_somewhere(&resource.value) {
                continue;
            }
            let referrer = Referrer::new(resource, &field.path, reference.gvk());
            let index = &self.index;
            // The referrer's kind was checked against its former identity.
            visit_any(resource, field, Create::Nothing, &mut |v| referrer.update(v, index))
                .map_err(|error| {
                    let (path, subject) = (&field.path, &referrer.id);
                    error
                        .during(format!("updating name reference in '{path}' field of '{subject}'"))
                })?;
        }
        Ok(())
    }

    fn fields_of(&self, resource: &Resource) -> Option<&[Field<'a>]> {
        let (group, version) = resource.group_version();
        let kind = resource.original_kind();
        let is_it = |gvk: &Gvk| gvk.kind == kind && gvk.group == group && gvk.version == version;
        let found = self.fields.iter().find(|(gvk, _)| is_it(gvk));
        found.map(|(_, fields)| fields.as_slice())
    }

    fn meet(&mut self, resource: &Resource, references: &'a [Reference]) {
        if self.fields_of(resource).is_some() {
            return;
        }
        let (group, version) = resource.group_version();
        let kind = resource.original_kind().into();
        let gvk = Gvk { group: group.into(), version: version.into(), kind };
        let of =
            |reference: &'a Reference| reference.fields.iter().map(move |field| (field, reference));
        let fields = references.iter().flat_map(of).filter(|(field, _)| field.selects(&gvk));
        let fields = fields.collect();
        self.fields.push((gvk, fields));
    }
}

/// A role binding names service accounts with their namespaces, or leaves the field out.
fn refuse_blank_subjects(resource: &Resource) -> Result<(), Error> {
    if resource.kind() != "RoleBinding" {
        return Ok(());
    }
    let subjects = resource.value.get("subjects").and_then(Value::as_list);
    let blank = |subject: &&Value| {
        subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount")
            && subject.get("namespace").is_some_and(Value::is_null)
    };
    if subjects.into_iter().flatten().any(|subject| blank(&subject)) {
        return Err(Error::rule(format!(
            "Invalid Input: namespace is blank for resource \"{}\"\n",
            resource.id()
        )));
    }
    Ok(())
}

impl Index {
    fn new(resources: &Resources) -> Result<Self, Error> {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut candidates = Vec::new();
        for resource in &resources.0 {
            refuse_blank_subjects(resource)?;
            let former: Vec<_> = resource.former_ids().collect();
            if former.is_empty() {
                continue;
            }
            for id in &former {
                let indexes = by_name.entry(id.name.clone()).or_default();
                if indexes.last() != Some(&candidates.len()) {
                    indexes.push(candidates.len());
                }
            }
            candidates.push(Candidate {
                name: resource.name(),
                namespace: resource.namespace(),
                kind: resource.kind().to_owned(),
                id: resource.id(),
                original: resource.original_id(),
                former,
                prefixes: resource.history.prefixes.clone(),
                suffixes: resource.history.suffixes.clone(),
            });
        }
        Ok(Self { candidates, by_name })
    }
}

struct Referrer {
    id: Id,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// Kind that is referred to.
    target: Gvk,
    /// Kind that a role reference names beside the name.
    role: Option<Gvk>,
    /// Namespaces of the service accounts that a role binding names.
    subject_namespaces: Vec<String>,
}

impl Referrer {
    fn new(resource: &Resource, path: &str, target: Gvk) -> Self {
        let text = |keys: &[&str]| Some(resource.value.at(keys)?.to_text());
        let role = path.ends_with("roleRef/name").then(|| {
            let (group, kind) = (text(&["roleRef", "apiGroup"])?, text(&["roleRef", "kind"])?);
            Some(Gvk { group, version: String::new(), kind })
        });
        let mut subject_namespaces = Vec::new();
        if resource.kind() == "RoleBinding" {
            let subjects = resource.value.get("subjects").and_then(Value::as_list);
            for subject in subjects.into_iter().flatten() {
                let account = subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount");
                if let (true, Some(namespace)) = (account, subject.get("namespace")) {
                    subject_namespaces.push(namespace.to_text());
                }
            }
        }
        Self {
            id: resource.id(),
            prefixes: resource.history.prefixes.clone(),
            suffixes: resource.history.suffixes.clone(),
            target,
            role: role.flatten(),
            subject_namespaces,
        }
    }

    fn update(&self, value: &mut Value, index: &Index) -> Result<(), Error> {
        match value {
            Value::Null => Ok(()),
            Value::List(items) => items.iter_mut().try_for_each(|item| match item {
                Value::List(_) => {
                    Err(Error::rule("is expected to be either a string or a map of string"))
                }
                item => self.update(item, index),
            }),
            Value::Map(_) => self.update_mapping(value, index),
            scalar => {
                let old = scalar.to_text();
                let found = self.select(&old, index, |_| true, |a, b| a.name == b.name)?;
                if let Some(referral) = found.filter(|referral| referral.name != old) {
                    scalar.set_scalar(&referral.name);
                }
                Ok(())
            }
        }
    }

    /// A mapping with a name and maybe a namespace, such as a role binding's subject.
    fn update_mapping(&self, value: &mut Value, index: &Index) -> Result<(), Error> {
        let Some(old) = value.get("name").map(Value::to_text) else {
            return Err(Error::rule("path config error; no 'name' field in node"));
        };
        let namespace = value.get("namespace").map(Value::to_text);
        let original = |candidate: &Candidate, namespace: &str| {
            candidate.original.effective_namespace() == namespace
        };
        let any_original = namespace.as_deref().is_some_and(|namespace| {
            index
                .candidates
                .iter()
                .any(|candidate| self.may_refer_to(candidate) && original(candidate, namespace))
        });
        let in_namespace = |candidate: &Candidate| match namespace.as_deref() {
            None => true,
            Some(namespace) if any_original => original(candidate, namespace),
            Some(namespace) => candidate.id.effective_namespace() == namespace,
        };
        let same = |a: &Candidate, b: &Candidate| a.name == b.name && a.namespace == b.namespace;
        let Some(referral) = self.select(&old, index, in_namespace, same)? else { return Ok(()) };
        if referral.name == old && referral.namespace.is_empty() {
            return Ok(());
        }
        let Value::Map(map) = value else { return Ok(()) };
        map.entry("name".into()).or_default().set_scalar(&referral.name);
        if !referral.namespace.is_empty() {
            map.entry("namespace".into()).or_default().set_scalar(&referral.namespace);
        }
        Ok(())
    }

    /// Whether the two can see each other at all.
    fn may_refer_to(&self, candidate: &Candidate) -> bool {
        self.id.cluster_scoped
            || candidate.id.cluster_scoped
            || candidate.id.effective_namespace() == self.id.effective_namespace()
            || self.subject_namespaces.contains(&candidate.namespace)
    }

    fn select<'a>(
        &self,
        old: &str,
        index: &'a Index,
        also: impl Fn(&Candidate) -> bool,
        same: impl Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&'a Candidate>, Error> {
        let Some(indexes) = index.by_name.get(old) else { return Ok(None) };
        let mut found: Vec<&Candidate> = indexes
            .iter()
            .filter_map(|at| index.candidates.get(*at))
            .filter(|candidate| self.may_refer_to(candidate) && also(candidate))
            .filter(|candidate| candidate.former.iter().any(|id| selects(&self.target, &id.gvk)))
            .filter(|candidate| {
                self.role
                    .as_ref()
                    .is_none_or(|role| candidate.former.iter().any(|id| selects(role, &id.gvk)))
            })
            .filter(|candidate| {
                self.id.cluster_scoped
                    || candidate.id.cluster_scoped
                    || candidate.kind == "ServiceAccount"
                    || candidate.id.effective_namespace() == self.id.effective_namespace()
            })
            .collect();
        if found.len() > 1 {
            found.retain(|candidate| self.affixes_agree(candidate, Empty::FitsAll));
        }
        if found.len() > 1 {
            found.retain(|candidate| self.affixes_agree(candidate, Empty::FitsEmpty));
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, rest @ ..] if rest.iter().all(|other| same(first, other)) => Ok(Some(first)),
            several => {
                let ids: Vec<_> = several.iter().map(|one| one.id.to_string()).collect();
                let ids = ids.join(", ");
                Err(Error::rule(format!("found multiple possible referrals: {ids}")))
            }
        }
    }

    fn affixes_agree(&self, other: &Candidate, empty: Empty) -> bool {
        let agree = |a: &[String], b: &[String]| {
            (empty == Empty::FitsAll && (a.is_empty() || b.is_empty())) || same_ending(a, b)
        };
        agree(&other.prefixes, &self.prefixes) && agree(&other.suffixes, &self.suffixes)
    }
}

/// What an absent prefix or suffix agrees with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    FitsAll,
    FitsEmpty,
}

/// Whether the shorter list is the end of the longer one.
fn same_ending(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return long.is_empty();
    }
    long.ends_with(short)
}
