//! Trees → the bytes that go-yaml prints for them.
//!
//! The layout follows the emitter that kustomize links: keys sorted naturally, lists level with
//! their key, text folded past column 80, quotes only where a reader would mistake the text.

use std::cmp::Ordering;

use crate::{Map, Text, Value};

use super::json::plain_text;
use super::order::{self, natural};
use super::style::{
    Context, Style, analyse, choose, is_break, is_simple_block, is_word, reads_as_text,
};

/// Text folds at the first blank past this column.
pub(super) const WIDTH: usize = 80;
/// Indentation, written in pieces of this.
const BLANKS: &str = "                                ";
/// Longer keys are written in the explicit form.
const SIMPLE_KEY_BYTES_MAX: usize = 128;
/// A key that a reader takes for an order to merge, unless it is quoted.
const MERGE: &str = "<<";

/// Writes one document, ended by a line break.
pub fn to_string(value: &Value) -> String {
    let mut out = String::with_capacity(1024);
    write(value, &mut out);
    out
}

/// Writes one document, ended by a line break, after what has been written before.
pub fn write(value: &Value, out: &mut String) {
    emit(value, Form::Printed, out);
}

/// One document as it was written in its source, as far as that is known: its order, its quotes and
/// its spellings.
pub fn to_source(value: &Value) -> String {
    let mut out = String::new();
    emit(value, Form::Written, &mut out);
    out
}

fn emit(value: &Value, form: Form, out: &mut String) {
    let (column, indent) = (0, -2);
    let mut emitter = Emitter { out, form, column, indent, whitespace: true, indention: true };
    emitter.node(value, Context::Root);
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

/// The style of a text that has none of its own, once it is printed as a value and read again.
pub fn printed_style(text: &str) -> crate::Style {
    if is_word(text) {
        return crate::Style::Plain;
    }
    match choose(&analyse(text), wanted(text), Context::Value, text) {
        Style::Plain => crate::Style::Plain,
        Style::Single => crate::Style::Single,
        Style::Double => crate::Style::Double,
        Style::Literal => crate::Style::Literal,
    }
}

fn wanted(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if reads_as_text(text) {
        Style::Plain
    } else {
        Style::Double
    }
}

/// What a document looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As the reference prints JSON.
    Printed,
    /// As its source.
    Written,
}

pub(super) struct Emitter<'a> {
    pub(super) out: &'a mut String,
    form: Form,
    pub(super) column: usize,
    pub(super) indent: isize,
    /// The last character written was a blank.
    pub(super) whitespace: bool,
    /// The line holds nothing but indentation and indicators so far.
    pub(super) indention: bool,
}

impl Emitter<'_> {
    fn node(&mut self, value: &Value, context: Context) {
        match value {
            Value::Map(map) if map.is_empty() => self.indicator("{}", Gap::Before),
            Value::List(items) if items.is_empty() => self.indicator("[]", Gap::Before),
            Value::Map(map) => self.map(map),
            Value::List(items) => self.list(items, context),
            Value::String(text) if self.form == Form::Written => self.written(text, context),
            Value::String(text) => self.text(text, context),
            Value::Number(_) if self.form == Form::Written => {
                self.scalar(&value.to_text(), Style::Plain, context);
            }
            other => self.scalar(&plain_text(other), Style::Plain, context),
        }
    }

    fn map(&mut self, map: &Map) {
        let before = self.indent;
        self.indent = if before < 0 { 0 } else { before + 2 };
        if self.form == Form::Written
            || map.keys().is_sorted_by(|a, b| natural(a, b) != Ordering::Greater)
        {
            for (key, value) in map {
                self.entry(key, value);
            }
        } else {
            let mut entries: Vec<_> = map.iter().collect();
            order::sort(&mut entries, |(a, _), (b, _)| natural(a, b));
            for (key, value) in entries {
                self.entry(key, value);
            }
        }
        self.indent = before;
    }

    fn entry(&mut self, key: &str, value: &Value) {
        self.line_start();
        if key.len() > SIMPLE_KEY_BYTES_MAX || (!is_word(key) && key.contains(is_break)) {
            self.indicator("?", Gap::IndentionAfter);
            self.text(key, Context::Value);
            self.line_start();
            self.indicator(":", Gap::IndentionAfter);
        } else {
            self.text(key, Context::Key);
            self.indicator(":", Gap::None);
        }
        self.node(value, Context::Value);
    }

    fn list(&mut self, items: &[Value], context: Context) {
        let before = self.indent;
        let level_with_key = context == Context::Value && !self.indention;
        if before < 0 {
            self.indent = 0;
        } else if !level_with_key {
            self.indent += 2;
        }
        for item in items {
            self.line_start();
            self.indicator("-", Gap::IndentionAfter);
            self.node(item, Context::Item);
        }
        self.indent = before;
    }

    fn written(&mut self, text: &Text, context: Context) {
        let style = match text.style() {
            crate::Style::Plain | crate::Style::Open | crate::Style::Binary => {
                return self.text(text, context);
            }
            crate::Style::Timestamp | crate::Style::Truth | crate::Style::Misplaced(_) => {
                Style::Plain
            }
            crate::Style::Single => Style::Single,
            crate::Style::Double => Style::Double,
            crate::Style::Literal | crate::Style::Folded => Style::Literal,
        };
        self.scalar(text, style, context);
    }

    fn text(&mut self, text: &str, context: Context) {
        if is_word(text) {
            return self.indented(|emitter| emitter.plain(text, context != Context::Key));
        }
        if context != Context::Key && is_simple_block(text) {
            return self.indented(|emitter| emitter.simple_block(text));
        }
        self.any_text(text, context);
    }

    fn any_text(&mut self, text: &str, context: Context) {
        let is_merge = context == Context::Key && text == MERGE;
        self.scalar(text, if is_merge { Style::Double } else { wanted(text) }, context);
    }

    fn scalar(&mut self, text: &str, wanted: Style, context: Context) {
        let style = choose(&analyse(text), wanted, context, text);
        let folds = context != Context::Key;
        self.indented(|emitter| match style {
            Style::Plain => emitter.plain(text, folds),
            Style::Single => emitter.single(text, folds),
            Style::Double => emitter.double(text, folds),
            Style::Literal => emitter.literal(text),
        });
    }

    /// Writes with the indentation of a scalar's later lines.
    fn indented(&mut self, write: impl FnOnce(&mut Self)) {
        let before = self.indent;
        self.indent = before.max(0) + 2;
        write(self);
        self.indent = before;
    }

    /// Where the rest of a plain text folds: at the first single blank past the width.
    pub(super) fn fold_at(&self, rest: &str) -> Option<usize> {
        let bytes = rest.as_bytes();
        if self.column + bytes.len() <= WIDTH {
            return None;
        }
        let single = |at: usize| {
            bytes[at] == b' '
                && at.checked_sub(1).is_none_or(|before| bytes[before] != b' ')
                && bytes.get(at + 1) != Some(&b' ')
        };
        if rest.is_ascii() {
            let first = (WIDTH + 1).saturating_sub(self.column);
            return (first..bytes.len()).find(|at| single(*at));
        }
        let past = |(column, (at, _)): &(usize, (usize, char))| {
            column + self.column > WIDTH && single(*at)
        };
        rest.char_indices().enumerate().find(past).map(|(_, (at, _))| at)
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    pub(super) fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    pub(super) fn line_break(&mut self) {
        self.write_break('\n');
    }

    /// Moves to the indentation of the current node, on a fresh line unless already there.
    pub(super) fn line_start(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        while self.column < indent {
            let more = BLANKS.len().min(indent - self.column);
            self.out.push_str(&BLANKS[..more]);
            self.column += more;
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(super) fn indicator(&mut self, text: &str, gap: Gap) {
        if gap != Gap::None && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = self.indention && gap == Gap::IndentionAfter;
    }

    pub(super) fn write_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

/// White space around an indicator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    Before,
    /// Before it, and a nested block may start on the same line.
    IndentionAfter,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(text: &str, indent: isize, write: fn(&mut Emitter<'_>, &str)) -> String {
        let mut out = String::new();
        let mut emitter = Emitter {
            out: &mut out,
            form: Form::Printed,
            column: 0,
            indent,
            whitespace: true,
            indention: true,
        };
        emitter.line_start();
        emitter.indicator("key:", Gap::None);
        write(&mut emitter, text);
        emitter.line_start();
        emitter.indicator("-", Gap::IndentionAfter);
        write(&mut emitter, text);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn short_cuts_write_what_the_long_way_does(
            text in "[ -~]{0,6}|([a-z:#,é-]{1,9} {0,2}){1,20}|([ -~]{0,90}\n{0,2}){1,4}",
            indent in 0_isize..90,
        ) {
            let short = entry(&text, indent, |emitter, text| emitter.text(text, Context::Value));
            let long = entry(&text, indent, |emitter, text| emitter.any_text(text, Context::Value));
            prop_assert_eq!(short, long);
        }
    }
}
