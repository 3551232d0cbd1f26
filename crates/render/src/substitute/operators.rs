//! What operators make of values.

use super::glob::Glob;
use super::{Budget, Error, Exceeded, TEXT_BYTES_MAX, runes};

/// Why an operator does not do it.
pub(super) enum Refused {
    /// A bound.
    Exceeded(Exceeded),
    /// A slice that ends before it begins.
    Range,
}

impl From<Exceeded> for Refused {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

impl Refused {
    /// The error, with the variable.
    pub(super) fn of(self, name: &str) -> Error {
        match self {
            Self::Exceeded(exceeded) => exceeded.of(name),
            Self::Range => Error::Range(name.to_owned()),
        }
    }
}

/// What an operator makes of a value.
pub(super) fn apply(
    operator: &str,
    value: &str,
    arguments: &[Vec<u8>],
    budget: &mut Budget,
) -> Result<Vec<u8>, Refused> {
    let (text, value) = (value, value.as_bytes());
    budget.spend(value.len() + arguments.iter().map(Vec::len).sum::<usize>())?;
    let first = arguments.first().map_or(&[][..], Vec::as_slice);
    Ok(match (operator, arguments) {
        ("#", []) => value.len().to_string().into_bytes(),
        ("^^", _) => text.chars().map(runes::upper).collect::<String>().into_bytes(),
        (",,", _) => text.chars().map(runes::lower).collect::<String>().into_bytes(),
        ("^", _) => first_letter(text, runes::upper),
        (",", _) => first_letter(text, runes::lower),
        ("#", _) => trim(value, first, Length::Shortest, budget)?,
        ("##", _) => trim(value, first, Length::Longest, budget)?,
        ("%", _) => trim_end(value, first, Length::Shortest, budget)?,
        ("%%", _) => trim_end(value, first, Length::Longest, budget)?,
        ("/", [from, to @ ..]) => replace(value, from, to.first(), 1, budget)?,
        ("//", [from, to @ ..]) => replace(value, from, to.first(), usize::MAX, budget)?,
        ("/#", [from, to]) if value.starts_with(from) => [to, &value[from.len()..]].concat(),
        ("/%", [from, to]) if value.ends_with(from) => {
            [&value[..value.len() - from.len()], to].concat()
        }
        (":", _) => slice(value, arguments).ok_or(Refused::Range)?,
        (":=", _) if value.is_empty() => arguments.concat(),
        _ => value.to_vec(),
    })
}

fn first_letter(text: &str, change: fn(char) -> char) -> Vec<u8> {
    let mut chars = text.chars();
    let first = chars.next().map(change);
    first.into_iter().chain(chars).collect::<String>().into_bytes()
}

/// Go's `Atoi`.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A part of a value; `None` if it ends before it begins.
fn slice(value: &[u8], arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let Some(offset) = arguments.first().and_then(|text| number(text)) else {
        return Some(value.to_vec());
    };
    let offset = if offset < 0 { offset.saturating_add(length).max(0) } else { offset };
    let end = match arguments.get(1) {
        None => length,
        Some(text) => match number(text) {
            None => return Some(value.to_vec()),
            Some(count) => offset.saturating_add(count).min(length),
        },
    };
    if offset >= length && end >= length {
        return Some(Vec::new());
    }
    let (offset, end) = (usize::try_from(offset).ok()?, usize::try_from(end).ok()?);
    value.get(offset..end).map(<[u8]>::to_vec)
}

fn replace(
    value: &[u8],
    from: &[u8],
    to: Option<&Vec<u8>>,
    most: usize,
    budget: &mut Budget,
) -> Result<Vec<u8>, Refused> {
    let to = to.map_or(&[][..], Vec::as_slice);
    let mut out = Vec::new();
    let (mut at, mut count) = (0, 0);
    while at < value.len() && count < most {
        // An empty text is found before every character.
        let found = value[at..].starts_with(from);
        let step = if from.is_empty() { runes::first(&value[at..]).1 } else { 1 };
        if found {
            budget.spend(to.len())?;
            out.extend(to);
            count += 1;
        }
        let (kept, next) = if found && !from.is_empty() { (0, from.len()) } else { (step, step) };
        out.extend(&value[at..at + kept]);
        at += next;
        if out.len() > TEXT_BYTES_MAX {
            return Err(Exceeded("substituted text").into());
        }
    }
    out.extend(&value[at..]);
    // And at the end.
    if from.is_empty() && count < most {
        out.extend(to);
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Shortest,
    Longest,
}

/// Removes the shortest or longest start that matches; it is never empty.
fn trim(
    value: &[u8],
    pattern: &[u8],
    length: Length,
    budget: &mut Budget,
) -> Result<Vec<u8>, Exceeded> {
    let Some(pattern) = Glob::read(pattern) else { return Ok(value.to_vec()) };
    budget.spend(value.len().saturating_mul(pattern.len()))?;
    let mut ends = pattern.ends(value);
    let end = match length {
        Length::Shortest => ends.next(),
        Length::Longest => ends.last(),
    };
    Ok(value[end.unwrap_or(0)..].to_vec())
}

/// The same with an end: both are turned around.
fn trim_end(
    value: &[u8],
    pattern: &[u8],
    length: Length,
    budget: &mut Budget,
) -> Result<Vec<u8>, Exceeded> {
    let (value, pattern) = (runes::reversed(value), runes::reversed(pattern));
    Ok(runes::reversed(&trim(&value, &pattern, length, budget)?))
}
