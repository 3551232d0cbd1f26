//! Patterns of starts, as Go's `path.Match` has them, but that `*` crosses slashes.

use std::ops::RangeInclusive;

use super::runes;

/// Bytes of the longest character.
const CHAR_BYTES_MAX: usize = 4;

/// A pattern.
pub(super) struct Glob(Vec<Piece>);

enum Piece {
    /// Any bytes, or none.
    Any,
    /// This byte.
    Byte(u8),
    /// A character: any, or one of the ranges, or none of them.
    Char { negated: bool, ranges: Vec<RangeInclusive<char>> },
}

impl Piece {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Char { negated, ranges } => {
                ranges.iter().any(|range| range.contains(&c)) != *negated
            }
            Self::Any | Self::Byte(_) => false,
        }
    }
}

impl Glob {
    /// Reads a pattern; `None` when it is malformed.
    pub(super) fn read(mut pattern: &[u8]) -> Option<Self> {
        let mut pieces = Vec::new();
        while let Some((byte, rest)) = pattern.split_first() {
            pattern = rest;
            pieces.push(match byte {
                b'*' => Piece::Any,
                b'?' => Piece::Char { negated: true, ranges: Vec::new() },
                b'[' => class(&mut pattern)?,
                b'\\' => {
                    let (byte, rest) = pattern.split_first()?;
                    pattern = rest;
                    Piece::Byte(*byte)
                }
                byte => Piece::Byte(*byte),
            });
        }
        Some(Self(pieces))
    }

    /// How many pieces it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the starts of a value end that match as a whole, the empty one left out; in time
    /// proportional to both lengths.
    pub(super) fn ends(&self, value: &[u8]) -> impl Iterator<Item = usize> {
        // Where the matching stands when so many bytes are read, for as far as a character reaches.
        let mut ahead: [Reached; CHAR_BYTES_MAX + 1] = std::array::from_fn(|_| self.nowhere());
        ahead[0][0] = true;
        // The same where the last character is cut, so that its bytes stand for themselves.
        let mut cut = self.nowhere();
        let mut whole_from = 0;
        (0..value.len()).filter_map(move |at| {
            self.skip_any(&mut ahead[0]);
            let (c, length) = runes::first(&value[at..]);
            let is_inside = at < whole_from;
            if !is_inside {
                (cut, whole_from) = (ahead[0].clone(), at + length);
            }
            let mut next = self.nowhere();
            self.step(&cut, value[at], (char::REPLACEMENT_CHARACTER, 1), |place, _| {
                next[place] = true;
            });
            self.skip_any(&mut next);
            cut = next;
            let from = std::mem::replace(&mut ahead[0], self.nowhere());
            self.step(&from, value[at], (c, length), |place, length| ahead[length][place] = true);
            ahead.rotate_left(1);
            self.skip_any(&mut ahead[0]);
            let reached = if at + 1 < whole_from { &cut } else { &ahead[0] };
            reached[self.0.len()].then_some(at + 1)
        })
    }

    fn nowhere(&self) -> Reached {
        vec![false; self.0.len() + 1]
    }

    /// `*` need not take anything.
    fn skip_any(&self, reached: &mut Reached) {
        for (place, piece) in self.0.iter().enumerate() {
            reached[place + 1] |= reached[place] && matches!(piece, Piece::Any);
        }
    }

    /// Where one byte, or the character that it begins, leads to: a place and how many bytes on.
    fn step(
        &self,
        from: &Reached,
        byte: u8,
        (c, length): (char, usize),
        mut to: impl FnMut(usize, usize),
    ) {
        for (place, piece) in self.0.iter().enumerate().filter(|(place, _)| from[*place]) {
            match piece {
                Piece::Any => to(place, 1),
                Piece::Byte(wanted) if *wanted == byte => to(place + 1, 1),
                piece if piece.has(c) => to(place + 1, length),
                _ => {}
            }
        }
    }
}

/// Which places in the pattern are reached.
type Reached = Vec<bool>;

/// What follows `[`.
fn class(pattern: &mut &[u8]) -> Option<Piece> {
    let negated = take(pattern, b'^');
    let mut ranges = Vec::new();
    while ranges.is_empty() || !take(pattern, b']') {
        let low = class_char(pattern)?;
        let high = if take(pattern, b'-') { class_char(pattern)? } else { low };
        ranges.push(low..=high);
    }
    Some(Piece::Char { negated, ranges })
}

fn take(pattern: &mut &[u8], byte: u8) -> bool {
    let rest = pattern.strip_prefix(&[byte]);
    *pattern = rest.unwrap_or(pattern);
    rest.is_some()
}

fn class_char(pattern: &mut &[u8]) -> Option<char> {
    if matches!(pattern.first(), None | Some(b'-' | b']')) {
        return None;
    }
    take(pattern, b'\\');
    let (c, length) = runes::first(pattern);
    let is_char = c != char::REPLACEMENT_CHARACTER || length > 1;
    *pattern = pattern.get(length..)?;
    is_char.then_some(c)
}
