//! The layout of a scalar in each of YAML's styles.

use super::style::{escaped, is_break, is_printable};
use super::write::{Emitter, Gap, WIDTH};

impl Emitter<'_> {
    pub(super) fn plain(&mut self, text: &str, folds: bool) {
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

    pub(super) fn single(&mut self, text: &str, folds: bool) {
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

    pub(super) fn double(&mut self, text: &str, folds: bool) {
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

    pub(super) fn literal(&mut self, text: &str) {
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
    pub(super) fn simple_block(&mut self, text: &str) {
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
}
