//! Which of YAML's styles a text is written in.

use super::Dialect;
use super::scalar::{self, Scalar};

/// Where a scalar stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Root,
    Item,
    Value,
    Key,
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Whether a text is certainly written plain: short cut for most texts that there are.
pub(super) fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match byte {
        b' ' => at + 1 < bytes.len(),
        b':' => bytes.get(at + 1).is_some_and(|next| *next != b' '),
        b'#' => bytes[at - 1] != b' ',
        other => matches!(other, b'!'..=b'~'),
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
pub(super) fn is_simple_block(text: &str) -> bool {
    let fits =
        |line: &str| !line.ends_with(' ') && line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text.contains('\n') && text.split('\n').all(fits)
}

/// Which styles a text allows.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of one text")]
pub(super) struct Analysis {
    multiline: bool,
    plain: bool,
    single: bool,
    block: bool,
}

pub(super) fn analyse(text: &str) -> Analysis {
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

pub(super) fn choose(analysis: &Analysis, wanted: Style, context: Context, text: &str) -> Style {
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
pub(super) fn reads_as_text(text: &str) -> bool {
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

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

pub(super) fn escaped(c: char) -> String {
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
