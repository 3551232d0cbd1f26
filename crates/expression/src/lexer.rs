//! Text → tokens.

use crate::source::Fault;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    /// A name in backticks, which this dialect refuses.
    Escaped,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    /// An operator, a bracket or a word that cannot be a name.
    Symbol(&'static str),
    End,
}

/// A token and where it stands, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Longest first where one begins another.
const SYMBOLS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%", "=",
];
const WORDS: [&str; 4] = ["in", "true", "false", "null"];

/// The tokens of a text, with one of [`Kind::End`] after them. What is no token is a fault and is
/// skipped.
pub(crate) fn tokens(source: &str, faults: &mut Vec<Fault>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = source[start..].chars().next() {
        let rest = &source[start..];
        if matches!(first, ' ' | '\t' | '\r' | '\n' | '\u{c}') {
            start += 1;
        } else if rest.starts_with("//") {
            start += rest.find('\n').unwrap_or(rest.len());
        } else {
            match scan(rest) {
                Ok((kind, length)) => {
                    tokens.push(Token { kind, start, end: start + length });
                    start += length;
                }
                Err(length) => {
                    let text = &rest[..length];
                    faults.push(Fault::new(
                        start,
                        format!("Syntax error: token recognition error at: '{text}'"),
                    ));
                    start += length;
                }
            }
        }
    }
    tokens.push(Token { kind: Kind::End, start, end: start });
    tokens
}

/// The token that a text begins with and its length, or the length of what is none.
fn scan(rest: &str) -> Result<(Kind, usize), usize> {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'B', 'r', 'R']).len();
    let marks = &rest[..prefix.min(2)];
    let is_prefix = |marks: &str| {
        matches!(marks.to_ascii_lowercase().as_str(), "" | "b" | "r" | "br")
            && rest[marks.len()..].starts_with(['"', '\''])
    };
    if let Some(marks) =
        [marks, &marks[..marks.len().min(1)], ""].into_iter().find(|m| is_prefix(m))
    {
        let raw = marks.ends_with(['r', 'R']);
        let kind = if marks.starts_with(['b', 'B']) { Kind::Bytes } else { Kind::Text };
        match quoted(&rest[marks.len()..], raw) {
            Ok(length) => return Ok((kind, marks.len() + length)),
            // A name that a quote follows is still a name.
            Err(length) if marks.is_empty() => return Err(length),
            Err(_) => {}
        }
    }
    if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = WORDS.iter().find(|word| **word == &rest[..end]);
        return Ok((word.map_or(Kind::Name, |word| Kind::Symbol(word)), end));
    }
    if let Some(number) = number(rest) {
        return Ok(number);
    }
    if let Some(inside) = rest.strip_prefix('`') {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/ ".contains(c);
        let end = inside.find(|c| !allowed(c)).unwrap_or(inside.len());
        return match inside[end..].chars().next() {
            Some('`') if end > 0 => Ok((Kind::Escaped, end + 2)),
            next => Err(1 + end + next.map_or(0, char::len_utf8)),
        };
    }
    match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        Some(symbol) if *symbol != "=" => Ok((Kind::Symbol(symbol), symbol.len())),
        // What begins an operator is cut after the sign that does not go on with it.
        _ if rest.starts_with(['=', '&', '|']) => {
            Err(1 + rest[1..].chars().next().map_or(0, char::len_utf8))
        }
        _ => Err(rest.chars().next().map_or(1, char::len_utf8)),
    }
}

fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = |end: usize| {
        if rest[end..].starts_with(['u', 'U']) { (Kind::Uint, end + 1) } else { (Kind::Int, end) }
    };
    if let Some(hex) = rest.strip_prefix("0x") {
        let length = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        if length > 0 {
            return Some(unsigned(2 + length));
        }
    }
    let whole = digits(rest);
    let fraction = rest[whole..].strip_prefix('.').map_or(0, digits);
    let point = if fraction > 0 { whole + 1 + fraction } else { whole };
    if point == 0 {
        return None;
    }
    let exponent = rest[point..].strip_prefix(['e', 'E']).and_then(|after| {
        let sign = usize::from(after.starts_with(['+', '-']));
        let length = digits(&after[sign..]);
        (length > 0).then_some(1 + sign + length)
    });
    match exponent {
        Some(exponent) => Some((Kind::Double, point + exponent)),
        None if fraction > 0 => Some((Kind::Double, point)),
        None => Some(unsigned(whole)),
    }
}

/// The length of a text in quotes, or how far one was read that does not end well.
fn quoted(rest: &str, raw: bool) -> Result<usize, usize> {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    if let Some(inside) = rest.strip_prefix(triple.as_str())
        && let Ok(length) = inside_quotes(inside, &triple, raw)
    {
        return Ok(3 + length);
    }
    inside_quotes(&rest[1..], quote, raw).map(|length| 1 + length).map_err(|length| 1 + length)
}

/// The length up to and with the closing mark, or up to and with the sign that cannot be there.
fn inside_quotes(inside: &str, mark: &str, raw: bool) -> Result<usize, usize> {
    let mut at = 0;
    loop {
        let rest = &inside[at..];
        if rest.starts_with(mark) {
            return Ok(at + mark.len());
        }
        let Some(next) = rest.chars().next() else { return Err(at) };
        at += match next {
            '\n' | '\r' if mark.len() == 1 => return Err(at + 1),
            '\\' if !raw => match escape(&rest[1..]) {
                Ok(length) => 1 + length,
                Err(length) => return Err(at + 1 + length),
            },
            _ => next.len_utf8(),
        };
    }
}

/// The length of what follows a backslash, or how far it was read.
fn escape(rest: &str) -> Result<usize, usize> {
    let Some(first) = rest.chars().next() else { return Err(0) };
    let (length, fits): (usize, fn(char) -> bool) = match first {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => return Ok(1),
        'x' | 'X' => (2, |c| c.is_ascii_hexdigit()),
        'u' => (4, |c| c.is_ascii_hexdigit()),
        'U' => (8, |c| c.is_ascii_hexdigit()),
        '0'..='3' => (2, |c| ('0'..='7').contains(&c)),
        other => return Err(other.len_utf8()),
    };
    let mut at = 1;
    for _ in 0..length {
        match rest[at..].chars().next() {
            Some(c) if fits(c) => at += 1,
            Some(c) => return Err(at + c.len_utf8()),
            None => return Err(at),
        }
    }
    Ok(at)
}
