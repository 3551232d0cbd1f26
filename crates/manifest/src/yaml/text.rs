//! Lines and the scalars in them, for the reader of block style.
//!
//! A function gives up, with `None`, at anything that the full parser should decide.

use std::borrow::Cow;

use saphyr_parser::ScalarStyle;

/// Whether a text holds only characters that every part of a parser takes as they are.
pub(super) fn is_ordinary(text: &str) -> bool {
    let bytes = text.as_bytes();
    let odd = |byte: &u8| (*byte < b' ' && !matches!(byte, b'\n' | b'\t')) || *byte == 0x7f;
    if bytes.iter().any(odd) {
        return false;
    }
    text.is_ascii()
        || !text.contains(|c: char| {
            matches!(
                c,
                '\u{80}'
                    ..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            )
        })
}

/// A line without its indentation and its break.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) indent: usize,
    pub(super) content: &'a str,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.content.is_empty()
    }

    pub(super) fn is_comment(&self) -> bool {
        self.content.starts_with('#')
    }
}

/// The lines of a text; the next one can be looked at before it is taken.
pub(super) struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The next line and what follows it.
    fn split(&self) -> Option<(Line<'a>, &'a str)> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest.as_bytes());
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, ""),
        };
        let indent = line.bytes().take_while(|byte| *byte == b' ').count();
        Some((Line { indent, content: &line[indent..] }, rest))
    }

    pub(super) fn next(&mut self) -> Option<Line<'a>> {
        let (line, rest) = self.split()?;
        self.rest = rest;
        Some(line)
    }

    /// The next line that is not blank, if it goes on with a scalar inside of `parent`; how many
    /// line breaks lead to it, and what follows it.
    fn peek_continuation(&self, parent: usize) -> Option<(Line<'a>, usize, &'a str)> {
        let mut ahead = Self { rest: self.rest };
        let mut breaks = 1;
        loop {
            let line = ahead.next()?;
            if !line.is_blank() {
                return (line.indent > parent).then_some((line, breaks, ahead.rest));
            }
            breaks += 1;
        }
    }

    /// Goes on with a quoted text on its next line, and gives that line.
    fn folded(&mut self, text: &mut Cow<'_, str>, parent: usize) -> Option<&'a str> {
        let (line, breaks) = self.continuation(parent)?;
        fold(text.to_mut(), breaks);
        Some(line.content)
    }

    fn continuation(&mut self, parent: usize) -> Option<(Line<'a>, usize)> {
        let (line, breaks, rest) = self.peek_continuation(parent)?;
        self.rest = rest;
        Some((line, breaks))
    }
}

/// Whether nothing but a comment follows a value.
pub(super) fn is_tail(rest: &str) -> bool {
    let trimmed = rest.trim_start_matches(' ');
    trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())
}

/// The first character that ends a plain text, or is in doubt, and where it stands: a colon before a
/// blank, a comment's mark after one, or a tab.
fn end_mark(content: &str) -> Option<(usize, u8)> {
    let bytes = content.as_bytes();
    let ends = |(at, byte): &(usize, u8)| match byte {
        b':' => matches!(bytes.get(at + 1), None | Some(b' ')),
        b'#' => *at > 0 && bytes[at - 1] == b' ',
        byte => *byte == b'\t',
    };
    content.bytes().enumerate().find(ends)
}

/// Where the colon of a plain key is.
#[expect(clippy::option_option, reason = "giving up differs from finding none")]
pub(super) fn colon(content: &str) -> Option<Option<usize>> {
    match end_mark(content) {
        Some((_, b'\t')) => None,
        Some((at, b':')) => Some(Some(at)),
        _ => Some(None),
    }
}

/// The plain text that a line begins with, and whether a comment ends it.
fn plain_part(content: &str) -> Option<(&str, bool)> {
    let (part, commented) = match end_mark(content) {
        Some((_, b':' | b'\t')) => return None,
        Some((at, _)) => (&content[..at], true),
        None => (content, false),
    };
    Some((part.trim_end_matches(' '), commented))
}

/// Joins lines of a scalar as YAML folds them: one break is a blank, more lose one.
fn fold(text: &mut String, breaks: usize) {
    if breaks == 1 {
        text.push(' ');
    } else {
        text.extend(std::iter::repeat_n('\n', breaks - 1));
    }
}

/// A plain scalar.
pub(super) fn plain<'a>(
    first: &'a str,
    parent: usize,
    lines: &mut Lines<'a>,
) -> Option<Cow<'a, str>> {
    let (part, mut ended) = plain_part(first)?;
    let mut text = Cow::Borrowed(part);
    while !ended && let Some((line, breaks, rest)) = lines.peek_continuation(parent) {
        if line.is_comment() {
            break;
        }
        let (part, commented) = plain_part(line.content)?;
        fold(text.to_mut(), breaks);
        text.to_mut().push_str(part);
        lines.rest = rest;
        ended = commented;
    }
    Some(text)
}

/// A text in single quotes whose opening quote has been read; and what follows the closing one.
pub(super) fn single_quoted<'a>(
    first: &'a str,
    parent: usize,
    lines: &mut Lines<'a>,
) -> Option<(Cow<'a, str>, &'a str)> {
    let mut text = Cow::Borrowed("");
    let mut rest = first;
    loop {
        if rest.contains('\t') {
            return None;
        }
        if let Some(end) = rest.find('\'') {
            join(&mut text, &rest[..end]);
            let Some(more) = rest[end + 1..].strip_prefix('\'') else {
                return Some((text, &rest[end + 1..]));
            };
            text.to_mut().push('\'');
            rest = more;
        } else {
            join(&mut text, rest);
            let kept = text.trim_end_matches(' ').len();
            text.to_mut().truncate(kept);
            rest = lines.folded(&mut text, parent)?;
        }
    }
}

fn join<'a>(text: &mut Cow<'a, str>, part: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(part);
    } else {
        text.to_mut().push_str(part);
    }
}

/// A text in double quotes whose opening quote has been read; and what follows the closing one.
pub(super) fn double_quoted<'a>(
    first: &'a str,
    parent: usize,
    lines: &mut Lines<'a>,
) -> Option<(Cow<'a, str>, &'a str)> {
    let mut text = Cow::Borrowed("");
    let mut rest = first;
    // How much of the text was escaped and is no white space to be trimmed.
    let mut kept = 0;
    loop {
        let Some(at) = rest.find(['"', '\\', '\t']) else {
            join(&mut text, rest);
            let end = text.trim_end_matches(' ').len().max(kept);
            text.to_mut().truncate(end);
            rest = lines.folded(&mut text, parent)?;
            kept = text.len();
            continue;
        };
        join(&mut text, &rest[..at]);
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match mark {
            b'"' => return Some((text, rest)),
            b'\\' => {}
            _ => return None,
        }
        let Some(escaped) = rest.chars().next() else {
            // An escaped break joins the lines.
            let (line, breaks) = lines.continuation(parent)?;
            if breaks > 1 {
                return None;
            }
            kept = text.len();
            rest = line.content;
            continue;
        };
        let meant = match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '"' | '\\' | '/' | ' ' => escaped,
            _ => return None,
        };
        text.to_mut().push(meant);
        kept = text.len();
        rest = &rest[1..];
    }
}

/// A literal or folded block whose header is given.
pub(super) fn block<'a>(
    header: &'a str,
    parent: usize,
    lines: &mut Lines<'a>,
) -> Option<(String, ScalarStyle)> {
    let folded = header.starts_with('>');
    let end = header.find(' ').unwrap_or(header.len());
    let (chomp, digit) = match &header.as_bytes()[1..end] {
        [] => (None, None),
        [mark @ (b'-' | b'+')] => (Some(mark), None),
        [digit @ b'1'..=b'9'] => (None, Some(digit)),
        [digit @ b'1'..=b'9', mark @ (b'-' | b'+')]
        | [mark @ (b'-' | b'+'), digit @ b'1'..=b'9'] => (Some(mark), Some(digit)),
        _ => return None,
    };
    if !is_tail(&header[end..]) {
        return None;
    }
    let mut text = String::new();
    let mut indent = digit.map(|digit| parent + usize::from(digit - b'0'));
    let mut breaks = 0;
    let mut was_spaced = false;
    while let Some((line, after)) = lines.split() {
        // A text that does not end its last line has rules of its own.
        if after.is_empty() && !lines.rest.ends_with('\n') {
            return None;
        }
        let beyond = indent.is_some_and(|indent| line.indent > indent);
        if line.is_blank() && !beyond {
            // Blanks before the first line must not reach beyond its indentation.
            if indent.is_none() && line.indent > parent + 1 {
                return None;
            }
            breaks += 1;
            lines.rest = after;
            continue;
        }
        let own = match indent {
            Some(own) => own,
            None if line.indent > parent => *indent.insert(line.indent),
            None => return None,
        };
        if line.indent < own {
            break;
        }
        let content = &lines.rest[own..lines.rest.len() - after.len() - 1];
        let spaced = content.starts_with([' ', '\t']);
        if folded && breaks > 0 && !text.is_empty() && !spaced && !was_spaced {
            fold(&mut text, breaks);
        } else {
            text.extend(std::iter::repeat_n('\n', breaks));
        }
        text.push_str(content);
        was_spaced = spaced;
        breaks = 1;
        lines.rest = after;
    }
    if text.is_empty() {
        return None;
    }
    match chomp {
        Some(b'-') => {}
        Some(_) => text.extend(std::iter::repeat_n('\n', breaks)),
        None => text.push('\n'),
    }
    let style = if folded { ScalarStyle::Folded } else { ScalarStyle::Literal };
    Some((text, style))
}
