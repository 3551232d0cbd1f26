//! Replica counts by name.

use manifest::Value;

use crate::Error;
use crate::error::expect_scalar;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::kustomization::Replica;
use crate::resource::gvk_text;
use crate::resources::Resources;

/// Sets the count of every object with the name, of a kind that has one.
pub(crate) fn apply(
    resources: &mut Resources,
    replica: &Replica,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    let mut found = false;
    for field in fields {
        let gvk = field.gvk();
        for at in resources.matching_any(&replica.name, |id| id.is_selected(&gvk)) {
            found = true;
            let Some(resource) = resources.0.get_mut(at) else { continue };
            visit(resource, field, Create::Scalar, &mut |value| set(value, replica.count))?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<_> = fields.iter().map(|field| gvk_text(&field.gvk())).collect();
    Err(Error::rule(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    )))
}

/// A count that was written in quotes stays in quotes.
fn set(value: &mut Value, count: i64) -> Result<(), Error> {
    expect_scalar(value)?;
    *value = match value {
        Value::String(text) if text.style().is_text() => count.to_string().into(),
        _ => count.into(),
    };
    Ok(())
}
