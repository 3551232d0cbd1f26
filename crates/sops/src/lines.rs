//! Documents of lines: dotenv and INI.

use manifest::{Map, Value};
use zeroize::Zeroizing;

use crate::cipher::open;
use crate::metadata::{Covered, KEY};
use crate::tree::{Walk, joined};

/// How keys of the metadata begin in a dotenv document.
const PREFIX: &str = "sops_";
/// What stands between the parts of a flattened key.
const MAP: &str = "__map_";
const LIST: &str = "__list_";
/// Items of all flattened lists together, and of one.
const ITEMS_MAX: usize = 10_000;
const MALFORMED: &str = "malformed key of the metadata";
/// Parts of a flattened key.
const PARTS_MAX: usize = 16;

/// One line.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Comment(String),
    /// A section of INI begins.
    Section(String),
    Pair(String, String),
}

/// The lines of a document without its metadata, and the metadata as a tree.
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) metadata: Option<Value>,
}

/// Reads a dotenv document.
pub(crate) fn read_dotenv(text: &str) -> Result<Lines, String> {
    let mut lines = Vec::new();
    let mut flat = Vec::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix('#') {
            lines.push(Line::Comment(comment.into()));
            continue;
        }
        // The line may hold a secret.
        let (key, value) = line.split_once('=').ok_or("invalid dotenv input line")?;
        let value = value.replace("\\n", "\n");
        match key.strip_prefix(PREFIX) {
            Some(key) => flat.push((key.to_owned(), value)),
            None => lines.push(Line::Pair(key.into(), value)),
        }
    }
    Ok(Lines { lines, metadata: unflatten(&flat)? })
}

/// Reads an INI document.
pub(crate) fn read_ini(text: &str) -> Result<Lines, String> {
    let mut lines = Vec::new();
    let mut flat = Vec::new();
    let mut is_metadata = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with([';', '#']) {
            lines.push(Line::Comment(
                line.trim_start_matches([line.chars().next().unwrap_or(';'), ' ']).into(),
            ));
        } else if let Some(section) = line.strip_prefix('[') {
            let section = section.strip_suffix(']').ok_or("unclosed section")?;
            is_metadata = section == KEY;
            if !is_metadata {
                lines.push(Line::Section(section.into()));
            }
        } else {
            let (key, value) =
                line.split_once(['=', ':']).ok_or("key-value delimiter not found")?;
            let (key, value) = (key.trim().to_owned(), unquoted(value.trim()).to_owned());
            if is_metadata {
                flat.push((key, value.replace("\\n", "\n")));
            } else {
                lines.push(Line::Pair(key, value));
            }
        }
    }
    Ok(Lines { lines, metadata: unflatten(&flat)? })
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: &str| value.strip_prefix(quote)?.strip_suffix(quote);
    inside("\"\"\"").or(inside("\"")).or(inside("'")).or(inside("`")).unwrap_or(value)
}

/// The tree that was flattened into keys such as `age__list_0__map_enc`; `None` when there is none.
fn unflatten(flat: &[(String, String)]) -> Result<Option<Value>, String> {
    if flat.is_empty() {
        return Ok(None);
    }
    let mut root = Value::Map(Map::new());
    let mut left = ITEMS_MAX;
    for (key, value) in flat {
        let parts = parts(key).ok_or(MALFORMED)?;
        let mut node = &mut root;
        for part in parts {
            node = match part {
                Part::Key(key) => {
                    if !matches!(node, Value::Map(_)) {
                        *node = Value::Map(Map::new());
                    }
                    let Value::Map(map) = node else { continue };
                    map.entry(key.into()).or_default()
                }
                Part::Item(at) => {
                    if !matches!(node, Value::List(_)) {
                        *node = Value::List(Vec::new());
                    }
                    let Value::List(items) = node else { continue };
                    if items.len() <= at {
                        left = left.checked_sub(at + 1 - items.len()).ok_or(MALFORMED)?;
                        items.resize_with(at + 1, Value::default);
                    }
                    &mut items[at]
                }
            };
        }
        *node = value.as_str().into();
    }
    Ok(Some(root))
}

enum Part<'a> {
    Key(&'a str),
    Item(usize),
}

fn parts(key: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = key;
    let mut is_item = false;
    loop {
        let next = [rest.find(MAP), rest.find(LIST)].into_iter().flatten().min();
        let text = &rest[..next.unwrap_or(rest.len())];
        parts.push(if is_item {
            Part::Item(text.parse().ok().filter(|at| *at < ITEMS_MAX)?)
        } else {
            Part::Key(text)
        });
        let Some(at) = next else { return Some(parts) };
        if parts.len() == PARTS_MAX {
            return None;
        }
        is_item = rest[at..].starts_with(LIST);
        rest = &rest[at + if is_item { LIST.len() } else { MAP.len() }..];
    }
}

/// Opens every encrypted line.
pub(crate) fn open_all(lines: &mut [Line], walk: &mut Walk<'_>) -> Result<(), String> {
    let mut path: Vec<String> = Vec::new();
    for at in 0..lines.len() {
        // A comment before a section belongs to it.
        if let Some(name) = next_section(&lines[at..]) {
            path = vec![name.to_owned()];
        }
        match &mut lines[at] {
            Line::Section(_) => {}
            Line::Comment(text) => {
                // Whoever could not read comments left them as they are.
                if let Ok(plain) = open(text, walk.key, &joined(&path)) {
                    *text = plain.text.to_string();
                }
            }
            Line::Pair(name, value) => {
                path.push(name.clone());
                let mut was = Covered::All;
                if walk.rule.covers(&path, Some(value)) {
                    *value = open(value, walk.key, &joined(&path))?.text.to_string();
                    was = Covered::Encrypted;
                }
                walk.saw(value.as_bytes(), was);
                path.pop();
            }
        }
    }
    Ok(())
}

/// The section that begins here, or after comments only.
fn next_section(lines: &[Line]) -> Option<&str> {
    match lines.iter().find(|line| !matches!(line, Line::Comment(_)))? {
        Line::Section(name) => Some(name),
        _ => None,
    }
}

fn push(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied().chain(["\n"]));
}

/// Writes a dotenv document.
pub(crate) fn write_dotenv(lines: &[Line]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    for line in lines {
        match line {
            Line::Comment(text) => push(&mut out, &["#", text]),
            Line::Pair(key, value) => {
                push(&mut out, &[key, "=", &value.replace('\n', "\\n")]);
            }
            Line::Section(_) => {}
        }
    }
    out
}

/// Writes an INI document: the keys of a section are as wide as its widest, and sections are apart.
pub(crate) fn write_ini(lines: &[Line]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    let mut width = widest(lines);
    for (at, line) in lines.iter().enumerate() {
        match line {
            Line::Comment(text) => {
                if next_section(&lines[at..]).is_some() && !out.is_empty() {
                    out.push('\n');
                }
                push(&mut out, &["; ", text]);
            }
            Line::Section(name) => {
                let commented = at > 0 && matches!(lines[at - 1], Line::Comment(_));
                if !out.is_empty() && !commented {
                    out.push('\n');
                }
                push(&mut out, &["[", name, "]"]);
                width = widest(&lines[at + 1..]);
            }
            Line::Pair(key, value) => {
                push(&mut out, &[&format!("{key:width$}"), " = ", &quoted(value)]);
            }
        }
    }
    out
}

fn widest(lines: &[Line]) -> usize {
    let own = lines.iter().take_while(|line| !matches!(line, Line::Section(_)));
    let keys = own.filter_map(|line| if let Line::Pair(key, _) = line { Some(key) } else { None });
    keys.map(|key| key.chars().count()).max().unwrap_or_default()
}

fn quoted(value: &str) -> String {
    if value.contains(['\n', '`']) {
        format!("\"\"\"{value}\"\"\"")
    } else if value.contains(['#', ';']) {
        format!("`{value}`")
    } else if value.trim() != value {
        format!("\"{value}\"")
    } else {
        value.into()
    }
}

/// The lines as a tree: sections of keys, or keys.
pub(crate) fn tree(lines: &[Line]) -> Map {
    let mut root = Map::new();
    let mut section = None;
    for line in lines {
        match line {
            Line::Comment(_) => {}
            Line::Section(name) => {
                root.insert(name.as_str().into(), Map::new().into());
                section = Some(name);
            }
            Line::Pair(key, value) => {
                let inner = section.and_then(|name| root.get_mut(name)).and_then(Value::as_map_mut);
                let (key, value) = (key.as_str().into(), value.as_str().into());
                match inner {
                    Some(map) => map.insert(key, value),
                    None => root.insert(key, value),
                };
            }
        }
    }
    root
}
