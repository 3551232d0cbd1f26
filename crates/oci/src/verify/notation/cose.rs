//! Envelopes in CBOR: COSE_Sign1 (RFC 9052), of which the few forms are read that it is written in.

use jiff::Timestamp;

use super::envelope::{
    Envelope, Form, Found, HEADER_AUTHENTIC_TIME, HEADER_EXPIRY, HEADER_SCHEME, HEADER_TIME,
    HEADER_TIMESTAMP,
};

pub(super) const MEDIA_TYPE: &str = "application/cose";

const TAG_SIGN1: u64 = 18;
const TAG_TIME: u64 = 1;
const LABEL_ALGORITHM: Item = Item::Unsigned(1);
const LABEL_CRITICAL: Item = Item::Unsigned(2);
const LABEL_CONTENT_TYPE: Item = Item::Unsigned(3);
const LABEL_CHAIN: Item = Item::Unsigned(33);

/// Negative numbers of algorithms, as CBOR counts them, and their names in JOSE.
const ALGORITHMS: [(u64, &str); 6] =
    [(36, "PS256"), (37, "PS384"), (38, "PS512"), (6, "ES256"), (34, "ES384"), (35, "ES512")];

/// Lists in lists.
const DEPTH_MAX: usize = 8;

/// What CBOR can hold, as far as envelopes use it.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Unsigned(u64),
    /// -1 minus this.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
    Tagged(u64, Box<Item>),
    /// A truth value or nothing.
    Simple,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, String> {
    let Item::Tagged(TAG_SIGN1, message) = read(bytes)? else {
        return Err("cbor: invalid COSE_Sign1_Tagged object".into());
    };
    let Item::List(parts) = *message else { return Err("cbor: no list of parts".into()) };
    let Ok([Item::Bytes(protected), unprotected, Item::Bytes(payload), Item::Bytes(signature)]) =
        <[Item; 4]>::try_from(parts)
    else {
        return Err("cbor: not the four parts of COSE_Sign1".into());
    };
    let headers = read(&protected)?;
    let algorithm = match headers.get(&LABEL_ALGORITHM) {
        Some(Item::Negative(number)) => ALGORITHMS.iter().find(|(known, _)| known == number),
        _ => None,
    };
    let (_, algorithm) = *algorithm.ok_or("signature algorithm not supported")?;
    let Some(Item::Text(content_type)) = headers.get(&LABEL_CONTENT_TYPE) else {
        return Err("missing content type".into());
    };
    let certificates = match unprotected.get(&LABEL_CHAIN) {
        Some(Item::List(certificates)) => certificates.iter().map(Item::bytes).collect(),
        _ => None,
    };
    Ok(Envelope {
        form: Form::Cose,
        signed: signed(&protected, &payload),
        signature,
        algorithm,
        content_type: content_type.clone(),
        certificates: certificates.ok_or("certificate chain is not present")?,
        headers: found(&headers)?.check()?,
        is_timestamped: unprotected.get(&Item::Text(HEADER_TIMESTAMP.into())).is_some(),
        payload,
    })
}

/// What is signed: the protected headers and the payload, with what they are in front.
fn signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x84, 0x6a];
    out.extend_from_slice(b"Signature1");
    for bytes in [protected, &[], payload] {
        head(2, bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
    }
    out
}

/// The shortest head of an item.
fn head(major: u8, value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (short, length) = match value {
        0..24 => return out.push(major << 5 | bytes[7]),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | short);
    out.extend_from_slice(&bytes[8 - length..]);
}

fn found(headers: &Item) -> Result<Found, String> {
    let mut found = Found::default();
    let Item::Map(entries) = headers else { return Err("protected headers are no map".into()) };
    for (label, value) in entries {
        let Item::Text(name) = label else {
            match (label, value) {
                (label, Item::List(names)) if *label == LABEL_CRITICAL => {
                    found.critical = names.iter().map(Item::name).collect();
                }
                (label, _) if [LABEL_ALGORITHM, LABEL_CONTENT_TYPE].contains(label) => {}
                (label, _) => found.others.push(label.name()),
            }
            continue;
        };
        match name.as_str() {
            HEADER_SCHEME => found.scheme = value.name(),
            HEADER_TIME => found.time = Some(value.time(name)?),
            HEADER_AUTHENTIC_TIME => found.authentic_time = Some(value.time(name)?),
            HEADER_EXPIRY => found.expiry = Some(value.time(name)?),
            other => found.others.push(other.into()),
        }
    }
    Ok(found)
}

impl Item {
    fn get(&self, label: &Self) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(found, _)| found == label).map(|(_, value)| value)
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// A text, or what else is in its place.
    fn name(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    fn time(&self, name: &str) -> Result<Timestamp, String> {
        let seconds = match self {
            Self::Tagged(TAG_TIME, value) => match **value {
                Self::Unsigned(seconds) => i64::try_from(seconds).ok(),
                _ => None,
            },
            _ => None,
        };
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.ok_or_else(|| format!("header {name} is no time"))
    }
}

/// Reads one item that takes all bytes.
fn read(bytes: &[u8]) -> Result<Item, String> {
    let mut reader = Reader { rest: bytes };
    let item = reader.item(0).ok_or("cbor: malformed or of a form that is not used")?;
    if reader.rest.is_empty() { Ok(item) } else { Err("cbor: bytes after the end".into()) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Major type and value of a head of known length.
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = *self.take(1)?.first()?;
        let length = match first & 0x1f {
            short @ 0..24 => return Some((first >> 5, short.into())),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let value = self.take(length)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Some((first >> 5, value))
    }

    fn item(&mut self, depth: usize) -> Option<Item> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (major, value) = self.head()?;
        let length = usize::try_from(value).ok()?;
        Some(match major {
            0 => Item::Unsigned(value),
            1 => Item::Negative(value),
            2 => Item::Bytes(self.take(length)?.into()),
            3 => Item::Text(String::from_utf8(self.take(length)?.into()).ok()?),
            4 => Item::List(self.several(length, |reader| reader.item(depth + 1))?),
            5 => {
                let pairs = self.several(length, |reader| {
                    Some((reader.item(depth + 1)?, reader.item(depth + 1)?))
                })?;
                // A label twice would be read by one and not by another.
                let twice = |at: usize| pairs[..at].iter().any(|(label, _)| *label == pairs[at].0);
                if (0..pairs.len()).any(twice) {
                    return None;
                }
                Item::Map(pairs)
            }
            6 => Item::Tagged(value, Box::new(self.item(depth + 1)?)),
            _ => matches!(value, 20..=23).then_some(Item::Simple)?,
        })
    }

    /// So many of something; what is announced takes no room before it is there.
    fn several<T>(
        &mut self,
        count: usize,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        if count > self.rest.len() || count > ITEMS_MAX {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }
}

/// Items of one list or map.
const ITEMS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_and_not_there_is_refused() {
        for bytes in [
            &[0x9f][..],
            &[0x9a, 0xff, 0xff, 0xff, 0xff],
            &[0x5b, 0xff],
            &[0x61, 0xff],
            &[0x81; 99],
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&[0xa2, 1, 1, 1, 2]).is_err(), "a label twice");
        assert_eq!(
            read(&[0xa1, 0x20, 0x41, 7]),
            Ok(Item::Map(vec![(Item::Negative(0), Item::Bytes(vec![7]))]))
        );
    }

    #[test]
    fn heads_are_the_shortest() {
        for (value, expected) in [
            (23, &[0x57][..]),
            (24, &[0x58, 24]),
            (256, &[0x59, 1, 0]),
            (1 << 16, &[0x5a, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            head(2, value, &mut out);
            assert_eq!(out, expected);
        }
    }
}
