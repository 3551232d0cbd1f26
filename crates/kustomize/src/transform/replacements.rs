//! Values copied from one object to fields of others.

use manifest::pattern::compile;
use manifest::{Map, Style, Text, Value, path, yaml};

use crate::Error;
use crate::error::During;
use crate::kustomization::{FieldOptions, ReplacementEntry, ReplacementSource, ReplacementTarget};
use crate::resource::{Id, Resource, bounded};
use crate::resources::{Matcher, Resources};
use crate::transform::put::{Place, put};

use super::structured;

const DEFAULT_PATH: &str = "metadata.name";
/// How long a list may become by an index one past its end: only one longer each time.
const PATH_PARTS_MAX: usize = 256;

/// Applies replacements in order; what one writes the next may read.
pub(crate) fn apply(resources: &mut Resources, entries: &[ReplacementEntry]) -> Result<(), Error> {
    for entry in entries {
        let Some(targets) = &entry.targets else { return Err(incomplete()) };
        let mut source = match (&entry.source_value, &entry.source) {
            (None, None) => return Err(incomplete()),
            (Some(_), Some(_)) => {
                return Err(Error::rule("value and resource selectors are mutually exclusive"));
            }
            (Some(text), None) => {
                Source { value: Text::new(text.as_str(), Style::Open).into(), at: None }
            }
            (None, Some(source)) => read(resources, source)?,
        };
        for target in targets {
            write(resources, &mut source, target)?;
        }
    }
    Ok(())
}

fn incomplete() -> Error {
    Error::rule("replacements must specify a source and at least one target")
}

fn ids(resource: &Resource) -> Result<Vec<Id>, Error> {
    // The reference keeps former names in one text, between commas, and empty ones not at all.
    let former = &resource.history.former;
    let named = former.iter().filter(|former| !former.name.is_empty());
    let count: usize = named.map(|former| former.name.split(',').count()).sum();
    if count > 0 && count != former.len() {
        return Err(Error::rule(
            "number of previous names, number of previous namespaces, number of previous kinds not \
             equal",
        ));
    }
    // Selection here does not know which kinds are outside of namespaces.
    let current = Id { cluster_scoped: false, ..resource.id() };
    Ok(std::iter::once(current).chain(resource.former_ids()).collect())
}

/// What is copied.
struct Source {
    value: Value,
    /// The resource and field that the value is in, and follows.
    at: Option<(usize, Vec<String>)>,
}

fn read(resources: &Resources, source: &ReplacementSource) -> Result<Source, Error> {
    let gvk = manifest::Gvk {
        group: source.group.clone(),
        version: source.version.clone(),
        kind: source.kind.clone(),
    };
    let (name, namespace) = (source.name.clone(), source.namespace.clone());
    let wanted = Id { gvk, name, namespace, cluster_scoped: false };
    let fits = |id: &Id| {
        (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty()
                || wanted.effective_namespace() == id.effective_namespace())
            && id.is_selected(&wanted.gvk)
    };
    let described = described(&wanted, source);
    let mut found = None;
    for (at, resource) in resources.0.iter().enumerate() {
        let ids = ids(resource).during(|| "error getting node IDs".to_owned())?;
        if ids.iter().any(fits) && found.replace((at, resource)).is_some() {
            return Err(Error::rule(format!("multiple matches for selector {described}")));
        }
    }
    let Some((at, resource)) = found else {
        return Err(Error::rule(format!("nothing selected by {described}")));
    };
    let field_path = match source.field_path.as_str() {
        "" => DEFAULT_PATH,
        path => path,
    };
    let parts = path::split_dots(field_path);
    let value = lookup(&resource.value, &parts)
        .map_err(|error| error.during("error looking up replacement source"))?;
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Map(map) => map.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    };
    let Some(value) = value.filter(|value| !empty(value)) else {
        return Err(Error::rule(format!(
            "fieldPath `{field_path}` is missing for replacement source {wanted}"
        )));
    };
    match source.options.as_ref().filter(|options| !options.delimiter.is_empty()) {
        Some(options) => Ok(Source { value: refine(value, options)?, at: None }),
        None => Ok(Source { value: value.clone(), at: Some((at, parts)) }),
    }
}

fn described(id: &Id, source: &ReplacementSource) -> String {
    let mut parts = vec![id.to_string()];
    if !source.field_path.is_empty() {
        parts.push(source.field_path.clone());
    }
    if let Some(options) = &source.options
        && (!options.delimiter.is_empty() || options.create)
    {
        let FieldOptions { delimiter, index, create, .. } = options;
        parts.push(format!("{delimiter}({index}), create={create}"));
    }
    parts.join(":")
}

/// The part of a text that the options name.
fn refine(value: &Value, options: &FieldOptions) -> Result<Value, Error> {
    if matches!(value, Value::Map(_) | Value::List(_)) {
        return Err(Error::rule("delimiter option can only be used with scalar nodes"));
    }
    let text = value.to_text();
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|at| text.split(options.delimiter.as_str()).nth(at));
    match part {
        Some(part) if value.as_str().is_some() => Ok(part.into()),
        Some(part) => Ok(yaml::resolve_plain(part)),
        None => Err(Error::rule(format!(
            "options.index {} is out of bounds for value {text}",
            options.index
        ))),
    }
}

fn write(
    resources: &mut Resources,
    source: &mut Source,
    target: &ReplacementTarget,
) -> Result<(), Error> {
    let Some(select) = &target.select else {
        return Err(Error::rule("target must specify resources to select"));
    };
    let creating = || "error creating target selector".to_owned();
    let matcher = Matcher::new(select).during(creating)?;
    let mut rejected = Vec::new();
    for reject in &target.reject {
        let by_metadata =
            !reject.label_selector.is_empty() || !reject.annotation_selector.is_empty();
        let by_id = [&reject.group, &reject.version, &reject.kind, &reject.name, &reject.namespace]
            .iter()
            .any(|text| !text.is_empty());
        rejected.push((Matcher::new(reject).during(creating)?, by_metadata, by_id));
    }
    for (at, resource) in resources.iter_mut().enumerate() {
        let ids = ids(resource)?;
        let mut selected = matcher.fits_metadata(&resource.value)?;
        for (matcher, by_metadata, by_id) in &rejected {
            selected = selected
                && !(*by_metadata && matcher.fits_metadata(&resource.value)?)
                && !(*by_id && ids.iter().any(|id| matcher.fits(id)));
        }
        if !selected || !ids.iter().any(|id| matcher.fits(id)) {
            continue;
        }
        let default = [DEFAULT_PATH.to_owned()];
        let paths =
            if target.field_paths.is_empty() { &default[..] } else { &target.field_paths[..] };
        for field_path in paths {
            copy(&mut resource.value, &source.value, field_path, target.options.as_ref())?;
            resource.shared.follow(&mut resource.value);
            bounded(&resource.value)?;
            // The reference copies from the field itself, which this may have changed.
            if let Some((_, parts)) = source.at.as_ref().filter(|(from, _)| *from == at)
                && let Ok(Some(value)) = lookup(&resource.value, parts)
            {
                source.value = value.clone();
            }
        }
    }
    Ok(())
}

fn copy(
    object: &mut Value,
    value: &Value,
    field_path: &str,
    options: Option<&FieldOptions>,
) -> Result<(), Error> {
    let create = options.is_some_and(|options| options.create).then_some(value);
    let parts = path::split_dots(field_path);
    if parts.len() > PATH_PARTS_MAX {
        return Err(Error::Limit("field path"));
    }
    if let Some(done) = structured::copy_into_text(object, value, &parts, create) {
        return done;
    }
    let what = if create.is_some() { "find or create" } else { "find" };
    let failed = || format!("unable to {what} field \"{field_path}\" in replacement target");
    let mut count = 0_usize;
    matching(object, &parts, create, Place::There, &mut |field, place| {
        count += 1;
        put(field, place, value, options)
    })
    .map_err(|error| match error {
        Found::Nothing(text) => Error::rule(text).during(failed()),
        Found::Refused(error) => error,
    })?;
    if count == 0 { Err(Error::rule(failed())) } else { Ok(()) }
}

/// Finds the one field that a path without wildcards leads to.
pub(super) fn lookup<'a>(value: &'a Value, parts: &[String]) -> Result<Option<&'a Value>, Error> {
    let mut value = value;
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let next = if let Some((name, wanted)) = list_entry(part) {
            let Value::List(items) = value else {
                return Err(Error::wrong_kind(value, "SequenceNode"));
            };
            let text = |item: &Value| match name {
                "" => Some(item.to_text()),
                name => item.get(name).map(Value::to_text),
            };
            items.iter().find(|item| text(item).as_deref() == Some(wanted))
        } else if part == "*" {
            return Err(Error::rule("wildcard is not supported in PathGetter"));
        } else if let (Value::List(items), true) = (value, part == "-") {
            items.last()
        } else if let Ok(at) = part.parse::<usize>() {
            let Value::List(items) = value else {
                return Err(Error::wrong_kind(value, "SequenceNode"));
            };
            items.get(at)
        } else {
            match value {
                Value::Map(map) => map.get(part),
                Value::Null => None,
                other => return Err(Error::wrong_kind(other, "MappingNode")),
            }
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// `[name=value]` or `[=value]`.
fn list_entry(part: &str) -> Option<(&str, &str)> {
    part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

/// Why a path leads nowhere, or why a field was refused.
pub(super) enum Found {
    Nothing(String),
    Refused(Error),
}

/// What is done with a field.
pub(super) type Set<'a> = dyn FnMut(&mut Value, Place) -> Result<(), Error> + 'a;

/// Calls `set` on every field that a path leads to, making it where `create` says what it will be.
pub(super) fn matching(
    value: &mut Value,
    parts: &[String],
    create: Option<&Value>,
    place: Place,
    set: &mut Set<'_>,
) -> Result<(), Found> {
    let Some((part, rest)) = parts.split_first() else {
        return set(value, place).map_err(Found::Refused);
    };
    if let Ok(at) = part.parse::<usize>() {
        let Value::List(items) = value else { return not_a_list(value) };
        let mut place = Place::There;
        if at == items.len() && create.is_some() {
            items.push(blank(rest, create));
            place = Place::Made;
        }
        let length = items.len();
        let Some(item) = items.get_mut(at) else {
            let text = format!("index {at} specified but only {length} elements found");
            return Err(Found::Nothing(text));
        };
        return matching(item, rest, create, place, set);
    }
    if let Some((name, pattern)) = list_entry(part) {
        let Value::List(items) = value else { return not_a_list(value) };
        return matching_items(items, (name, pattern), rest, create, set);
    }
    if part == "*" {
        let Value::List(items) = value else { return not_a_list(value) };
        return items
            .iter_mut()
            .try_for_each(|item| matching(item, rest, create, Place::There, set));
    }
    let map = match value {
        Value::Map(map) => map,
        Value::Null if create.is_some() => crate::resource::map_of(value),
        Value::Null => return Ok(()),
        other => {
            let error = Error::wrong_kind(other, "MappingNode");
            return Err(Found::Nothing(error.to_string()));
        }
    };
    match map.get_mut(part) {
        Some(field) => matching(field, rest, create, Place::There, set),
        None if create.is_some() => {
            let mut field = blank(rest, create);
            matching(&mut field, rest, create, Place::Made, set)?;
            map.insert(part.as_str().into(), field);
            Ok(())
        }
        None => Ok(()),
    }
}

fn not_a_list(value: &Value) -> Result<(), Found> {
    let error = Error::wrong_kind(value, "SequenceNode");
    Err(Found::Nothing(error.to_string()))
}

fn matching_items(
    items: &mut Vec<Value>,
    (name, pattern): (&str, &str),
    rest: &[String],
    create: Option<&Value>,
    set: &mut Set<'_>,
) -> Result<(), Found> {
    let regex = compile(pattern).map_err(|error| Found::Refused(error.into()))?;
    let fits = |item: &Value| match name {
        "" => regex.is_match(item.to_text().trim()),
        name => item.get(name).is_some_and(|value| regex.is_match(value.to_text().trim())),
    };
    if create.is_some() && !items.iter().any(fits) {
        items.push(match name {
            "" => pattern.into(),
            name => {
                Map::from_iter([(name.to_owned(), Text::new(pattern, Style::Open).into())]).into()
            }
        });
    }
    for item in items.iter_mut() {
        if name.is_empty() {
            if regex.is_match(item.to_text().trim()) {
                set(item, Place::There).map_err(Found::Refused)?;
            }
        } else if item.get(name).is_some_and(|value| regex.is_match(value.to_text().trim())) {
            matching(item, rest, create, Place::There, set)?;
        }
    }
    Ok(())
}

/// What stands at a new place until the rest of the path is made.
fn blank(rest: &[String], create: Option<&Value>) -> Value {
    match rest.first() {
        None => match create {
            Some(Value::Map(_)) => Map::new().into(),
            Some(Value::List(_)) => Vec::new().into(),
            _ => Value::Null,
        },
        Some(next) if list_entry(next).is_some() || next.parse::<usize>().is_ok() => {
            Vec::new().into()
        }
        Some(_) => Map::new().into(),
    }
}
