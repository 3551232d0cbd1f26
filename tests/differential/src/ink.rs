//! Values as YAML, in the many ways in which people write it.

use serde_json::Value;

use crate::dice::Dice;

/// Marks a text that stands in the file as it is.
const RAW: char = '\u{1}';

/// A scalar that is written as it is; further lines are indented to its place.
pub fn raw(text: &str) -> Value {
    Value::String(format!("{RAW}{text}"))
}

/// The text of a scalar that is written as it is.
pub fn as_raw(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(RAW)
}

/// How freely a document is written.
#[derive(Clone, Copy)]
pub struct Freedom {
    odd_percent: usize,
    comments: bool,
}

/// As programs write it.
pub const PLAIN: Freedom = Freedom { odd_percent: 0, comments: false };
/// Flow style, quotes, anchors now and then.
pub const UNCOMMENTED: Freedom = Freedom { odd_percent: 6, comments: false };
/// Comments, too.
pub const FREE: Freedom = Freedom { odd_percent: 6, comments: true };

/// Writes one document.
pub fn document(dice: &mut Dice, freedom: Freedom, value: &Value) -> String {
    let wide = dice.chance(50);
    let mut pen = Pen { dice, freedom, wide, out: String::new(), anchors: Vec::new() };
    if pen.comments() {
        pen.out.push_str("# first of all\n");
    }
    match value {
        Value::Object(map) if !map.is_empty() => pen.map(map, 0),
        Value::Array(list) if !list.is_empty() => pen.list(list, 0),
        other => {
            let text = pen.flow(other);
            pen.line(&text);
        }
    }
    pen.out
}

struct Pen<'a> {
    dice: &'a mut Dice,
    freedom: Freedom,
    wide: bool,
    out: String,
    anchors: Vec<Value>,
}

impl Pen<'_> {
    fn odd(&mut self) -> bool {
        self.dice.chance(self.freedom.odd_percent)
    }

    fn comments(&mut self) -> bool {
        self.freedom.comments && self.odd()
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn map(&mut self, map: &serde_json::Map<String, Value>, indent: usize) {
        for (at, (key, value)) in map.iter().enumerate() {
            if at > 0 {
                self.pad(indent);
            }
            let key = self.text(key, true);
            self.out.push_str(&key);
            self.out.push(':');
            self.entry(value, indent, false);
        }
    }

    fn list(&mut self, list: &[Value], indent: usize) {
        for (at, value) in list.iter().enumerate() {
            if at > 0 {
                self.pad(indent);
            }
            self.out.push('-');
            self.entry(value, indent, true);
        }
    }

    /// Starts a line, after a comment or an empty line perhaps.
    fn pad(&mut self, indent: usize) {
        if self.comments() {
            let comments = ["# a comment", "", "  # further in", "#", "# key: value"];
            let comment = *self.dice.pick(&comments);
            self.out.push_str(&" ".repeat(if comment.is_empty() { 0 } else { indent }));
            self.line(comment);
        }
        self.out.push_str(&" ".repeat(indent));
    }

    /// What stands after `key:` or `-`.
    fn entry(&mut self, value: &Value, indent: usize, in_list: bool) {
        if let Some(at) = self.anchors.iter().position(|known| known == value)
            && self.dice.chance(60)
        {
            return self.line(&format!(" *a{at}"));
        }
        let anchor = self.odd() && self.odd_too() && as_raw(value).is_none();
        if anchor {
            let name = format!(" &a{}", self.anchors.len());
            self.out.push_str(&name);
        }
        match value {
            Value::Object(map) if !map.is_empty() && !self.odd() => {
                if in_list && !anchor {
                    self.out.push(' ');
                    self.map(map, indent + 2);
                } else {
                    self.open(indent + 2);
                    self.map(map, indent + 2);
                }
            }
            Value::Array(list) if !list.is_empty() && !self.odd() => {
                let deeper = indent + if in_list || self.wide { 2 } else { 0 };
                self.open(deeper);
                self.list(list, deeper);
            }
            Value::String(text) => self.scalar(text, indent),
            other => {
                let text = self.flow(other);
                self.tail(&text);
            }
        }
        if anchor {
            self.anchors.push(value.clone());
        }
    }

    fn odd_too(&mut self) -> bool {
        self.dice.chance(30)
    }

    /// Ends a line whose value starts on the next one. Without a comment: the reference keeps those
    /// when it patches, and may put them where it cannot read them again.
    fn open(&mut self, indent: usize) {
        self.line("");
        self.out.push_str(&" ".repeat(indent));
    }

    /// Ends a line with a value.
    fn tail(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(text);
        if self.comments() {
            self.out.push_str(" # ends");
        }
        self.line("");
    }

    fn scalar(&mut self, text: &str, indent: usize) {
        let pad = format!("\n{}", " ".repeat(indent));
        if let Some(raw) = text.strip_prefix(RAW) {
            let written = raw.replace('\n', &pad);
            if raw.contains('\n') || written.starts_with(['|', '>']) {
                self.out.push(' ');
                return self.line(written.trim_end_matches(' '));
            }
            return self.tail(&written);
        }
        let body = text.trim_end_matches('\n');
        let literal =
            body.contains('\n') && text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control());
        if !literal || self.odd() {
            let text = self.text(text, false);
            return self.tail(&text);
        }
        let chomp = match text.len() - body.len() {
            0 => "-",
            1 => "",
            _ => "+",
        };
        let indicator = if text.starts_with([' ', '\n', '\t']) { "2" } else { "" };
        self.line(&format!(" |{indicator}{chomp}"));
        let shown = if chomp == "+" { &text[..text.len() - 1] } else { body };
        for line in shown.split('\n') {
            let pad = if line.is_empty() { 0 } else { indent + 2 };
            self.line(&format!("{}{line}", " ".repeat(pad)));
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let entries: Vec<_> = map
                    .iter()
                    .map(|(key, value)| {
                        let key = self.text(key, true);
                        let value = self.flow(value);
                        format!("{key}: {value}")
                    })
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            Value::Array(list) => {
                let items: Vec<_> = list.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::String(text) => match text.strip_prefix(RAW) {
                Some(raw)
                    if raw.chars().all(|c| c.is_ascii_alphanumeric() || ".+_".contains(c)) =>
                {
                    raw.to_owned()
                }
                Some(_) => "'raw'".to_owned(),
                None => self.text(text, true),
            },
            other => other.to_string(),
        }
    }

    /// A text on one line.
    fn text(&mut self, text: &str, inside: bool) -> String {
        let plain = is_plain(text) || (!inside && is_plain_line(text));
        if plain && !self.odd() {
            return text.to_owned();
        }
        let single = !text.is_empty() && text.chars().all(|c| !c.is_control());
        if single && self.dice.chance(50) {
            return format!("'{}'", text.replace('\'', "''"));
        }
        Value::from(text).to_string()
    }
}

/// Whether a text reads as itself without quotes, anywhere.
fn is_plain(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./$()".contains(c);
    let means = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '$')
        && text.chars().all(safe)
        && !means.contains(&text.to_lowercase().as_str())
}

/// Whether a text reads as itself without quotes when it is alone on a line.
fn is_plain_line(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.contains(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| !c.is_control())
}
