//! What older parsers let pass, rewritten for one that does not: lines inside of brackets and quotes
//! need no indentation there, a tab may follow a colon, a comment may touch a quote.
//!
//! Only white space that means nothing changes; lines stay where they are. A text is rewritten after
//! the parser has refused it, and the parser has the last word on the result.

/// Rewrites a text; `None` if there is nothing to rewrite.
pub(super) fn relaxed(text: &str) -> Option<String> {
    let mut scanner =
        Scanner { rest: text, out: String::with_capacity(text.len() + 64), column: 0 };
    while !scanner.rest.is_empty() {
        scanner.block_line();
    }
    (scanner.out != text).then_some(scanner.out)
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
    column: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes one character as it is.
    fn keep(&mut self) -> Option<char> {
        let c = self.drop_char()?;
        self.put(c);
        Some(c)
    }

    fn drop_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column = if c == '\n' { 0 } else { self.column + 1 };
    }

    fn keep_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.keep();
        }
    }

    fn keep_line(&mut self) {
        self.keep_while(|c| c != '\n');
        self.keep();
    }

    /// Blanks between two tokens; a tab counts as one.
    fn gap(&mut self) {
        while let Some(c @ (' ' | '\t')) = self.peek() {
            self.drop_char();
            self.put(if c == '\t' { ' ' } else { c });
        }
    }

    /// One line in block style, with the lines that its last node goes on in.
    fn block_line(&mut self) {
        self.keep_while(|c| c == ' ');
        let mut parent = self.column.saturating_sub(1);
        while let Some(c) = self.peek() {
            let next = self.rest[c.len_utf8()..].chars().next();
            let ends = matches!(next, None | Some(' ' | '\t' | '\n'));
            match c {
                '\n' => {
                    self.keep();
                    return;
                }
                '#' => return self.keep_line(),
                '-' | '?' | ':' if ends => {
                    parent = self.column;
                    self.keep();
                    self.gap();
                }
                '&' | '!' | '*' => {
                    self.keep_while(|c| !matches!(c, ' ' | '\t' | '\n'));
                    self.gap();
                }
                '|' | '>' => {
                    self.keep_line();
                    return self.keep_deeper_lines(parent);
                }
                '"' | '\'' | '[' | '{' => {
                    let start = self.column;
                    if matches!(c, '"' | '\'') {
                        self.quoted(start);
                    } else {
                        self.flow(start);
                    }
                    parent = self.after_node(start, parent);
                }
                _ => {
                    let start = self.column;
                    if !self.plain() {
                        self.keep_line();
                        return self.keep_deeper_lines(parent);
                    }
                    parent = self.after_node(start, parent);
                }
            }
        }
    }

    /// What stands between a node and the next token; the column of the node if it is a key.
    fn after_node(&mut self, start: usize, parent: usize) -> usize {
        if self.peek() == Some('#') {
            self.put(' ');
        }
        self.gap();
        if self.peek() != Some(':') {
            return parent;
        }
        self.keep();
        self.gap();
        start
    }

    /// A plain text up to the colon that makes it a key; `false` if it is none.
    fn plain(&mut self) -> bool {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let bytes = line.as_bytes();
        let ends = |at: usize| matches!(bytes.get(at + 1), None | Some(b' ' | b'\t'));
        let colon = (0..bytes.len()).find(|at| bytes[*at] == b':' && ends(*at));
        let comment = line.find(" #").unwrap_or(line.len());
        let Some(colon) = colon.filter(|colon| *colon < comment) else { return false };
        let rest = self.rest;
        let (key, after) = rest.split_at(colon);
        self.out.push_str(key);
        self.column += key.chars().count();
        self.rest = after;
        true
    }

    /// Lines of a block scalar or of a plain text.
    fn keep_deeper_lines(&mut self, parent: usize) {
        loop {
            let line = self.rest.split('\n').next().unwrap_or_default();
            let indent = line.bytes().take_while(|byte| *byte == b' ').count();
            if self.rest.is_empty() || (indent <= parent && !line.trim().is_empty()) {
                return;
            }
            self.keep_line();
        }
    }

    /// A line break inside of brackets or quotes, and the indentation after it.
    fn inner_break(&mut self, start: usize) {
        self.keep();
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.peek() != Some('\n') {
            (0..=start).for_each(|_| self.put(' '));
        }
    }

    fn quoted(&mut self, start: usize) {
        let quote = self.keep();
        while let Some(c) = self.peek() {
            match c {
                '\n' => self.inner_break(start),
                '\\' if quote == Some('"') => {
                    self.keep();
                    if self.peek() != Some('\n') {
                        self.keep();
                    }
                }
                c => {
                    self.keep();
                    if Some(c) == quote {
                        // Two single quotes are one inside.
                        if c == '"' || self.peek() != quote {
                            return;
                        }
                        self.keep();
                    }
                }
            }
        }
    }

    fn flow(&mut self, start: usize) {
        let mut depth = 0_usize;
        let mut before = ' ';
        while let Some(c) = self.peek() {
            match c {
                '\n' => self.inner_break(start),
                '"' | '\'' if " ,[{:".contains(before) => self.quoted(start),
                '#' if before == ' ' => self.keep_while(|c| c != '\n'),
                '\t' => self.gap(),
                c => {
                    self.keep();
                    match c {
                        '[' | '{' => depth += 1,
                        ']' | '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        return;
                    }
                }
            }
            before = if matches!(c, '\t' | '\n') { ' ' } else { c };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_brackets_and_quotes_moves() {
        for (text, expected) in [
            ("a: [\nb,\n  c\n]\n", Some("a: [\n    b,\n    c\n    ]\n")),
            ("- a: {b: c,\n  d: 'e\n\nf'}\n", Some("- a: {b: c,\n      d: 'e\n\n      f'}\n")),
            ("a: \"b\nc\" #d\n", Some("a: \"b\n    c\" #d\n")),
            ("a: 'it''s\n [x'#c\n", Some("a: 'it''s\n    [x' #c\n")),
            ("a:\tb\n", Some("a: b\n")),
            ("a: |\n  [\n b: \"\n\nc: x\n  [y\nd: e\n", None),
            ("- - |\n   \"\n  - b: >-\n     '\n# [\n", None),
            ("a: b [\nc: d # [\n? e\n: f\n", None),
        ] {
            assert_eq!(relaxed(text).as_deref(), expected, "{text}");
        }
    }
}
