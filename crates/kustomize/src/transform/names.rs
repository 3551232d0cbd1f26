//! Prefixes and suffixes of names.

use manifest::Value;

use crate::Error;
use crate::error::expect_scalar;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::resource::Resource;
use crate::resources::Resources;

/// Which end of a name is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Prefix,
    Suffix,
}

/// Extends the names of all objects but those whose name has a meaning of its own.
pub(crate) fn apply(
    resources: &mut Resources,
    affix: &str,
    end: End,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    resources.iter_mut().try_for_each(|resource| one(resource, affix, end, fields))
}

/// Extends the name of one object.
pub(crate) fn one(
    resource: &mut Resource,
    affix: &str,
    end: End,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    let (group, kind) = (resource.group_version().0, resource.original_kind());
    let fixed = matches!(kind, "CustomResourceDefinition" | "Namespace")
        || (group == "apiregistration.k8s.io" && kind == "APIService");
    if fixed {
        return Ok(());
    }
    for field in fields {
        if !field.is_of_original(resource) {
            continue;
        }
        if field.path == "metadata/name" {
            remember(resource, affix, end);
        }
        visit(resource, field, Create::Scalar, &mut |value| extend(value, affix, end))?;
    }
    Ok(())
}

fn extend(value: &mut Value, affix: &str, end: End) -> Result<(), Error> {
    expect_scalar(value)?;
    let name = if value.is_null() { "null".to_owned() } else { value.to_text() };
    let name = match end {
        End::Prefix => format!("{affix}{name}"),
        End::Suffix => format!("{name}{affix}"),
    };
    value.set_scalar(&name);
    Ok(())
}

fn remember(resource: &mut Resource, affix: &str, end: End) {
    if affix.is_empty() {
        return;
    }
    let affixes = match end {
        End::Prefix => &mut resource.history.prefixes,
        End::Suffix => &mut resource.history.suffixes,
    };
    affixes.push(affix.to_owned());
    resource.remember_id();
}
