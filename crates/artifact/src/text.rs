//! Error chains and quoted strings as the reference prints them.

use std::error::Error;
use std::fmt::Write;

/// An error and its sources, joined by `: ` as condition messages are (ocirepository.md, 15).
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// `text` in double quotes, escaped the way the reference's messages escape it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if !is_printable(c) => escape(c, &mut out),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_printable(c: char) -> bool {
    c == '\'' || c.escape_debug().len() == 1
}

fn escape(c: char, out: &mut String) {
    let code = u32::from(c);
    let _ = match code {
        0..=0x7f => write!(out, "\\x{code:02x}"),
        0x80..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_the_reference() {
        assert_eq!(quoted("a'b\"c\\d"), r#""a'b\"c\\d""#);
        assert_eq!(quoted("\0\n\u{a0}é"), r#""\x00\n\u00a0é""#);
    }
}
