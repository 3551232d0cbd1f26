//! What a plain scalar means.

use std::borrow::Cow;

use saphyr_parser::ScalarStyle;

use crate::text::{Style, Text};
use crate::value::{Number, Numeral, Value};

use super::Dialect;

/// A resolved plain scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(Number),
    Float(Number),
    /// Rewritten in RFC 3339 form.
    Timestamp(Cow<'a, str>),
    Text(Cow<'a, str>),
}

/// A scalar that has a meaning which JSON cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotJson {
    PositiveInfinity,
    NegativeInfinity,
    NotANumber,
}

impl NotJson {
    /// As Go prints it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::PositiveInfinity => "+Inf",
            Self::NegativeInfinity => "-Inf",
            Self::NotANumber => "NaN",
        }
    }
}

impl Scalar<'_> {
    /// The value alone.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) | Self::Float(number) => number.into(),
            Self::Timestamp(text) | Self::Text(text) => text.into_owned().into(),
        }
    }

    /// The value with its spelling, where that is not the one it is printed with.
    pub(super) fn into_spelled(self, spelling: &str) -> Value {
        match self {
            Self::Int(number) if is_printed(spelling) => number.into(),
            Self::Int(number) | Self::Float(number) => {
                let printed = Value::from(number);
                if printed.to_text() == spelling {
                    return printed;
                }
                Value::Number(Numeral::spelled(number, spelling))
            }
            Self::Timestamp(_) => Text::new(spelling, Style::Timestamp).into(),
            Self::Bool(_) if spelling != "true" && spelling != "false" => {
                Text::new(spelling, Style::Truth).into()
            }
            other => other.into_value(),
        }
    }

    /// The text of a key: the older library writes a float in single precision.
    pub(super) fn into_key(self) -> String {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "the precision is the library's")]
            Self::Float(Number::Float(number)) => super::json::general(number as f32),
            Self::Timestamp(text) | Self::Text(text) => text.into_owned(),
            other => other.into_value().to_text(),
        }
    }

    /// The tag that the scalar resolves to.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp(_) => "!!timestamp",
            Self::Text(_) => "!!str",
        }
    }
}

/// What is kept of how a scalar was written.
pub(super) fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

/// What a plain scalar of a manifest resolves to.
pub(crate) fn tag_of(text: &str) -> &'static str {
    resolve(text, Dialect::Manifest).map_or("!!float", |scalar| scalar.tag())
}

/// Whether an integer is certainly spelled as it is printed.
fn is_printed(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    matches!(digits.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit))
}

/// Resolves a plain scalar (measured: dependencies 1.2).
pub(super) fn resolve(text: &str, dialect: Dialect) -> Result<Scalar<'_>, NotJson> {
    let plain = || Ok(Scalar::Text(text.into()));
    let Some(first) = text.bytes().next() else { return Ok(Scalar::Null) };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            Ok(word(text, dialect).unwrap_or_else(|| Scalar::Text(text.into())))
        }
        b'.' => match text {
            ".inf" | ".Inf" | ".INF" => Err(NotJson::PositiveInfinity),
            ".nan" | ".NaN" | ".NAN" => Err(NotJson::NotANumber),
            _ => float(text).map_or_else(plain, |number| Ok(Scalar::Float(number))),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" => Err(NotJson::PositiveInfinity),
            "-.inf" | "-.Inf" | "-.INF" => Err(NotJson::NegativeInfinity),
            _ => Ok(numeric(text, dialect).unwrap_or_else(|| Scalar::Text(text.into()))),
        },
        _ => plain(),
    }
}

fn word(text: &str, dialect: Dialect) -> Option<Scalar<'_>> {
    match text {
        "true" | "True" | "TRUE" => Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => Some(Scalar::Bool(false)),
        "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        _ if dialect == Dialect::Manifest => None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Scalar::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Scalar::Bool(false)),
        _ => None,
    }
}

fn numeric(text: &str, dialect: Dialect) -> Option<Scalar<'_>> {
    if let Some(rewritten) = timestamp(text) {
        let kept = dialect == Dialect::Configuration;
        return Some(Scalar::Timestamp(if kept { text.into() } else { rewritten.into() }));
    }
    let digits = if text.contains('_') { text.replace('_', "").into() } else { Cow::from(text) };
    if let Some(number) = integer(&digits) {
        return Some(Scalar::Int(number));
    }
    if !looks_like_float(&digits) {
        return None;
    }
    float(&digits).map(Scalar::Float)
}

/// Reads an integer with Go's base prefixes; a leading zero means octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, signed, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let lower = unsigned.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match lower.as_deref() {
        Some("0x") => (16, unsigned.get(2..)?),
        Some("0b") => (2, unsigned.get(2..)?),
        Some("0o") => (8, unsigned.get(2..)?),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Number::Int);
    }
    match Number::from(magnitude) {
        Number::UInt(_) if signed => None,
        number => Some(number),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

fn float(text: &str) -> Option<Number> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| Number::from(number))
}

/// Reads the timestamp forms that go-yaml knows and writes RFC 3339.
pub(crate) fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (year, rest) = (&text[..4], &text[5..]);
    let (month, rest) = digits(rest, 1..=12)?;
    let rest = rest.strip_prefix('-')?;
    let (day, rest) = digits(rest, 1..=31)?;
    if day > days_of(year.parse().ok()?, month) {
        return None;
    }
    let date = format!("{year}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = rest.starts_with(['T', 't']);
    if !zoned && !rest.starts_with(' ') {
        return None;
    }
    let (hour, rest) = digits(&rest[1..], 0..=23)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 0..=59)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 0..=59)?;
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            (rest[..end.min(9)].trim_end_matches('0'), &rest[end..])
        }
        None => ("", rest),
    };
    let zone = match (zoned, rest) {
        (false, "") | (true, "Z") => "Z",
        (true, zone) => offset(zone)?,
        (false, _) => return None,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"))
}

fn offset(zone: &str) -> Option<&str> {
    let bytes = zone.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let shaped = bytes.len() == 6 && matches!(bytes[0], b'+' | b'-') && bytes[3] == b':';
    if !shaped || !digits(1..3) || !digits(4..6) {
        return None;
    }
    Some(if &zone[1..] == "00:00" { "Z" } else { zone })
}

/// One or two digits inside a range, and what follows.
fn digits(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<(u32, &str)> {
    let end = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let number = text.get(..end)?.parse().ok()?;
    range.contains(&number).then(|| (number, &text[end..]))
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(400) => 29,
        2 if year.is_multiple_of(4) && !year.is_multiple_of(100) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Standard base64 with padding, white space ignored, whose content is text.
pub(crate) fn decode_base64(text: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut count = 0_u32;
    let mut bytes = Vec::new();
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}
