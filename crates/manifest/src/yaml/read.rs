//! Text → documents, within bounds.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::Value;

use super::Dialect;
use super::block;
use super::builder::{Builder, Node, Place};
use super::relax;

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
    /// A mapping with two merge keys.
    #[error("duplicate merge key")]
    DuplicateMerge,
    /// A line that separates documents holds something else.
    #[error("invalid document separator: {0}")]
    Separator(String),
    /// A bound of this reader is exceeded.
    #[error("yaml: {0} exceeds its limit")]
    Limit(&'static str),
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its tree.
    pub value: Value,
    /// Where a value was left out altogether (`key:`), unlike a written `null`.
    pub blanks: Vec<Vec<Step>>,
    /// Whether all of it is written in braces, where nothing is folded.
    pub flow: bool,
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
pub(super) fn documents(
    text: &str,
    dialect: Dialect,
    threads: usize,
) -> Result<Vec<Document>, Error> {
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
    match block::documents(text, dialect, threads) {
        Some(documents) => Ok(documents),
        None => parsed(text, dialect),
    }
}

/// Reads with the full parser.
pub(super) fn parsed(text: &str, dialect: Dialect) -> Result<Vec<Document>, Error> {
    let mut builder = Builder::new(dialect);
    match dialect {
        Dialect::Manifest => {
            for part in parts(text)? {
                first_document(part, &mut builder)?;
            }
        }
        Dialect::Configuration => first_document(text, &mut builder)?,
    }
    Ok(builder.finish())
}

/// Cuts a text where kustomize does: at lines that begin with three dashes and hold nothing else.
fn parts(text: &str) -> Result<Vec<&str>, Error> {
    let mut parts = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(found) = text[from..].find("\n---") {
        let at = from + found;
        let Some(length) = text[at + 1..].find('\n') else { break };
        let (end, separator) = (at + 1 + length, &text[at + 1..at + 1 + length]);
        let content = separator.trim_start_matches("---").trim();
        if !content.is_empty() && !content.starts_with('#') {
            return Err(Error::Separator(separator.trim().to_owned()));
        }
        // The break before a separator belongs to the document that it ends.
        parts.push(&text[start..=at]);
        start = end + 1;
        // The break of one separator can begin no other.
        from = start;
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Reads the first document of a text; what the parser refuses is tried in a stricter spelling.
fn first_document(text: &str, builder: &mut Builder) -> Result<(), Error> {
    let mark = builder.mark();
    match events(text, builder) {
        Err(error @ Error::Syntax { .. }) => {
            let Some(relaxed) = relax::relaxed(text) else { return Err(error) };
            builder.reset(mark);
            events(&relaxed, builder).map_err(|_| error)
        }
        result => result,
    }
}

fn events(text: &str, builder: &mut Builder) -> Result<(), Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(line) = text.lines().position(|line| line.contains(is_control)) {
        let what = "control characters are not allowed".to_owned();
        return Err(Error::Syntax { line: line + 1, what });
    }
    let open_end = OpenEnd::of(text);
    let mut braces = Braces { chars: text.chars(), passed: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error::Syntax {
            line: error.marker().line(),
            what: error.info().to_owned(),
        })?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let unended =
                    block && open_end.as_ref().is_some_and(|end| end.is_reached(span, &text));
                let place = Place { anchor, line, unended, flow: false };
                builder.scalar(&text, style, tag.as_deref(), place)?;
            }
            Event::MappingStart(anchor, tag) => {
                // A flow mapping's start is its brace; a block mapping's start has no extent. Both
                // hold an anchor or a tag that stands before.
                let extends = span.start.index() != span.end.index();
                let flow = extends && (anchor == 0 && tag.is_none() || braces.end_at(span.end));
                builder.open(Node::Map { flow }, Place { anchor, line, ..Place::default() })?;
            }
            Event::SequenceStart(anchor, _) => {
                builder.open(Node::List, Place { anchor, line, ..Place::default() })?;
            }
            Event::MappingEnd | Event::SequenceEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, line)?,
            Event::DocumentEnd => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Looks for braces at places that come in the order of the text.
struct Braces<'a> {
    chars: std::str::Chars<'a>,
    /// How many characters lie behind.
    passed: usize,
}

impl Braces<'_> {
    fn end_at(&mut self, end: saphyr_parser::Marker) -> bool {
        let Some(skipped) = end.index().checked_sub(self.passed + 1) else { return false };
        self.passed = end.index();
        self.chars.nth(skipped) == Some('{')
    }
}

/// Whether go-yaml refuses a character wherever it stands.
fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// Where a text ends that does not end its last line.
struct OpenEnd<'a> {
    characters: usize,
    last_line: &'a str,
}

impl<'a> OpenEnd<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let last_line = text.rsplit('\n').next().unwrap_or_default().trim();
        if last_line.is_empty() {
            return None;
        }
        Some(Self { characters: text.chars().count(), last_line })
    }

    fn is_reached(&self, span: Span, scalar: &str) -> bool {
        span.end.index() >= self.characters && scalar.trim_end().ends_with(self.last_line)
    }
}
