//! The pieces of Go's regular expression syntax that Rust's engine reads differently.

use regex::bytes::Regex;

use crate::filter::{InvalidFilter, refuse};

const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\f\r ";

/// A character in a form that means itself everywhere.
pub(crate) fn literal(c: char) -> String {
    format!("\\x{{{:x}}}", u32::from(c))
}

/// The flags of `(?flags)` or `(?flags:`, and the bytes up to there.
pub(crate) fn flags(text: &str) -> Result<(&str, usize), InvalidFilter> {
    let (mut negated, mut seen) = (false, false);
    for (index, c) in text.char_indices().skip(2) {
        match c {
            'i' | 'm' | 's' | 'U' => seen = true,
            '-' if !negated => (negated, seen) = (true, false),
            ':' | ')' if seen || !negated => return Ok((&text[2..index], index + 1)),
            c => {
                let part = &text[..index + c.len_utf8()];
                return refuse("invalid or unsupported Perl syntax", part);
            }
        }
    }
    refuse("invalid or unsupported Perl syntax", text)
}

/// `{n}`, `{n,}` or `{n,m}`: its bytes, least and most; `None` if the brace is a literal one.
pub(crate) fn repeat_counts(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        (plain && !leading_zero).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let bytes = inner.len() + 2;
    match inner.split_once(',') {
        None => number(inner).map(|count| (bytes, count, Some(count))),
        Some((least, "")) => number(least).map(|least| (bytes, least, None)),
        Some((least, most)) => Some((bytes, number(least)?, Some(number(most)?))),
    }
}

/// `\d`, `\pL` and the like as the inside of a class, and their bytes.
pub(crate) fn class_escape(text: &str) -> Result<Option<(String, usize)>, InvalidFilter> {
    let Some(letter) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
        return Ok(None);
    };
    let class = match letter {
        'd' => "0-9".into(),
        'D' => "^0-9".into(),
        's' => SPACE.into(),
        'S' => format!("^{SPACE}"),
        'w' => WORD.into(),
        'W' => format!("^{WORD}"),
        'p' | 'P' => return unicode_class(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class, 2)))
}

fn unicode_class(text: &str) -> Result<(String, usize), InvalidFilter> {
    let rest = &text[2..];
    let (name, bytes) = match rest.strip_prefix('{') {
        Some(braced) => match braced.find('}') {
            Some(end) => (&braced[..end], 4 + end),
            None => return refuse("invalid character class range", text),
        },
        None => match rest.chars().next() {
            Some(c) => (&rest[..c.len_utf8()], 2 + c.len_utf8()),
            None => return refuse("invalid character class range", text),
        },
    };
    let (name, inverted) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let letter = if text.starts_with(r"\P") == inverted { 'p' } else { 'P' };
    let class = format!("\\{letter}{{{name}}}");
    let known = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !known || Regex::new(&class).is_err() {
        return refuse("invalid character class range", &text[..bytes]);
    }
    Ok((class, bytes))
}

/// `[:name:]`, and its bytes.
pub(crate) fn posix_class(text: &str) -> Result<Option<(String, usize)>, InvalidFilter> {
    let Some(end) = text.strip_prefix("[:").and_then(|rest| rest.find(":]")) else {
        return Ok(None);
    };
    let class = &text[..end + 4];
    if Regex::new(&format!("[{class}]")).is_err() {
        return refuse("invalid character class range", class);
    }
    Ok(Some((class.into(), class.len())))
}

/// An escape that stands for one character, and its bytes.
pub(crate) fn escaped_char(text: &str) -> Result<(char, usize), InvalidFilter> {
    let Some(c) = text.chars().nth(1) else {
        return refuse("trailing backslash at end of expression", "");
    };
    let simple = match c {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => return hexadecimal(text),
        '0'..='7' => return octal(text),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
        c => return refuse("invalid escape sequence", format!("\\{c}")),
    };
    Ok((simple, 1 + c.len_utf8()))
}

/// Up to three octal digits; a single one but zero would be a back-reference.
fn octal(text: &str) -> Result<(char, usize), InvalidFilter> {
    let digits = text[1..].bytes().take(3).take_while(|c| (b'0'..=b'7').contains(c)).count();
    if digits == 1 && !text.starts_with(r"\0") {
        return refuse("invalid escape sequence", &text[..2]);
    }
    let value = u32::from_str_radix(&text[1..=digits], 8).ok().and_then(char::from_u32);
    value.map_or_else(|| refuse("invalid escape sequence", &text[..2]), |c| Ok((c, digits + 1)))
}

fn hexadecimal(text: &str) -> Result<(char, usize), InvalidFilter> {
    let rest = &text[2..];
    let (digits, bytes) = match rest.strip_prefix('{') {
        Some(braced) => match braced.find('}') {
            Some(end) => (&braced[..end], end + 4),
            None => return refuse("invalid escape sequence", text),
        },
        None => (rest.get(..2).unwrap_or_default(), 4),
    };
    let value = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let part = text.get(..bytes).unwrap_or(text);
    value.map_or_else(|| refuse("invalid escape sequence", part), |c| Ok((c, bytes)))
}
