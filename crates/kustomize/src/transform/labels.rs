//! Labels on every object, its templates and its selectors.

use manifest::yaml::Step;
use manifest::{Value, path};

use crate::Error;
use crate::fieldspec::{Config, Create, FieldSpec, merge, visit_any};
use crate::kustomization::{Labels, Texts};
use crate::resource::map_of;
use crate::resources::Resources;
use crate::shared::places;
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
    if labels.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        let fields: Vec<_> = fields.iter().filter(|field| field.is_of(resource)).collect();
        let before = written(&resource.value, &fields, labels);
        // Label by label, as one may make a field that a later spec leads to.
        for label in labels {
            for field in &fields {
                visit_any(resource, field, Create::Mapping, &mut |value| set(value, label))?;
            }
        }
        let after = written(&resource.value, &fields, labels);
        resource.shared.follow(&mut resource.value);
        for ((text, old), new) in labels.values().zip(before).zip(after) {
            let new = new.into_iter().filter(|place| !old.contains(place)).collect();
            resource.shared.join(text.as_str().into(), new);
        }
    }
    Ok(())
}

/// The places where each label stands.
fn written(object: &Value, fields: &[&FieldSpec], labels: &Texts) -> Vec<Vec<Vec<Step>>> {
    let mut all = vec![Vec::new(); labels.len()];
    for field in fields {
        let mut parts = path::split_slashes(&field.path);
        for (key, found) in labels.keys().zip(&mut all) {
            parts.push(key.clone());
            for place in places(object, &parts) {
                if !found.contains(&place) {
                    found.push(place);
                }
            }
            parts.pop();
        }
    }
    all
}

fn set(value: &mut Value, (key, text): (&String, &String)) -> Result<(), Error> {
    if !matches!(value, Value::Map(_) | Value::Null) {
        return Err(Error::wrong_kind(value, "MappingNode"));
    }
    let map = map_of(value);
    if !map.contains_key(key.as_str()) {
        unquoted::key(key)?;
        unquoted::text(text)?;
    }
    map.insert(key.as_str().into(), text.as_str().into());
    Ok(())
}
