//! Distinguished names: as a policy writes them, and as a certificate holds them.

use std::collections::BTreeMap;

use artifact::text::quoted;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Tag, Tagged};
use x509_cert::name::Name;

/// The parts of a name by their short types.
pub(super) type Parts = BTreeMap<String, String>;

/// What the types of a certificate's name are called, and nothing else is.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.6", "C"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.17", "POSTALCODE"),
];

const MINIMUM: &str = "'C', 'ST' or 'S', and 'O' RDN attributes at a minimum";

/// Reads a name as RFC 4514 writes it; the texts of failures are the reference's.
pub(super) fn parse(text: &str) -> Result<Parts, String> {
    let name = quoted(text);
    if text.contains("=#") {
        let problem = "notation does not support x509.subject identities containing \"=#\"";
        return Err(format!("unsupported distinguished name (DN) {name}: {problem}"));
    }
    let mut parts = Parts::new();
    for (kind, value, joined) in split(text).map_err(|problem| {
        format!(
            "parsing distinguished name (DN) {name} failed with err: {problem}. A valid DN must \
             contain {MINIMUM}, and follow RFC 4514 standard"
        )
    })? {
        if joined {
            return Err(format!(
                "distinguished name (DN) {name} has multi-valued RDN attributes, \
                 remove multi-valued RDN attributes as they are not supported"
            ));
        }
        add(&mut parts, kind, value, &name)?;
    }
    complete(parts, &name)
}

/// The parts of a certificate's name.
pub(super) fn of_certificate(subject: &Name) -> Result<Parts, String> {
    let name = quoted(&subject.to_string());
    let mut parts = Parts::new();
    for set in &subject.0 {
        for part in set.0.iter() {
            let oid = part.oid.to_string();
            let short = SHORT.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
            let kind = short.ok_or_else(|| {
                let problem = "notation does not support x509.subject identities containing \"=#\"";
                format!("unsupported distinguished name (DN) {name}: {problem}")
            })?;
            add(&mut parts, kind.into(), text_of(part), &name)?;
        }
    }
    complete(parts, &name)
}

fn add(parts: &mut Parts, kind: String, value: String, name: &str) -> Result<(), String> {
    let kind = if kind == "S" { "ST".into() } else { kind };
    match parts.insert(kind.clone(), value) {
        Some(former) if !former.is_empty() => Err(format!(
            "distinguished name (DN) {name} has duplicate RDN attribute for {}, \
             DN can only have unique RDN attributes",
            quoted(&kind)
        )),
        _ => Ok(()),
    }
}

fn complete(parts: Parts, name: &str) -> Result<Parts, String> {
    let lacks = |kind: &&&str| parts.get(**kind).is_none_or(String::is_empty);
    match ["C", "ST", "O"].iter().find(lacks) {
        None => Ok(parts),
        Some(kind) => Err(format!(
            "distinguished name (DN) {name} has no mandatory RDN attribute for {}, \
             it must contain {MINIMUM}",
            quoted(kind)
        )),
    }
}

/// Whether every part of `wanted` is one of `found`.
pub(super) fn is_part_of(wanted: &Parts, found: &Parts) -> bool {
    wanted.iter().all(|(kind, value)| found.get(kind) == Some(value))
}

/// A name as the reference's messages print it.
pub(super) fn shown(parts: &Parts) -> String {
    let parts: Vec<_> =
        parts.iter().map(|(kind, value)| format!("{}:{}", quoted(kind), quoted(value))).collect();
    format!("map[{}]", parts.join(" "))
}

fn text_of(part: &AttributeTypeAndValue) -> String {
    let value = &part.value;
    let text = match value.tag() {
        Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|s| s.to_string()),
        Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|s| s.to_string()),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|s| s.to_string()),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok().map(|s| s.to_string()),
        _ => None,
    };
    text.unwrap_or_default()
}

/// Types and values, and whether a value is joined to the one before by a `+`.
fn split(text: &str) -> Result<Vec<(String, String, bool)>, &'static str> {
    const INCOMPLETE: &str = "DN ended with incomplete type, value pair";
    let mut found = Vec::new();
    let (mut rest, mut joined) = (text, false);
    loop {
        let (kind, after) = rest.split_once('=').ok_or(INCOMPLETE)?;
        let kind = kind.trim();
        if kind.is_empty() || kind.contains([',', '+', ';']) {
            return Err(INCOMPLETE);
        }
        let (value, separator, after) = value(after)?;
        found.push((kind.into(), value, joined));
        match separator {
            None => return Ok(found),
            Some(separator) => (joined, rest) = (separator == '+', after),
        }
    }
}

/// A value, unescaped and without blanks around it, what ends it, and what follows.
fn value(text: &str) -> Result<(String, Option<char>, &str), &'static str> {
    let mut bytes = Vec::new();
    // Blanks after this many bytes are not of the value.
    let mut kept = 0;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => {
                let (_, escaped) = characters.next().ok_or("got corrupted escaped character")?;
                match escaped {
                    ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => {
                        bytes.push(escaped as u8);
                    }
                    first => {
                        let second = characters.next().map(|(_, c)| c);
                        let digits = first.to_digit(16).zip(second.and_then(|c| c.to_digit(16)));
                        let (high, low) = digits.ok_or("failed to decode escaped character")?;
                        bytes.extend(u8::try_from(high * 16 + low));
                    }
                }
                kept = bytes.len();
            }
            ',' | '+' | ';' => return Ok((finish(bytes, kept)?, Some(c), &text[at + 1..])),
            ' ' if bytes.is_empty() => {}
            c => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    Ok((finish(bytes, kept)?, None, ""))
}

fn finish(mut bytes: Vec<u8>, kept: usize) -> Result<String, &'static str> {
    bytes.truncate(kept);
    String::from_utf8(bytes).map_err(|_| "failed to decode escaped character")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_rfc_4514_writes_them() {
        let check = |text: &str, expected: &str| {
            let found = parse(text).map_or_else(|problem| problem, |parts| shown(&parts));
            assert_eq!(found, expected);
        };
        check(r"C = US,ST=W\2cA\  , O=\#x ", r##"map["C":"US" "O":"#x" "ST":"W,A "]"##);
        let problem = "failed with err: DN ended with incomplete type, value pair. A valid DN must \
                       contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum, \
                       and follow RFC 4514 standard";
        check("C=US,ST", &format!("parsing distinguished name (DN) \"C=US,ST\" {problem}"));
        assert!(parse("C=US,ST=#04").is_err());
    }
}
