//! YAML documents, opened where they stand: comments, order and layout stay, as in the reference.

use manifest::{Value, yaml};
use zeroize::Zeroizing;

use crate::cipher::{Kind, is_encrypted, open};
use crate::metadata::KEY;
use crate::tree::{Walk, joined};

/// How far the reference indents a level.
const INDENT: usize = 4;

/// Opens the values of a text line by line; `None` where it is laid out in a way that lines do not
/// show. Whoever calls has to check that the outcome means what it should.
pub(crate) fn open_lines(text: &str, walk: &Walk<'_>) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut open_keys: Vec<(usize, String)> = Vec::new();
    // A text in a block goes on while lines are deeper than this.
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let in_block = block.is_some_and(|at| body.is_empty() || indent > at);
        let in_metadata = open_keys.first().is_some_and(|(_, key)| key == KEY);
        if !in_block {
            block = None;
        }
        if in_metadata && (indent > 0 || body.is_empty() || in_block) {
            continue;
        }
        if in_block || body.is_empty() {
            push(&mut out, line);
        } else if line == "---" {
            open_keys.clear();
            push(&mut out, line);
        } else if let Some(comment) = body.strip_prefix('#') {
            close(&mut open_keys, indent);
            push(&mut out, &format!("{:indent$}#{}", "", comment_text(comment, walk, &open_keys)));
        } else {
            let entry = Entry::read(indent, body)?;
            close(&mut open_keys, entry.closes);
            open_keys.extend(entry.key.clone().map(|key| (entry.column, key)));
            if open_keys.first().is_some_and(|(_, key)| key == KEY) {
                continue;
            }
            if entry.value.starts_with(['|', '>']) {
                block = Some(entry.column);
            }
            push(&mut out, &opened(line, &entry, walk, &path(&open_keys))?);
        }
    }
    Some(out)
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// Forgets the keys that end before a column.
fn close(open_keys: &mut Vec<(usize, String)>, column: usize) {
    while open_keys.last().is_some_and(|(at, _)| *at >= column) {
        open_keys.pop();
    }
}

fn path(open_keys: &[(usize, String)]) -> Vec<String> {
    open_keys.iter().map(|(_, key)| key.clone()).collect()
}

/// Comments are not part of what is authenticated: one that does not open stays.
fn comment_text(comment: &str, walk: &Walk<'_>, open_keys: &[(usize, String)]) -> String {
    if !is_encrypted(comment) {
        return comment.into();
    }
    let plain = open(comment, walk.key, &joined(&path(open_keys)));
    plain.map_or_else(|_| comment.into(), |plain| plain.text.to_string())
}

/// One line of a mapping or a list.
struct Entry<'a> {
    /// Where its key stands, or would.
    column: usize,
    /// The column from which on keys have ended: an item of a list ends those deeper than its dash.
    closes: usize,
    key: Option<String>,
    value: &'a str,
}

impl<'a> Entry<'a> {
    fn read(indent: usize, body: &'a str) -> Option<Self> {
        let (mut column, mut rest) = (indent, body);
        while let Some(item) = rest.strip_prefix("- ") {
            let trimmed = item.trim_start_matches(' ');
            column += rest.len() - trimmed.len();
            rest = trimmed;
        }
        let is_item = column > indent;
        let (key, value) = match key_end(rest) {
            Some((key, value)) => (Some(key), value),
            None if is_item => (None, rest),
            None => return None,
        };
        let closes = if is_item { indent + 1 } else { column };
        Some(Self { column, closes, key, value: value.trim_start_matches(' ') })
    }
}

/// A key, and what follows its colon.
fn key_end(text: &str) -> Option<(String, &str)> {
    if text.starts_with(['"', '\'']) {
        let quote = text.chars().next()?;
        let end = text[1..].find(quote)? + 1;
        let rest = text[end + 1..].strip_prefix(':')?;
        let key = yaml::read_one(&text[..=end]).ok()?;
        return Some((key.as_str()?.to_owned(), rest));
    }
    let at = text.find(": ").or_else(|| text.strip_suffix(':').map(str::len))?;
    let key = &text[..at];
    let plain = !key.is_empty() && !key.starts_with(['{', '[', '&', '*', '!', '|', '>', '?']);
    plain.then(|| (key.to_owned(), &text[at + 1..]))
}

/// A line with its value opened.
fn opened(line: &str, entry: &Entry<'_>, walk: &Walk<'_>, path: &[String]) -> Option<String> {
    if !is_encrypted(entry.value) || !walk.rule.covers(path, Some(entry.value)) {
        return Some(line.into());
    }
    let plain = open(entry.value, walk.key, &joined(path)).ok()?;
    let before = &line[..line.len() - entry.value.len()];
    let text = plain.text.as_str();
    match plain.kind {
        Kind::Text => Some(format!("{before}{}", scalar(text, entry)?)),
        Kind::Bool => Some(format!("{before}{}", text.to_ascii_lowercase())),
        Kind::Int | Kind::Float | Kind::Time => Some(format!("{before}{text}")),
        // A comment of a list is an item while it is encrypted.
        Kind::Comment => Some(format!("{}#{text}", before.split_once('-')?.0)),
    }
}

/// A text as it is written after its key.
fn scalar(text: &str, entry: &Entry<'_>) -> Option<String> {
    let map: manifest::Map = [("k", Value::from(text))].into_iter().collect();
    let written = Zeroizing::new(yaml::to_string(&map.into()));
    let written = written.strip_prefix("k: ")?.strip_suffix('\n')?;
    let Some((head, lines)) = written.split_once('\n') else { return Some(written.into()) };
    // Always a whole number of levels, also below an item of a list.
    let indent = (entry.column + INDENT) / INDENT * INDENT;
    let mut out = head.to_owned();
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line.strip_prefix("  ")?);
        }
    }
    Some(out)
}
