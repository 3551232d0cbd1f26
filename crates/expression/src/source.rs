//! The text of an expression, and how trouble with it is shown.

use std::fmt::Write;

/// How many problems are told of one expression.
const FAULTS_MAX: usize = 100;
/// The longest line that is repeated under a problem.
const SNIPPET_CHARS_MAX: usize = 16_384;

/// One problem, and where it is.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Offset in bytes; `None` for a problem of the whole text.
    pub(crate) at: Option<usize>,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at: Some(at), text: text.into() }
    }

    pub(crate) fn of_all(text: impl Into<String>) -> Self {
        Self { at: None, text: text.into() }
    }
}

/// Problems as the reference shows them: in the order of the text, each with its line and a mark.
pub(crate) fn display(source: &str, mut faults: Vec<Fault>) -> String {
    faults.sort_by_key(|fault| fault.at);
    let more = faults.len().saturating_sub(FAULTS_MAX);
    let mut lines: Vec<String> =
        faults.iter().take(FAULTS_MAX).map(|fault| show(source, fault)).collect();
    if more > 0 {
        lines.push(format!("{more} more errors were truncated"));
    }
    lines.join("\n")
}

fn show(source: &str, Fault { at, text }: &Fault) -> String {
    let Some(at) = *at else { return format!("ERROR: <input>:-1:0: {text}") };
    if source.is_empty() {
        return format!("ERROR: <input>:1:0: {text}");
    }
    let before = &source[..at];
    let line = before.matches('\n').count();
    let column = before.chars().rev().take_while(|c| *c != '\n').count();
    let mut shown = format!("ERROR: <input>:{}:{}: {text}", line + 1, column + 1);
    let snippet = source.split('\n').nth(line).unwrap_or_default().replace('\t', " ");
    if snippet.len() <= SNIPPET_CHARS_MAX {
        let wide = |c: Option<char>| c.is_some_and(|c| c.len_utf8() > 1);
        let mut chars = snippet.chars();
        let dots: String = chars
            .by_ref()
            .take(column)
            .map(|c| if wide(Some(c)) { '\u{ff0e}' } else { '.' })
            .collect();
        let mark = if wide(chars.next()) { '\u{ff3e}' } else { '^' };
        // Writing to a text cannot fail.
        let _ = write!(shown, "\n | {snippet}\n | {dots}{mark}");
    }
    shown
}
