//! A fast reader of the block style that nearly all manifests are written in.
//!
//! It tells the builder of the same nodes as the full parser does, and gives up, with `None` and
//! never with an error, at anything beyond that style: anchors, tags, directives, odd indentation,
//! control characters. Then the full parser reads the text from its start and has the last word.

use saphyr_parser::ScalarStyle;

use super::Dialect;
use super::builder::{Builder, Node, Place};
use super::read::Document;
use super::text::{self, Line};
use crate::parts;

/// Longer keys are left to the full parser, which knows how long a key may be.
const KEY_BYTES_MAX: usize = 512;

/// The least that a thread is started for.
const PIECE_BYTES_MIN: usize = 128 << 10;

/// Reads all documents that hold anything, on at most `threads` threads.
pub(super) fn documents(text: &str, dialect: Dialect, threads: usize) -> Option<Vec<Document>> {
    let read = parts::each(pieces(text, threads), |text| piece(text, dialect));
    let mut read = read.into_iter();
    let mut all = read.next()??;
    for documents in read {
        all.append(&mut documents?);
    }
    Some(all)
}

/// Cuts a text in about equal pieces, each of whole documents: a line that begins with three dashes
/// ends one wherever it stands.
fn pieces(text: &str, threads: usize) -> Vec<&str> {
    let size = parts::size_of_each(text.len(), threads, PIECE_BYTES_MIN);
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > size {
        let nominal = rest.as_bytes()[size..].windows(4).position(|found| found == b"\n---");
        let Some(at) = nominal else { break };
        let (piece, others) = rest.split_at(size + at + 1);
        pieces.push(piece);
        rest = others;
    }
    pieces.push(rest);
    pieces
}

fn piece(text: &str, dialect: Dialect) -> Option<Vec<Document>> {
    if !text::is_ordinary(text) {
        return None;
    }
    let lines = text::Lines::new(text);
    let mut reader =
        Reader { lines, builder: Builder::new(dialect), open: Vec::new(), has_root: false };
    let mut began = false;
    while let Some(line) = reader.lines.next() {
        if line.is_blank() || line.is_comment() {
            continue;
        }
        if began && dialect == Dialect::Configuration && is_mark(line.content) {
            // Only the first document of a configuration file is ever read.
            return None;
        }
        began = true;
        match line.content {
            content if line.indent > 0 || !is_mark(content) => reader.line(line)?,
            content => {
                content.strip_prefix("---").filter(|rest| text::is_tail(rest))?;
                reader.end_document()?;
            }
        }
    }
    reader.end_document()?;
    Some(reader.builder.finish())
}

/// What means something else than content at the start of a line.
fn is_mark(content: &str) -> bool {
    content.starts_with("---") || content.starts_with("...") || content.starts_with('%')
}

/// A mapping or list in block style that is still open.
struct Open {
    indent: usize,
    is_list: bool,
    /// Its last key or dash has no value yet.
    unfilled: bool,
}

struct Reader<'a> {
    lines: text::Lines<'a>,
    builder: Builder,
    open: Vec<Open>,
    has_root: bool,
}

impl<'a> Reader<'a> {
    /// A line that begins with a dash, a key or a value.
    fn line(&mut self, line: Line<'a>) -> Option<()> {
        let Line { indent, content } = line;
        let dash = is_dash(content);
        self.leave(indent, dash)?;
        if dash {
            self.enter(indent, true)?;
            return self.item(indent, content);
        }
        if let Some(key) = key(content)? {
            return self.entry(indent, &key);
        }
        // The value of a key or dash above.
        let parent = self.open.last_mut().filter(|open| open.unfilled)?;
        parent.unfilled = false;
        let parent = parent.indent;
        let is_block = content.starts_with(['|', '>']);
        if is_block { None } else { self.value(content, parent) }
    }

    /// Closes what a line with this indentation is outside of.
    fn leave(&mut self, indent: usize, dash: bool) -> Option<()> {
        while let Some(open) = self.open.last_mut() {
            if open.unfilled {
                if indent > open.indent || (indent == open.indent && dash && !open.is_list) {
                    return Some(());
                }
                open.unfilled = false;
                self.scalar("", ScalarStyle::Plain)?;
                continue;
            }
            if indent > open.indent || (indent == open.indent && dash == open.is_list) {
                return Some(());
            }
            self.open.pop();
            self.builder.close().ok()?;
        }
        Some(())
    }

    /// Goes on with the list or mapping at this indentation, or opens it where a value is due.
    fn enter(&mut self, indent: usize, is_list: bool) -> Option<()> {
        match self.open.last_mut() {
            None if self.has_root => return None,
            None => self.has_root = true,
            Some(open) if open.unfilled => open.unfilled = false,
            Some(open) => {
                return (open.indent == indent && open.is_list == is_list).then_some(());
            }
        }
        self.begin(indent, is_list)
    }

    fn begin(&mut self, indent: usize, is_list: bool) -> Option<()> {
        let node = if is_list { Node::List } else { Node::Map { flow: false } };
        self.builder.open(node, Place::default()).ok()?;
        self.open.push(Open { indent, is_list, unfilled: false });
        Some(())
    }

    /// A dash and what follows it on its line.
    fn item(&mut self, indent: usize, content: &'a str) -> Option<()> {
        let rest = content[1..].trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') {
            self.open.last_mut()?.unfilled = true;
            return Some(());
        }
        let inner = indent + content.len() - rest.len();
        if is_dash(rest) {
            self.begin(inner, true)?;
            return self.item(inner, rest);
        }
        match key(rest)? {
            Some(key) => {
                self.begin(inner, false)?;
                self.entry(inner, &key)
            }
            None => self.value(rest, indent),
        }
    }

    /// A key and what follows it on its line.
    fn entry(&mut self, indent: usize, key: &Key<'a>) -> Option<()> {
        self.enter(indent, false)?;
        self.scalar(key.text, key.style)?;
        let rest = key.rest.trim_start_matches(' ');
        if rest.is_empty() || (rest.starts_with('#') && rest.len() < key.rest.len()) {
            self.open.last_mut()?.unfilled = true;
            return Some(());
        }
        self.value(rest, indent)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle) -> Option<()> {
        self.builder.scalar(text, style, None, Place::default()).ok()
    }

    /// A scalar or flow collection that begins here; what holds it is indented by `parent`.
    fn value(&mut self, first: &'a str, parent: usize) -> Option<()> {
        match first.as_bytes().first()? {
            b'|' | b'>' => {
                let (text, style) = text::block(first, parent, &mut self.lines)?;
                self.scalar(&text, style)
            }
            quote @ (b'\'' | b'"') => {
                let (text, rest) = if *quote == b'"' {
                    text::double_quoted(&first[1..], parent, &mut self.lines)?
                } else {
                    text::single_quoted(&first[1..], parent, &mut self.lines)?
                };
                text::is_tail(rest).then_some(())?;
                self.scalar(&text, ScalarStyle::DoubleQuoted)
            }
            b'[' | b'{' => {
                let rest = self.flow(first, 0)?;
                text::is_tail(rest).then_some(())
            }
            _ if is_plain_start(first) => {
                let text = text::plain(first, parent, &mut self.lines)?;
                self.scalar(&text, ScalarStyle::Plain)
            }
            _ => None,
        }
    }

    /// A flow collection on one line; gives what follows it.
    fn flow(&mut self, text: &'a str, depth: usize) -> Option<&'a str> {
        // Deeper ones are for the full parser, so that this needs little stack.
        const DEPTH_MAX: usize = 16;
        if depth > DEPTH_MAX {
            return None;
        }
        let is_list = text.starts_with('[');
        let node = if is_list { Node::List } else { Node::Map { flow: true } };
        self.builder.open(node, Place::default()).ok()?;
        let end = if is_list { ']' } else { '}' };
        let mut rest = text[1..].trim_start_matches(' ');
        while !rest.starts_with(end) {
            if !is_list {
                rest = self.flow_scalar(rest)?.trim_start_matches(' ');
                rest = rest.strip_prefix(": ")?.trim_start_matches(' ');
            }
            rest = match rest.as_bytes().first()? {
                b'[' | b'{' => self.flow(rest, depth + 1)?,
                _ => self.flow_scalar(rest)?,
            };
            rest = rest.trim_start_matches(' ');
            if let Some(next) = rest.strip_prefix(',') {
                rest = next.trim_start_matches(' ');
            } else if !rest.starts_with(end) {
                return None;
            }
        }
        self.builder.close().ok()?;
        Some(&rest[1..])
    }

    fn flow_scalar(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(quoted) = Quoted::at_start(text) {
            let Quoted { text, style, rest } = quoted?;
            self.scalar(text, style)?;
            return Some(rest);
        }
        let is_text = |b: &u8| b.is_ascii_alphanumeric() || b"_./$+~()<>;=^@*-".contains(b);
        let end = text.bytes().position(|b| b != b' ' && !is_text(&b))?;
        let first = text.as_bytes().first()?;
        let plain = text[..end].trim_end_matches(' ');
        let starts = first.is_ascii_alphanumeric() || b"_./$".contains(first);
        if !starts || plain.contains(" -") || end > KEY_BYTES_MAX {
            return None;
        }
        self.scalar(plain, ScalarStyle::Plain)?;
        Some(&text[end..])
    }

    fn end_document(&mut self) -> Option<()> {
        while let Some(open) = self.open.pop() {
            if open.unfilled {
                self.scalar("", ScalarStyle::Plain)?;
            }
            self.builder.close().ok()?;
        }
        self.has_root = false;
        Some(())
    }
}

fn is_dash(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// Whether a plain scalar may begin like this; a few that may are left to the full parser.
fn is_plain_start(text: &str) -> bool {
    match text.as_bytes() {
        [b'-' | b':', next, ..] => *next != b' ',
        [first, ..] => !b"-?:,[]{}#&*!|>'\"%@`".contains(first),
        [] => false,
    }
}

/// The key of a mapping and what follows its colon.
struct Key<'a> {
    text: &'a str,
    style: ScalarStyle,
    rest: &'a str,
}

/// The key that a text begins with, if it does.
#[expect(clippy::option_option, reason = "giving up differs from finding none")]
fn key(content: &str) -> Option<Option<Key<'_>>> {
    if let Some(quoted) = Quoted::at_start(content) {
        let Some(Quoted { text, style, rest }) = quoted else { return Some(None) };
        let rest = rest.trim_start_matches(' ');
        let Some(rest) = rest.strip_prefix(':') else { return Some(None) };
        if !(rest.is_empty() || rest.starts_with(' ')) || text.len() > KEY_BYTES_MAX {
            return None;
        }
        return Some(Some(Key { text, style, rest }));
    }
    if !is_plain_start(content) {
        return Some(None);
    }
    let Some(colon) = text::colon(content)? else { return Some(None) };
    if colon > KEY_BYTES_MAX {
        return None;
    }
    let text = content[..colon].trim_end_matches(' ');
    Some(Some(Key { text, style: ScalarStyle::Plain, rest: &content[colon + 1..] }))
}

/// A quoted scalar on one line that says what it means.
struct Quoted<'a> {
    text: &'a str,
    style: ScalarStyle,
    rest: &'a str,
}

impl<'a> Quoted<'a> {
    /// `None` where there is no quote, `Some(None)` where the scalar is not that simple.
    #[expect(clippy::option_option, reason = "no quote differs from no simple scalar")]
    fn at_start(text: &'a str) -> Option<Option<Self>> {
        let style = match text.as_bytes().first() {
            Some(b'\'') => ScalarStyle::SingleQuoted,
            Some(b'"') => ScalarStyle::DoubleQuoted,
            _ => return None,
        };
        let body = &text[1..];
        let quote = char::from(text.as_bytes()[0]);
        let Some(end) = body.find(quote) else { return Some(None) };
        let (inner, rest) = (&body[..end], &body[end + 1..]);
        if rest.starts_with(quote) || inner.contains(['\\', '\t']) {
            return Some(None);
        }
        Some(Some(Self { text: inner, style, rest }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::read;

    /// Lines of block style in which anything may be a little wrong.
    fn text() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            3 => "[a-z0-9]{0,5}",
            1 => "( |[-a-c:#'\"\\\\,|>&*!?%@\\[\\]{}~.=<]|é|\u{2028}|\t){0,7}",
            1 => "'[a-c '\"]{0,5}'?",
            1 => "\"[a-c '\\\\n]{0,5}\"?",
            1 => "[|>][-+1-3]{0,2}( #c)?",
            1 => "[\\[{][a-b, :'\"{}-]{0,6}[\\]}]",
        ];
        let line = ("[ ]{0,4}", "(- ){0,2}-?", "([a-d]{1,2} ?: ?|'a': |\"a\" : )?", value)
            .prop_map(|(indent, dashes, key, value)| format!("{indent}{dashes}{key}{value}\n"));
        let whole = prop_oneof![12 => line, 1 => Just("---\n".to_owned()), 1 => "[ ]{0,5}(#a)?\n"];
        (proptest::collection::vec(whole, 1..12), any::<bool>()).prop_map(|(lines, ended)| {
            let text = lines.concat();
            if ended { text } else { text.trim_end_matches('\n').to_owned() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn what_it_reads_is_what_the_full_parser_reads(text in text()) {
            for dialect in [Dialect::Manifest, Dialect::Configuration] {
                if let Some(fast) = documents(&text, dialect, 1) {
                    prop_assert_eq!(Ok(fast), read::parsed(&text, dialect), "{:?}", text);
                }
            }
        }
    }
}
