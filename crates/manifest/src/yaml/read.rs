//! Events of the parser → documents.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::{Map, Value};

use super::Dialect;
use super::fold::refold;
use super::scalar::{self, Scalar};

/// How deep a document may nest.
pub const DEPTH_MAX: usize = 256;
/// How many nodes the aliases of one file may stand for together.
pub const ALIAS_NODES_MAX: usize = 500_000;
/// How large a file may be.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Why a text is no YAML that a manifest can be written in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar.
    #[error("yaml: line {line}: {what}")]
    Syntax {
        /// First line of the trouble, from 1.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// A line between documents that says more than that.
    #[error("invalid document separator: {0}")]
    Separator(String),
    /// Two entries of one mapping have the same key.
    #[error(
        "yaml: unmarshal errors:\n  line {line}: mapping key \"{key}\" already defined at line {first}"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// Line of the second entry.
        line: usize,
        /// Line of the first entry.
        first: usize,
    },
    /// A scalar that is no JSON, such as an infinity.
    #[error("json: unsupported value: {0}")]
    NotJson(&'static str),
    /// A mapping key that is no text.
    #[error("json: unsupported type: map[interface {{}}]interface {{}}")]
    NotAText,
    /// A tag contradicts its value.
    #[error("yaml: cannot decode {found} `{value}` as a {wanted}")]
    Tag {
        /// What the value is.
        found: &'static str,
        /// The value.
        value: String,
        /// What the tag asks for.
        wanted: String,
    },
    /// A merge key whose value is no mapping.
    #[error("yaml: map merge requires map or sequence of maps as the value")]
    Merge,
    /// A bound of this reader is exceeded.
    #[error("yaml: {0} exceeds its limit")]
    Limit(&'static str),
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its tree.
    pub value: Value,
    /// Where a value was left out altogether (`key:`), unlike a written `null`; in braces it has
    /// become an empty text.
    pub blanks: Vec<Vec<Step>>,
}

/// One step from a node to its child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The entry of a mapping.
    Key(String),
    /// The item of a list.
    Item(usize),
}

/// Reads all documents that hold anything.
pub(super) fn documents(text: &str, dialect: Dialect) -> Result<Vec<Document>, Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::Limit("document size"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let normalised;
    let text = if text.contains('\r') {
        normalised = text.replace("\r\n", "\n");
        &normalised
    } else {
        text
    };
    let mut builder = Builder::new(dialect);
    if !text.ends_with('\n') {
        let last = text.rsplit('\n').next().unwrap_or_default();
        if !last.trim().is_empty() {
            builder.open_end = Some((text.chars().count(), last.trim().to_owned()));
        }
    }
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error::Syntax {
            line: error.marker().line(),
            what: error.info().to_owned(),
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

/// A mapping or list that is still open.
struct Open {
    node: Value,
    anchor: usize,
    line: usize,
    /// Key that waits for its value.
    key: Option<Key>,
    /// Line of every key seen, for messages.
    lines: HashMap<String, usize>,
    /// Mappings to merge in, most important first.
    merges: Vec<Value>,
    flow: bool,
}

enum Key {
    Text(String),
    Merge,
}

struct Builder {
    dialect: Dialect,
    stack: Vec<Open>,
    anchors: HashMap<usize, Value>,
    alias_nodes: usize,
    blanks: Vec<Vec<Step>>,
    documents: Vec<Document>,
    /// Where a text ends that does not end its last line.
    open_end: Option<(usize, String)>,
}

impl Builder {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            stack: Vec::new(),
            anchors: HashMap::new(),
            alias_nodes: 0,
            blanks: Vec::new(),
            documents: Vec::new(),
            open_end: None,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, (style, anchor), tag.as_deref(), span)
            }
            Event::MappingStart(anchor, _) => {
                // A flow mapping's start is its brace; a block mapping's start has no extent.
                let flow = span.start.index() != span.end.index();
                self.open(Map::new().into(), anchor, line, flow)
            }
            Event::SequenceStart(anchor, _) => {
                let flow = span.start.index() != span.end.index();
                self.open(Vec::new().into(), anchor, line, flow)
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(mut open) = self.stack.pop() else { return Ok(()) };
                open.merge();
                self.value(open.node, open.anchor, open.line)
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.alias_nodes += value.nodes();
                if self.alias_nodes > ALIAS_NODES_MAX {
                    return Err(Error::Limit("alias expansion"));
                }
                if self.stack.len() + depth_of(&value) > DEPTH_MAX {
                    return Err(Error::Limit("nesting depth"));
                }
                self.value(value, 0, line)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Value, anchor: usize, line: usize, flow: bool) -> Result<(), Error> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Error::Limit("nesting depth"));
        }
        self.expect_key_is_text()?;
        let (key, lines, merges) = (None, HashMap::new(), Vec::new());
        self.stack.push(Open { node, anchor, line, key, lines, merges, flow });
        Ok(())
    }

    /// A mapping or list cannot be the key of a mapping.
    fn expect_key_is_text(&self) -> Result<(), Error> {
        match self.stack.last() {
            Some(Open { node: Value::Map(_), key: None, .. }) => Err(Error::NotAText),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        (style, anchor): (ScalarStyle, usize),
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Error> {
        let plain = style == ScalarStyle::Plain;
        let line = span.start.line();
        let awaits_key =
            matches!(self.stack.last(), Some(Open { node: Value::Map(_), key: None, .. }));
        if awaits_key {
            return self.key(text, plain, tag, line);
        }
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let mut text = text;
        let open = |(end, last): &(usize, String)| {
            span.end.index() >= *end && text.trim_end().ends_with(last.as_str())
        };
        if block && self.open_end.as_ref().is_some_and(open) {
            text = text.strip_suffix('\n').unwrap_or(text);
        }
        let refolded;
        let folds = self.dialect == Dialect::Manifest && !self.is_annotation();
        if style == ScalarStyle::Folded && folds {
            refolded = refold(text);
            text = &refolded;
        }
        let value = if self.is_annotation() && !(plain && is_null(text)) {
            Value::String(text.to_owned())
        } else {
            let left_out = plain && text.is_empty() && tag.is_none();
            let in_flow_map =
                matches!(self.stack.last(), Some(Open { node: Value::Map(_), flow: true, .. }));
            if left_out {
                let path = self.path();
                self.blanks.push(path);
            }
            if left_out && in_flow_map && self.dialect == Dialect::Manifest {
                Value::String(String::new())
            } else {
                resolve(text, plain, tag, self.dialect)?.into_value()
            }
        };
        self.value(value, anchor, line)
    }

    /// Whether the value that comes next is an entry of `metadata.annotations`.
    fn is_annotation(&self) -> bool {
        let named =
            |open: &Open, name: &str| matches!(&open.key, Some(Key::Text(key)) if key == name);
        let inside = |object: &[Open]| match object {
            [root, metadata, annotations] => {
                named(root, "metadata")
                    && named(metadata, "annotations")
                    && annotations.key.is_some()
            }
            _ => false,
        };
        self.dialect == Dialect::Manifest
            && match self.stack.as_slice() {
                [list, _, object @ ..] if named(list, "items") && list.is_a("List") => {
                    inside(object)
                }
                object => inside(object),
            }
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
            open.key = Some(Key::Merge);
            return Ok(());
        }
        let text = match resolve(text, plain, tag, dialect) {
            Ok(Scalar::Text(text)) => text,
            Ok(_) if dialect == Dialect::Manifest => return Err(Error::NotAText),
            Ok(Scalar::Null) => return Err(Error::NotAText),
            Ok(scalar) => scalar.into_key(),
            Err(Error::NotJson(_)) if dialect == Dialect::Configuration => text.to_owned(),
            Err(error) => return Err(error),
        };
        if let Some(first) = open.lines.insert(text.clone(), line) {
            // The older library lets the last entry win.
            if dialect == Dialect::Manifest {
                return Err(Error::DuplicateKey { key: text, line, first });
            }
        }
        open.key = Some(Key::Text(text));
        Ok(())
    }

    fn value(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), Error> {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            let blanks = std::mem::take(&mut self.blanks);
            if !value.is_null() {
                self.documents.push(Document { value, blanks });
            }
            return Ok(());
        };
        match (&mut open.node, open.key.take()) {
            (Value::Map(map), Some(Key::Text(key))) => {
                map.insert(key, value);
            }
            (Value::Map(_), Some(Key::Merge)) => match value {
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
            (Value::Map(map), None) => {
                // Only an alias can stand here: the key is what it stands for.
                let Value::String(key) = value else { return Err(Error::NotAText) };
                if map.contains_key(&key) {
                    return Err(Error::DuplicateKey { key, line, first: open.line });
                }
                open.key = Some(Key::Text(key));
            }
            (Value::List(items), _) => items.push(value),
            _ => {}
        }
        Ok(())
    }

    fn path(&self) -> Vec<Step> {
        let step = |open: &Open| match (&open.node, &open.key) {
            (Value::List(items), _) => Some(Step::Item(items.len())),
            (_, Some(Key::Text(key))) => Some(Step::Key(key.clone())),
            _ => None,
        };
        self.stack.iter().filter_map(step).collect()
    }
}

impl Open {
    fn is_a(&self, kind: &str) -> bool {
        self.node.get("kind").and_then(Value::as_str) == Some(kind)
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

fn is_null(text: &str) -> bool {
    scalar::resolve(text, Dialect::Manifest) == Ok(Scalar::Null)
}

fn resolve(text: &str, plain: bool, tag: Option<&Tag>, dialect: Dialect) -> Result<Scalar, Error> {
    let not_json = |error: scalar::NotJson| Error::NotJson(error.text());
    let Some(tag) = tag.filter(|tag| tag.is_yaml_core_schema()) else {
        return if plain && tag.is_none() {
            scalar::resolve(text, dialect).map_err(not_json)
        } else {
            Ok(Scalar::Text(text.to_owned()))
        };
    };
    let wanted = format!("!!{}", tag.suffix);
    match tag.suffix.as_str() {
        "binary" => decode_base64(text).map(Scalar::Text).ok_or_else(|| Error::Tag {
            found: "!!str",
            value: text.to_owned(),
            wanted,
        }),
        "bool" | "int" | "float" | "null" | "timestamp" => {
            let found = scalar::resolve(text, dialect).map_err(not_json)?;
            let widened = wanted == "!!float" && found.tag() == "!!int";
            if found.tag() == wanted || widened {
                return Ok(found);
            }
            Err(Error::Tag { found: found.tag(), value: text.to_owned(), wanted })
        }
        _ => Ok(Scalar::Text(text.to_owned())),
    }
}

/// Standard base64 with padding, white space ignored, whose content is text.
fn decode_base64(text: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut count = 0_u32;
    let mut bytes = Vec::new();
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}
