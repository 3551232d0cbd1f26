//! Trees → the bytes that go-yaml prints for them.
//!
//! The layout follows the emitter that kustomize links: keys sorted naturally, lists level with
//! their key, text folded past column 80, quotes only where a reader would mistake the text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

use crate::Map;
use crate::value::{Number, Value};

use super::Dialect;
use super::order::{self, natural};
use super::scalar::{self, Scalar};

/// Text folds at the first blank past this column.
const WIDTH: usize = 80;
/// Go's shortest `%g` has an exponent from here on.
const GENERAL_DIGITS: i32 = 6;
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
    let mut emitter = Emitter { out, column: 0, indent: -2, whitespace: true, indention: true };
    emitter.node(value, Context::Root);
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Writes JSON as Go's encoder does: keys sorted by bytes, `<`, `>` and `&` escaped.
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    json(value, &mut out);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Item,
    Value,
    Key,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

struct Emitter<'a> {
    out: &'a mut String,
    column: usize,
    indent: isize,
    /// The last character written was a blank.
    whitespace: bool,
    /// The line holds nothing but indentation and indicators so far.
    indention: bool,
}

impl Emitter<'_> {
    fn node(&mut self, value: &Value, context: Context) {
        match value {
            Value::Map(map) if map.is_empty() => self.indicator("{}", Gap::Before),
            Value::List(items) if items.is_empty() => self.indicator("[]", Gap::Before),
            Value::Map(map) => self.map(map),
            Value::List(items) => self.list(items, context),
            Value::String(text) => self.text(text, context),
            other => self.scalar(&plain_text(other), Style::Plain, context),
        }
    }

    fn map(&mut self, map: &Map) {
        let before = self.indent;
        self.indent = if before < 0 { 0 } else { before + 2 };
        if map.keys().is_sorted_by(|a, b| natural(a, b) != Ordering::Greater) {
            map.iter().for_each(|(key, value)| self.entry(key, value));
        } else {
            let mut entries: Vec<_> = map.iter().collect();
            order::sort(&mut entries, |(a, _), (b, _)| natural(a, b));
            entries.into_iter().for_each(|(key, value)| self.entry(key, value));
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
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if reads_as_text(text) && (context != Context::Key || text != MERGE) {
            Style::Plain
        } else {
            Style::Double
        };
        self.scalar(text, wanted, context);
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
    fn fold_at(&self, rest: &str) -> Option<usize> {
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

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Moves to the indentation of the current node, on a fresh line unless already there.
    fn line_start(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        const BLANKS: &str = "                                                                ";
        while self.column < indent {
            let more = BLANKS.len().min(indent - self.column);
            self.out.push_str(&BLANKS[..more]);
            self.column += more;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, gap: Gap) {
        if gap != Gap::None && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = self.indention && gap == Gap::IndentionAfter;
    }

    fn plain(&mut self, text: &str, folds: bool) {
        // An empty plain scalar still takes its separating blank.
        if !self.whitespace {
            self.put(' ');
        }
        let mut rest = text;
        while folds && let Some(at) = self.fold_at(rest) {
            let (line, after) = (&rest[..at], &rest[at + 1..]);
            self.push(line);
            self.indention = false;
            self.line_start();
            rest = after;
        }
        self.push(rest);
        self.whitespace = false;
        self.indention = false;
    }

    fn single(&mut self, text: &str, folds: bool) {
        self.indicator("'", Gap::Before);
        let (mut spaces, mut breaks) = (false, false);
        let last = text.len().saturating_sub(1);
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            if c == ' ' {
                let next_is_space = rest.peek().is_some_and(|(_, next)| *next == ' ');
                let inside = at > 0 && at < last;
                if folds && !spaces && self.column > WIDTH && inside && !next_is_space {
                    self.line_start();
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.line_start();
                }
                self.put(c);
                if c == '\'' {
                    self.put(c);
                }
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.indicator("'", Gap::None);
        self.whitespace = false;
        self.indention = false;
    }

    fn double(&mut self, text: &str, folds: bool) {
        self.indicator("\"", Gap::Before);
        let mut spaces = false;
        // The emitter looks for a byte order mark at the start whichever character it is at.
        let starts_with_mark = text.starts_with('\u{feff}');
        let last = text.len().saturating_sub(1);
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            if starts_with_mark || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                let escape = escaped(c);
                self.column += escape.chars().count();
                self.out.push_str(&escape);
                spaces = false;
            } else if c == ' ' {
                if folds && !spaces && self.column > WIDTH && at > 0 && at < last {
                    self.line_start();
                    if rest.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indicator("\"", Gap::None);
        self.whitespace = false;
        self.indention = false;
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", Gap::Before);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", Gap::None);
        }
        let mut backwards = text.chars().rev();
        match (backwards.next().is_some_and(is_break), backwards.next()) {
            (false, _) => self.indicator("-", Gap::None),
            (true, None) => self.indicator("+", Gap::None),
            (true, Some(c)) if is_break(c) => self.indicator("+", Gap::None),
            _ => {}
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.line_start();
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    /// What [`Self::literal`] writes, line by line, for a text that [`is_simple_block`].
    fn simple_block(&mut self, text: &str) {
        let body = text.strip_suffix('\n').unwrap_or(text);
        self.indicator("|", Gap::Before);
        if text.starts_with([' ', '\n']) {
            self.indicator("2", Gap::None);
        }
        if body.len() == text.len() {
            self.indicator("-", Gap::None);
        } else if body.is_empty() || body.ends_with('\n') {
            self.indicator("+", Gap::None);
        }
        for line in body.split('\n') {
            self.line_break();
            self.indention = true;
            self.whitespace = true;
            if !line.is_empty() {
                self.line_start();
                self.push(line);
                self.indention = false;
            }
        }
        if body.len() < text.len() {
            self.line_break();
            self.indention = true;
        }
    }

    fn write_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

/// White space around an indicator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Before,
    /// Before it, and a nested block may start on the same line.
    IndentionAfter,
}

fn plain_text(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::Number(Number::Int(number)) => number.to_string().into(),
        Value::Number(Number::UInt(number)) => number.to_string().into(),
        Value::Number(Number::Float(number)) => general(*number).into(),
        _ => "null".into(),
    }
}

/// Go's shortest `%g`.
pub(super) fn general<T: std::fmt::Display + std::fmt::LowerExp>(number: T) -> String {
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..GENERAL_DIGITS).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Whether a text is certainly written plain: short cut for most texts that there are.
fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match byte {
        b'a'..=b'z'
        | b'A'..=b'Z'
        | b'0'..=b'9'
        | b'_'
        | b'/'
        | b'.'
        | b'-'
        | b'$'
        | b'('
        | b')'
        | b'='
        | b'+'
        | b','
        | b';'
        | b'<'
        | b'>'
        | b'^'
        | b'~'
        | b'['
        | b']'
        | b'{'
        | b'}'
        | b'\''
        | b'"'
        | b'*'
        | b'&'
        | b'!'
        | b'|'
        | b'%'
        | b'@'
        | b'`'
        | b'?'
        | b'\\' => true,
        b' ' => at + 1 < bytes.len(),
        b':' => bytes.get(at + 1).is_some_and(|next| *next != b' '),
        b'#' => bytes[at - 1] != b' ',
        _ => false,
    };
    match bytes.first() {
        Some(b'_' | b'/' | b'$' | b'(') => {}
        // Only the shortest of them may mean something else.
        Some(first) if first.is_ascii_alphabetic() && (bytes.len() > 5 || reads_as_text(text)) => {}
        _ => return false,
    }
    bytes.iter().enumerate().all(fits)
}

/// Whether a text of several lines is certainly written as a literal block.
fn is_simple_block(text: &str) -> bool {
    let fits =
        |line: &str| !line.ends_with(' ') && line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text.contains('\n') && text.split('\n').all(fits)
}

/// Which styles a text allows.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of one text")]
struct Analysis {
    multiline: bool,
    plain: bool,
    single: bool,
    block: bool,
}

fn analyse(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, plain: true, single: true, block: false };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut breaks, mut special, mut space_break, mut break_space) = (false, false, false, false);
    let (mut previous_space, mut previous_break, mut after_blank) = (false, false, true);
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        let before_blank = chars.peek().is_none_or(|next| is_blank(*next));
        indicators |= match c {
            '#' => after_blank,
            ':' => before_blank,
            '?' | '-' => first && before_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            _ => false,
        };
        special |= !is_printable(c);
        if c == ' ' {
            break_space |= previous_break;
        } else if is_break(c) {
            breaks = true;
            space_break |= previous_space;
        }
        previous_space = c == ' ';
        previous_break = is_break(c);
        after_blank = is_blank(c) || is_break(c);
        first = false;
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
    let trailing_space = text.ends_with(' ');
    let edges = edge(text.chars().next()) || edge(text.chars().next_back());
    Analysis {
        multiline: breaks,
        plain: !(edges || break_space || space_break || special || breaks || indicators),
        single: !(break_space || space_break || special),
        block: !(trailing_space || space_break || special),
    }
}

fn choose(analysis: &Analysis, wanted: Style, context: Context, text: &str) -> Style {
    let key = context == Context::Key;
    let mut style = if key && analysis.multiline { Style::Double } else { wanted };
    if style == Style::Plain && (!analysis.plain || (text.is_empty() && key)) {
        style = Style::Single;
    }
    if style == Style::Single && !analysis.single {
        style = Style::Double;
    }
    if style == Style::Literal && (!analysis.block || key) {
        style = Style::Double;
    }
    style
}

/// Whether an older reader would take the plain text for text.
fn reads_as_text(text: &str) -> bool {
    let resolved = scalar::resolve(text, Dialect::Configuration);
    matches!(resolved, Ok(Scalar::Text(_))) && !is_sexagesimal(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.contains(':') || !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let whole = match unsigned.split_once('.') {
        Some((whole, fraction)) => {
            if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
                return false;
            }
            whole
        }
        None => unsigned,
    };
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or_default();
    head.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && parts.all(|part| match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        })
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

fn escaped(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

fn json(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => json_text(text, out),
        Value::Number(Number::Float(number)) => out.push_str(&json_float(*number)),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text(key, out);
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&plain_text(other)),
    }
}

fn json_float(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    format!("{number}")
}

fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(text: &str, indent: isize, write: fn(&mut Emitter<'_>, &str)) -> String {
        let mut out = String::new();
        let mut emitter =
            Emitter { out: &mut out, column: 0, indent, whitespace: true, indention: true };
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
