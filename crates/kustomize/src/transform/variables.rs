//! `$(NAME)` in fields that may hold variables.

use std::collections::BTreeMap;

use manifest::value::Number;
use manifest::{Gvk, Style, Value, path};

use crate::Error;
use crate::error::settle;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::kustomization::{Variable, VariableObject};
use crate::resource::{Id, TEXT_BYTES_MAX, gvk_text};
use crate::resources::Resources;
use crate::unquoted;

use super::replacements::lookup;

/// Notes which resources variables read from, and adds them to those known.
pub(crate) fn collect(
    resources: &mut Resources,
    known: &mut Vec<Variable>,
    new: &[Variable],
) -> Result<(), Error> {
    for variable in new {
        let id = id_of(&variable.object);
        let exact = !id.namespace.is_empty();
        let found = resources.matching_any(&id.name, |other| {
            if exact { id.same_object(other) } else { id.same_name_and_kind(other) }
        });
        if found.len() > 1 {
            return Err(Error::rule(format!(
                "found {} resId matches for var {} (unable to disambiguate)",
                found.len(),
                described(variable, &id.gvk, &variable.field.field_path)
            )));
        }
        if let Some(resource) = found.first().and_then(|at| resources.0.get_mut(*at)) {
            resource.history.variables.push(variable.name.clone());
        }
    }
    merge(known, new)
}

/// Adds variables; a name that is taken is an error.
pub(crate) fn merge(known: &mut Vec<Variable>, new: &[Variable]) -> Result<(), Error> {
    for variable in new {
        if known.iter().any(|other| other.name == variable.name) {
            return Err(Error::rule(format!("var '{}' already encountered", variable.name)));
        }
        known.push(variable.clone());
    }
    Ok(())
}

fn id_of(object: &VariableObject) -> Id {
    let mut gvk = Gvk {
        group: object.group.clone(),
        version: object.version.clone(),
        kind: object.kind.clone(),
    };
    if !object.api_version.is_empty() {
        gvk = Gvk { kind: gvk.kind, ..Gvk::new(&object.api_version, "") };
    }
    // The reference does not look up where the kind of a variable's object lives.
    let (name, namespace) = (object.name.clone(), object.namespace.clone());
    Id { gvk, name, namespace, cluster_scoped: false }
}

/// Puts the values of variables where they are used.
pub(crate) fn resolve(
    resources: &mut Resources,
    variables: &[Variable],
    fields: &[FieldSpec],
) -> Result<(), Error> {
    let mut values = BTreeMap::new();
    for variable in variables {
        values.insert(variable.name.clone(), value_of(resources, variable)?);
    }
    if values.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        for field in fields {
            visit(resource, field, Create::Nothing, &mut |value| expand_in(value, &values))?;
        }
        if longest(&resource.value) > TEXT_BYTES_MAX {
            return Err(Error::Limit("length of a text"));
        }
    }
    Ok(())
}

/// The length of the longest text inside.
fn longest(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(longest).max().unwrap_or_default(),
        Value::Map(map) => map.values().map(longest).max().unwrap_or_default(),
        _ => 0,
    }
}

fn value_of(resources: &Resources, variable: &Variable) -> Result<Value, Error> {
    let name = &variable.name;
    let path = match variable.field.field_path.as_str() {
        "" => "metadata.name",
        path => path,
    };
    let described = || described(variable, &id_of(&variable.object).gvk, path);
    let source = resources.0.iter().find(|r| r.history.variables.contains(name));
    let Some(source) = source else {
        return Err(Error::rule(format!(
            "var '{}' cannot be mapped to a field in the set of known resources",
            described()
        )));
    };
    let parts: Vec<_> = path::split_dots(path).into_iter().flat_map(without_index).collect();
    let found = lookup(&source.value, &parts).ok().flatten();
    let found = found.and_then(|value| match value {
        // As it is spelled.
        Value::Null => Some("null".into()),
        value => {
            let mut value = value.clone();
            value.settle().ok()?;
            let is_too_large = matches!(&value, Value::Number(numeral)
                if matches!(numeral.number(), Number::UInt(_)));
            Some(value).filter(|_| !is_too_large)
        }
    });
    found.ok_or_else(|| {
        Error::rule(format!(
            "field specified in var '{}' not found in corresponding resource",
            described()
        ))
    })
}

/// `name[0]` as the name and the index.
fn without_index(part: String) -> Vec<String> {
    let index = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match index.filter(|(_, index)| digits(index)) {
        Some(("", index)) => vec![index.to_owned()],
        Some((name, index)) => vec![name.to_owned(), index.to_owned()],
        None => vec![part],
    }
}

fn described(variable: &Variable, gvk: &Gvk, path: &str) -> String {
    format!("{{{} {} {{{path}}}}}", variable.name, gvk_text(gvk))
}

/// Variables as they are written, for messages.
pub(crate) fn listed(variables: &[Variable]) -> String {
    let one = |variable: &Variable| {
        let VariableObject { group, version, kind, .. } = variable.object.clone();
        described(variable, &Gvk { group, version, kind }, &variable.field.field_path)
    };
    format!("[{}]", variables.iter().map(one).collect::<Vec<_>>().join(" "))
}

fn expand_in(value: &mut Value, values: &BTreeMap<String, Value>) -> Result<(), Error> {
    match value {
        Value::String(_) => expand_text(value, values),
        Value::Map(map) => map.values_mut().try_for_each(|value| expand_text(value, values)),
        Value::List(items) => items.iter_mut().try_for_each(|item| match item {
            Value::String(_) => expand_text(item, values),
            _ => Err(Error::rule("invalid value type expect a string")),
        }),
        _ => Ok(()),
    }
}

/// Expands a value that is a text, which loses its quotes by that.
fn expand_text(value: &mut Value, values: &BTreeMap<String, Value>) -> Result<(), Error> {
    let Value::String(text) = value else { return Ok(()) };
    match text.style() {
        Style::Timestamp | Style::Truth => {}
        Style::Misplaced(_) => {
            return settle(value);
        }
        style => {
            if style == Style::Binary {
                settle(value)?;
            }
            *value = expand(&value.to_text(), values);
            unquoted::texts(value)?;
        }
    }
    Ok(())
}

/// Expands a text; one that is nothing but a variable takes the variable's type.
fn expand(text: &str, values: &BTreeMap<String, Value>) -> Value {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(more) = rest.strip_prefix('$') {
            out.push('$');
            rest = more;
        } else if let Some((name, more)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match values.get(name) {
                Some(value) if !matches!(value, Value::Null | Value::List(_) | Value::Map(_)) => {
                    if text == format!("$({name})") {
                        return value.clone();
                    }
                    out.push_str(&go_text(value));
                }
                _ => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = more;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out.into()
}

fn go_text(value: &Value) -> String {
    match value {
        Value::Number(_) => manifest::yaml::to_string(value).trim_end().to_owned(),
        other => other.to_text(),
    }
}
