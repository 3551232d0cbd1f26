//! Strategic merge: the tree of a patch over the tree of an object.
//!
//! Follows kyaml's two-way merge: null removes, `$patch` deletes or replaces, lists with merge keys
//! are joined by them with the patch's items first, all other lists are replaced.

use manifest::yaml::{self, Step};
use manifest::{Key, Map, Style, Text, Value};

use crate::Error;
use crate::error::expect_scalar;
use crate::resource::Resource;

use super::items::{append, has, set_element, unify, valid, value_of};
use super::schema::{Node, Schema};

const DIRECTIVE: &str = "$patch";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Applies a patch; an object that it deletes becomes null.
pub(crate) fn apply(target: &mut Resource, patch: &Value, schema: &Schema) -> Result<(), Error> {
    // The reference replaces a copy of the object, and drops it.
    if patch.get(DIRECTIVE).is_some_and(|value| value.to_text() == "replace") {
        return Ok(());
    }
    let node = schema.of(&target.value).or_else(|| schema.of(patch));
    for path in std::mem::take(&mut target.blanks) {
        drop_blank(&mut target.value, &path, node);
    }
    let value = std::mem::take(&mut target.value);
    let merger = Merger { schema };
    target.value = merger.merge(Some(value), Some(patch), node)?.unwrap_or_default();
    Ok(())
}

/// Removes a value that was left out in the source, where a merge would look at it.
fn drop_blank(value: &mut Value, path: &[Step], node: Option<Node<'_>>) {
    let Some((first, rest)) = path.split_first() else { return };
    match (value, first) {
        (Value::Map(map), Step::Key(key))
            if rest.is_empty() && map.get(key).is_some_and(|value| value.to_text().is_empty()) =>
        {
            map.shift_remove(key);
        }
        (Value::Map(map), Step::Key(key)) => {
            if let Some(child) = map.get_mut(key) {
                drop_blank(child, rest, node.and_then(|node| node.field(key)));
            }
        }
        (Value::List(items), Step::Item(at)) => {
            let Some(node) = node.filter(|node| node.merge_keys().is_some()) else { return };
            if let Some(child) = items.get_mut(*at) {
                drop_blank(child, rest, node.items());
            }
        }
        _ => {}
    }
}

struct Merger<'a> {
    schema: &'a Schema,
}

/// A patch's scalar with the style of the one that it replaces: in place of a text in quotes, a
/// number or a truth value becomes text.
fn in_place_of(dest: Option<&Value>, patch: &Value) -> Value {
    let style = match dest {
        Some(Value::String(text)) if text.style().is_text() => text.style(),
        Some(_) => Style::Plain,
        None => return patch.clone(),
    };
    match (style, patch) {
        (Style::Plain, Value::String(text)) if !text.style().is_text() => patch.clone(),
        (_, Value::String(text)) => Text::new(&**text, style).into(),
        (style, Value::Bool(_) | Value::Number(_)) if style.is_text() => {
            Text::new(patch.to_text(), style).into()
        }
        _ => patch.clone(),
    }
}

/// Puts a text in quotes that would be something else without.
fn quoted(value: Value) -> Value {
    match value {
        Value::String(text)
            if matches!(text.style(), Style::Plain | Style::Open)
                && !text.is_empty()
                && !text.contains('\n')
                && yaml::printed_style(&text) != Style::Plain =>
        {
            Text::new(text.into_string(), Style::Double).into()
        }
        other => other,
    }
}

impl<'a> Merger<'a> {
    /// Joins two nodes; `None` removes.
    fn merge(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        node: Option<Node<'a>>,
    ) -> Result<Option<Value>, Error> {
        let leading = match &dest {
            Some(dest) if !dest.is_null() => Some(dest),
            _ => patch.filter(|patch| !patch.is_null()),
        };
        let node = node.or_else(|| leading.and_then(|value| self.schema.of(value)));
        match leading {
            None if patch.is_some() => Ok(None),
            None => Ok(dest),
            Some(Value::Map(_)) => self.merge_maps(dest, patch, node),
            Some(Value::List(_)) => {
                if let Some(keys) = node.and_then(Node::merge_keys) {
                    self.merge_lists(dest, patch, node, keys)
                } else {
                    expect_kind(patch, "SequenceNode", |v| matches!(v, Value::List(_)))?;
                    Ok(patch.map_or(dest, |patch| Some(patch.clone())).filter(|v| !v.is_null()))
                }
            }
            Some(_) => {
                expect_kind(patch, "ScalarNode", |v| !matches!(v, Value::List(_) | Value::Map(_)))?;
                let merged = match patch {
                    Some(patch) => Some(in_place_of(dest.as_ref(), patch)),
                    None => dest,
                };
                Ok(merged.filter(|value| !value.is_null()).map(quoted))
            }
        }
    }

    fn merge_maps(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        node: Option<Node<'a>>,
    ) -> Result<Option<Value>, Error> {
        expect_kind(patch, "MappingNode", |v| matches!(v, Value::Map(_)))?;
        let mut own;
        let mut patch = match patch {
            Some(Value::Map(patch)) => Some(patch),
            Some(_) => return Ok(None),
            None => None,
        };
        let mut directive = Directive::Merge;
        if let Some((map, named)) = patch.and_then(|map| Some((map, map.get(DIRECTIVE)?))) {
            directive = directive_of(named)?;
            own = map.clone();
            own.shift_remove(DIRECTIVE);
            patch = Some(&own);
        }
        let dest = match (dest, directive) {
            (_, Directive::Delete) => return Ok(None),
            (Some(Value::Map(mut dest)), Directive::Merge) => {
                // It may stem from the patch itself, where that adds a list.
                dest.shift_remove(DIRECTIVE);
                dest
            }
            _ => patch.cloned().unwrap_or_default(),
        };
        self.merge_fields(dest, patch, node).map(|map| Some(map.into()))
    }

    fn merge_fields(
        &self,
        mut dest: Map,
        patch: Option<&Map>,
        node: Option<Node<'a>>,
    ) -> Result<Map, Error> {
        let mut names: Vec<Key> = dest.keys().cloned().collect();
        for key in patch.into_iter().flat_map(Map::keys) {
            if !dest.contains_key(key) {
                names.push(key.clone());
            }
        }
        for name in names {
            let inner = node.and_then(|node| node.field(&name));
            let other = patch.and_then(|patch| patch.get(&name));
            let Some(slot) = dest.get_mut(&name) else {
                if let Some(value) = self.merge(None, other, inner)? {
                    dest.insert(name, value);
                }
                continue;
            };
            match self.merge(Some(std::mem::take(slot)), other, inner)? {
                Some(value) => *slot = value,
                None => {
                    dest.shift_remove(&name);
                }
            }
        }
        Ok(dest)
    }

    fn merge_lists(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        node: Option<Node<'a>>,
        keys: &[String],
    ) -> Result<Option<Value>, Error> {
        expect_kind(patch, "SequenceNode", |v| matches!(v, Value::List(_)))?;
        let mut patch = match patch {
            Some(Value::List(items)) => Some(items.clone()),
            Some(_) => return Ok(None),
            None => None,
        };
        let had_dest = matches!(dest, Some(Value::List(_)));
        let mut directive = Directive::Merge;
        if let (true, Some(items)) = (had_dest, &mut patch) {
            directive = list_directive(items)?;
        }
        let dest = match (dest, directive) {
            (_, Directive::Delete) => return Ok(None),
            (Some(Value::List(dest)), Directive::Merge) => dest,
            _ => patch.clone().unwrap_or_default(),
        };
        let by_value = [String::new()];
        let keys = if keys.is_empty() { &by_value[..] } else { keys };
        self.join(dest, patch.as_deref(), node.and_then(Node::items), keys)
            .map(|items| Some(items.into()))
    }

    /// Joins two lists by their merge keys; the patch's items come first.
    fn join(
        &self,
        mut dest: Vec<Value>,
        patch: Option<&[Value]>,
        node: Option<Node<'a>>,
        keys: &[String],
    ) -> Result<Vec<Value>, Error> {
        let mut all: Vec<Vec<String>> = Vec::new();
        let by_key = keys.iter().any(|key| !key.is_empty());
        let is_map = |item: &Value| matches!(item, Value::Map(_));
        for item in &dest {
            if by_key {
                expect_kind(Some(item), "MappingNode", is_map)?;
            } else {
                expect_scalar(item)?;
            }
        }
        for item in patch.into_iter().flatten().chain(&dest) {
            let values: Vec<_> = keys.iter().map(|key| value_of(item, key)).collect();
            if !all.contains(&values) {
                all.push(values);
            }
        }
        if keys.len() > 1 {
            unify(&mut all);
        }
        let mut added: Vec<Value> = Vec::new();
        let mut valid_keys = keys.to_vec();
        for values in &all {
            let valid_values;
            (valid_keys, valid_values) = valid(&all, values, keys);
            let (own_keys, own_values) =
                valid(std::slice::from_ref(&valid_values), &valid_values, &valid_keys);
            let find =
                |items: &[Value]| items.iter().position(|item| has(item, &own_keys, &own_values));
            let other = patch.and_then(|items| items.get(find(items)?));
            let slot = find(&dest);
            let own = slot.and_then(|at| dest.get(at)).cloned();
            // The reference replaces a copy of an item too, and drops it.
            let replaces = other.and_then(|patch| patch.get(DIRECTIVE)).map(directive_of);
            let joined = match own {
                Some(own) if replaces.transpose()? == Some(Directive::Replace) => Some(own),
                own => self.merge(own, other, node)?,
            };
            let empty = |value: &Value| matches!(value, Value::Map(map) if map.is_empty());
            let Some(mut joined) = joined.filter(|value| !value.is_null() && !empty(value)) else {
                set_element(&mut dest, &valid_keys, &valid_values, None);
                continue;
            };
            if let Value::Map(map) = &mut joined {
                for (key, value) in valid_keys.iter().zip(&valid_values) {
                    if !value.is_empty() && !map.contains_key(key) {
                        map.insert(key.as_str().into(), yaml::resolve_plain(value));
                    }
                }
            }
            if let Some(slot) = slot.and_then(|at| dest.get_mut(at)) {
                slot.clone_from(&joined);
            }
            set_element(&mut added, &valid_keys, &valid_values, Some(joined));
        }
        if all.is_empty() {
            return Ok(dest);
        }
        for item in dest {
            append(&mut added, item, &valid_keys);
        }
        Ok(added)
    }
}

fn expect_kind(
    patch: Option<&Value>,
    wanted: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<(), Error> {
    let Some(patch) = patch.filter(|patch| !patch.is_null() && !fits(patch)) else {
        return Ok(());
    };
    Err(Error::wrong_kind(patch, wanted))
}

fn directive_of(value: &Value) -> Result<Directive, Error> {
    match value.to_text().as_str() {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(Error::rule(format!("unknown patch strategy '{other}'"))),
    }
}

/// Takes the items that are nothing but a directive out of a list.
fn list_directive(items: &mut Vec<Value>) -> Result<Directive, Error> {
    let first = items.iter().find_map(|item| Some((item.as_map()?.len(), item.get(DIRECTIVE)?)));
    let Some((1, value)) = first else { return Ok(Directive::Merge) };
    let directive = directive_of(value)?;
    items.retain(|item| item.get(DIRECTIVE).is_none());
    Ok(directive)
}
