//! Nodes in the order of the text → documents, with the reference's rules of what they mean.

use std::collections::HashMap;

use saphyr_parser::{ScalarStyle, Tag};

use crate::{Key, Map, Style, Text, Value};

use super::Dialect;
use super::read::{ALIAS_NODES_MAX, DEPTH_MAX, Document, Error, Step};
use super::scalar::{self, Scalar};

/// Where a node stands in the text.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    /// Its anchor; 0 for none.
    pub(super) anchor: usize,
    /// Its line, from 1; 0 where nobody will ask.
    pub(super) line: usize,
    /// Written in braces.
    pub(super) flow: bool,
    /// A block scalar in whose last line the text ends, without a line break.
    pub(super) unended: bool,
}

/// What begins.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Map {
        /// Written in braces.
        flow: bool,
    },
    List,
}

/// A mapping or list that is still open.
struct Open {
    node: Value,
    place: Place,
    /// Key that waits for its value.
    key: Option<NextKey>,
    /// Line of every key, in the order of the mapping's entries, for messages.
    lines: Vec<usize>,
    key_line: usize,
    /// Mappings to merge in, most important first.
    merges: Vec<Value>,
    flow: bool,
}

enum NextKey {
    Text(Key),
    Merge,
}

/// Gathers documents from nodes that come in the order of the text.
pub(super) struct Builder {
    dialect: Dialect,
    stack: Vec<Open>,
    anchors: HashMap<usize, Value>,
    alias_nodes: usize,
    blanks: Vec<Vec<Step>>,
    documents: Vec<Document>,
}

impl Builder {
    pub(super) fn finish(self) -> Vec<Document> {
        self.documents
    }

    /// How far this is, to return to.
    pub(super) fn mark(&self) -> usize {
        self.documents.len()
    }

    /// Forgets what came after a mark.
    pub(super) fn reset(&mut self, mark: usize) {
        self.documents.truncate(mark);
        self.stack.clear();
        self.blanks.clear();
        self.anchors.clear();
    }

    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            stack: Vec::new(),
            anchors: HashMap::new(),
            alias_nodes: 0,
            blanks: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// A mapping or list begins.
    pub(super) fn open(&mut self, node: Node, place: Place) -> Result<(), Error> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Error::Limit("nesting depth"));
        }
        self.expect_key_is_text()?;
        let (node, flow) = match node {
            Node::Map { flow } => (Map::new().into(), flow),
            Node::List => (Vec::new().into(), false),
        };
        let (key, lines, merges) = (None, Vec::new(), Vec::new());
        self.stack.push(Open { node, place, key, key_line: 0, lines, merges, flow });
        Ok(())
    }

    /// The innermost mapping or list ends.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.stack.pop() else { return Ok(()) };
        open.merge();
        self.value(open.node, Place { flow: open.flow, ..open.place })
    }

    /// An alias of what an anchor has named.
    pub(super) fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Error> {
        let Some(value) = self.anchors.get(&anchor).cloned() else {
            let what = "an anchor's value contains itself".to_owned();
            return Err(Error::Syntax { line, what });
        };
        self.alias_nodes += value.nodes();
        if self.alias_nodes > ALIAS_NODES_MAX {
            return Err(Error::Limit("alias expansion"));
        }
        if self.stack.len() + depth_of(&value) > DEPTH_MAX {
            return Err(Error::Limit("nesting depth"));
        }
        self.value(value, Place { line, ..Place::default() })
    }

    /// A mapping or list cannot be the key of a mapping.
    fn expect_key_is_text(&self) -> Result<(), Error> {
        match self.stack.last() {
            Some(Open { node: Value::Map(_), key: None, .. }) => Err(Error::NotAText),
            _ => Ok(()),
        }
    }

    /// A scalar: a key where one is due, else a value.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), Error> {
        let plain = style == ScalarStyle::Plain;
        let awaits_key =
            matches!(self.stack.last(), Some(Open { node: Value::Map(_), key: None, .. }));
        if awaits_key {
            return self.key(text, plain, tag, place.line);
        }
        let mut text = text;
        if place.unended {
            text = text.strip_suffix('\n').unwrap_or(text);
        }
        let left_out = plain && text.is_empty() && tag.is_none();
        let in_flow_map =
            matches!(self.stack.last(), Some(Open { node: Value::Map(_), flow: true, .. }));
        if left_out {
            let path = self.path();
            self.blanks.push(path);
        }
        let value = if left_out && in_flow_map && self.dialect == Dialect::Manifest {
            "".into()
        } else {
            self.resolved(text, style, tag)?
        };
        self.value(value, place)
    }

    /// What a scalar means; manifests keep what is known of its spelling.
    fn resolved(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Error> {
        let plain = style == ScalarStyle::Plain;
        let scalar = resolve(text, plain, tag, self.dialect)?;
        let binary = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "binary");
        Ok(match (scalar, style) {
            (scalar, _) if self.dialect == Dialect::Configuration => scalar.into_value(),
            (Scalar::Text(_), _) if binary => Text::new(text, Style::Binary).into(),
            (Scalar::Text(text), _) if !plain => Text::new(text, scalar::style_of(style)).into(),
            (scalar, _) => scalar.into_spelled(text),
        })
    }

    fn key(
        &mut self,
        text: &str,
        plain: bool,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Error> {
        let dialect = self.dialect;
        let Some(open) = self.stack.last_mut() else { return Ok(()) };
        if plain && text == "<<" && tag.is_none() {
            if dialect == Dialect::Manifest && !open.merges.is_empty() {
                return Err(Error::DuplicateMerge);
            }
            open.key = Some(NextKey::Merge);
            return Ok(());
        }
        let text = match resolve(text, plain, tag, dialect) {
            Ok(Scalar::Text(text)) => Key::from(text),
            Ok(_) if dialect == Dialect::Manifest => return Err(Error::NotAText),
            Ok(Scalar::Null) => return Err(Error::NotAText),
            Ok(scalar) => scalar.into_key().into(),
            Err(Error::NotJson(_)) if dialect == Dialect::Configuration => text.into(),
            Err(error) => return Err(error),
        };
        // The older library lets the last entry win.
        if dialect == Dialect::Manifest
            && let Some(first) = open.line_of(&text)
        {
            return Err(Error::DuplicateKey { key: text.into_string(), line, first });
        }
        open.key_line = line;
        open.key = Some(NextKey::Text(text));
        Ok(())
    }

    fn value(&mut self, value: Value, place: Place) -> Result<(), Error> {
        if place.anchor > 0 {
            self.anchors.insert(place.anchor, value.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            let blanks = std::mem::take(&mut self.blanks);
            if !value.is_null() {
                self.documents.push(Document { value, blanks, flow: place.flow });
            }
            return Ok(());
        };
        match (&mut open.node, open.key.take()) {
            (Value::Map(map), Some(NextKey::Text(key))) => {
                let is_new = map.insert(key, value).is_none();
                if is_new && open.key_line > 0 {
                    open.lines.push(open.key_line);
                }
            }
            (Value::Map(_), Some(NextKey::Merge)) => match value {
                Value::Map(_) => open.merges.push(value),
                Value::List(items) => {
                    for item in items {
                        if item.as_map().is_none() {
                            return Err(Error::Merge);
                        }
                        open.merges.push(item);
                    }
                }
                _ => return Err(Error::Merge),
            },
            (Value::Map(_), None) => {
                // Only an alias can stand here: the key is what it stands for.
                let Value::String(key) = value else { return Err(Error::NotAText) };
                if let Some(first) = open.line_of(&key) {
                    let key = key.into_string();
                    return Err(Error::DuplicateKey { key, line: place.line, first });
                }
                open.key_line = place.line;
                open.key = Some(NextKey::Text(Key::from(&*key)));
            }
            (Value::List(items), _) => {
                if items.len() == items.capacity() {
                    items.reserve_exact(items.len().max(1));
                }
                items.push(value);
            }
            _ => {}
        }
        Ok(())
    }

    fn path(&self) -> Vec<Step> {
        let step = |open: &Open| match (&open.node, &open.key) {
            (Value::List(items), _) => Some(Step::Item(items.len())),
            (_, Some(NextKey::Text(key))) => Some(Step::Key(key.to_string())),
            _ => None,
        };
        self.stack.iter().filter_map(step).collect()
    }
}

impl Open {
    fn line_of(&self, key: &str) -> Option<usize> {
        let map = self.node.as_map().filter(|map| map.contains_key(key))?;
        let at = map.keys().position(|known| known == key)?;
        Some(self.lines.get(at).copied().unwrap_or_default())
    }

    /// Entries of merged mappings never replace what is there already.
    fn merge(&mut self) {
        let Value::Map(map) = &mut self.node else { return };
        for merged in self.merges.drain(..) {
            let Value::Map(merged) = merged else { continue };
            for (key, value) in merged {
                map.entry(key).or_insert(value);
            }
        }
    }
}

/// An alias can put a deep value at a deep place.
fn depth_of(value: &Value) -> usize {
    if matches!(value, Value::List(_) | Value::Map(_)) { value.depth() } else { 0 }
}

fn resolve<'a>(
    text: &'a str,
    plain: bool,
    tag: Option<&Tag>,
    dialect: Dialect,
) -> Result<Scalar<'a>, Error> {
    let not_json = |error: scalar::NotJson| Error::NotJson(error.text());
    let Some(tag) = tag.filter(|tag| tag.is_yaml_core_schema()) else {
        return if plain && tag.is_none() {
            scalar::resolve(text, dialect).map_err(not_json)
        } else {
            Ok(Scalar::Text(text.into()))
        };
    };
    let wanted = format!("!!{}", tag.suffix);
    match tag.suffix.as_str() {
        "binary" => scalar::decode_base64(text)
            .map(|text| Scalar::Text(text.into()))
            .ok_or_else(|| Error::Tag { found: "!!str", value: text.to_owned(), wanted }),
        "bool" | "int" | "float" | "null" | "timestamp" => {
            let found = scalar::resolve(text, dialect).map_err(not_json)?;
            let widened = wanted == "!!float" && found.tag() == "!!int";
            if found.tag() == wanted || widened {
                return Ok(found);
            }
            Err(Error::Tag { found: found.tag(), value: text.to_owned(), wanted })
        }
        _ => Ok(Scalar::Text(text.into())),
    }
}
