//! Labels on every object, its templates and its selectors.

use manifest::Value;

use crate::Error;
use crate::fieldspec::{Config, Create, FieldSpec, merge, visit_any};
use crate::kustomization::{Labels, Texts};
use crate::resource::{Resource, map_of};
use crate::resources::Resources;
use crate::shared::places_of;
use crate::unquoted;

/// The fields that one entry of `labels` touches.
pub(crate) fn fields(entry: &Labels, config: &Config) -> Result<Vec<FieldSpec>, Error> {
    let mut fields = entry.fields.clone();
    let failed = |error: Error| error.during("failed to merge labels");
    merge(&mut fields, &config.labels).map_err(failed)?;
    if entry.include_selectors {
        merge(&mut fields, &config.common_labels).map_err(failed)?;
    } else {
        if entry.include_templates {
            let claims = entry.include_volume_claim_templates;
            let wanted = |field: &&FieldSpec| {
                claims != Some(false) || !field.path.contains("volumeClaimTemplates")
            };
            let templates: Vec<_> = config.template_labels.iter().filter(wanted).cloned().collect();
            merge(&mut fields, &templates)
                .map_err(|error| error.during("failed to merge template fieldSpec"))?;
        }
        if entry.include_volume_claim_templates == Some(true) {
            let claims = config.template_labels.iter();
            let claims: Vec<_> =
                claims.filter(|f| f.path.contains("volumeClaimTemplates")).cloned().collect();
            merge(&mut fields, &claims).map_err(failed)?;
        }
        merge(&mut fields, &[FieldSpec::made("metadata/labels")]).map_err(failed)?;
    }
    Ok(fields)
}

/// Sets labels where the specs say.
pub(crate) fn apply(
    resources: &mut Resources,
    labels: &Texts,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    resources.iter_mut().try_for_each(|resource| one(resource, labels, fields))
}

/// Sets labels in one object.
pub(crate) fn one(
    resource: &mut Resource,
    labels: &Texts,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    if labels.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::with_capacity(fields.len());
    wanted.extend(fields.iter().filter(|field| field.is_of(resource)));
    // Label by label, as one may make a field that a later spec leads to.
    let mut made = Vec::with_capacity(labels.len());
    for label in labels {
        let mut places = Vec::new();
        for field in &wanted {
            let mut new = Vec::new();
            visit_any(resource, field, Create::Mapping, &mut |value| {
                new.push(set(value, label)?);
                Ok(())
            })?;
            if new.contains(&true) {
                let parts = field.parts().chain([label.0.as_str().into()]).collect();
                let found = places_of(&resource.value, &parts).into_iter().zip(new);
                places.extend(found.filter(|(_, new)| *new).map(|(place, _)| place));
            }
        }
        made.push((label.1, places));
    }
    resource.shared.follow(&mut resource.value);
    for (text, places) in made {
        resource.shared.join(text.as_str(), places);
    }
    Ok(())
}

/// Answers whether the label was not there before.
fn set(value: &mut Value, (key, text): (&String, &String)) -> Result<bool, Error> {
    match value {
        Value::Map(_) => {}
        // A null that is not to be made something else stays.
        Value::Null => return Ok(false),
        _ => return Err(Error::wrong_kind(value, "MappingNode")),
    }
    let map = map_of(value);
    let is_new = !map.contains_key(key.as_str());
    if is_new {
        unquoted::key(key)?;
        unquoted::text(text)?;
    }
    map.insert(key.as_str().into(), text.as_str().into());
    Ok(is_new)
}
