//! The namespace of every object that lives in one.

use std::collections::HashMap;

use manifest::Value;

use crate::Error;
use crate::emit;
use crate::error::expect_scalar;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::resource::Resource;
use crate::resources::Resources;

/// Which subjects of role bindings follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    /// None.
    None,
}

/// Which namespaces are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replace {
    #[default]
    All,
    /// Only those that are not set.
    Unset,
}

/// A namespace with its rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace<'a> {
    pub(crate) name: &'a str,
    pub(crate) subjects: Subjects,
    pub(crate) replace: Replace,
}

/// Sets the namespace.
pub(crate) fn apply(
    resources: &mut Resources,
    namespace: &Namespace<'_>,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    if namespace.name.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut().filter(|resource| !resource.is_deleted()) {
        resource.remember_id();
        one(resource, namespace, fields)?;
    }
    refuse_conflicts(resources)
}

/// Sets the namespace of one resource.
pub(crate) fn one(
    resource: &mut Resource,
    namespace: &Namespace<'_>,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    let mut set = |value: &mut Value| set(value, namespace);
    if !resource.id().cluster_scoped {
        visit(resource, &FieldSpec::made("metadata/namespace"), Create::Scalar, &mut set)?;
    }
    let binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
    if binding {
        set_subjects(resource, namespace);
    }
    let core = resource.api_version() == "v1";
    for field in fields {
        let handled = field.path == "metadata/namespace"
            || (field.path == "metadata/name" && !core)
            || (binding
                && field.path == "subjects/namespace"
                && matches!(field.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"));
        if !handled {
            visit(resource, field, Create::Scalar, &mut set)
                .map_err(|error| error.during("namespace field specs must target scalar nodes"))?;
        }
    }
    Ok(())
}

fn set(value: &mut Value, namespace: &Namespace<'_>) -> Result<(), Error> {
    expect_scalar(value)?;
    if namespace.replace == Replace::All || value.to_text().is_empty() {
        value.set_text(namespace.name);
    }
    Ok(())
}

fn set_subjects(resource: &mut Resource, namespace: &Namespace<'_>) {
    let subjects = resource.value.as_map_mut().and_then(|root| root.get_mut("subjects"));
    for subject in subjects.and_then(Value::as_list_mut).into_iter().flatten() {
        let is = |key: &str, text: &str| subject.get(key).and_then(Value::as_str) == Some(text);
        let follows = match namespace.subjects {
            Subjects::Default => is("name", "default"),
            Subjects::ServiceAccounts => is("kind", "ServiceAccount"),
            Subjects::None => false,
        };
        if let (true, Some(subject)) = (follows, subject.as_map_mut()) {
            let field = subject.entry("namespace".into()).or_default();
            if namespace.replace == Replace::All || field.to_text().is_empty() {
                field.set_text(namespace.name);
            }
        }
    }
}

fn refuse_conflicts(resources: &Resources) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for resource in &resources.0 {
        let id = resource.id();
        let namespace = id.effective_namespace().to_owned();
        if let Some(first) = seen.insert((id.gvk.clone(), id.name.clone(), namespace), resource) {
            let json = |resource: &Resource| manifest::yaml::to_json(&emit::with_history(resource));
            let (first, second) = (json(first), json(resource));
            return Err(Error::rule(format!(
                "namespace transformation produces ID conflict: [{first} {second}]"
            )));
        }
    }
    Ok(())
}
