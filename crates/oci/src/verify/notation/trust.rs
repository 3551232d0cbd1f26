//! Whom a statement trusts: its stores and its identities.

use artifact::text::quoted;

use super::names::{self, Parts};
use super::scope::WILDCARD;

const SUBJECT: &str = "x509.subject";
const STORE_TYPES: [&str; 3] = ["ca", "signingAuthority", "tsa"];

/// Refuses stores that are none. Where they are does not matter: a source has one secret.
pub(super) fn check_stores(stores: &[String]) -> Result<(), String> {
    for store in stores {
        let shown = quoted(store);
        let Some((kind, name)) = store.split_once(':') else {
            return Err(format!(
                "has malformed trust store value {shown}. \
                 The required format is <TrustStoreType>:<TrustStoreName>"
            ));
        };
        if !STORE_TYPES.contains(&kind) {
            let kind = quoted(kind);
            return Err(format!(
                "uses an unsupported trust store type {kind} in trust store value {shown}"
            ));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "uses an unsupported trust store name {} in trust store value {shown}. \
                 Named store name needs to follow [a-zA-Z0-9_.-]+ format",
                quoted(name)
            ));
        }
    }
    Ok(())
}

/// The names that are trusted; `None` is everybody. Identities of other types count for nothing.
pub(super) fn parse_identities(identities: &[String]) -> Result<Option<Vec<Parts>>, String> {
    if identities.iter().any(|identity| identity == WILDCARD) {
        return match identities.len() {
            1 => Ok(None),
            _ => {
                Err("uses a wildcard trusted identity '*', a wildcard identity cannot be used in \
                      conjunction with other values"
                    .into())
            }
        };
    }
    let mut found: Vec<(&str, Parts)> = Vec::new();
    for identity in identities {
        let shown = quoted(identity);
        if identity.is_empty() {
            return Err("has an empty trusted identity".into());
        }
        let Some((kind, value)) = identity.split_once(':') else {
            return Err(format!("has trusted identity {shown} missing separator"));
        };
        if kind != SUBJECT {
            continue;
        }
        if value.is_empty() {
            return Err(format!("has trusted identity {shown} without an identity value"));
        }
        let parts = names::parse(value).map_err(|problem| {
            format!("has trusted identity {shown} with invalid identity value: {problem}")
        })?;
        found.push((identity, parts));
    }
    for (at, (first, parts)) in found.iter().enumerate() {
        let other = |(other, (_, others)): &(usize, &(&str, Parts))| {
            *other != at && names::is_part_of(parts, others)
        };
        if let Some((_, (second, _))) = found.iter().enumerate().find(other) {
            let (first, second) = (quoted(first), quoted(second));
            return Err(format!(
                "has overlapping x509 trustedIdentities, {first} overlaps with {second}"
            ));
        }
    }
    Ok(Some(found.into_iter().map(|(_, parts)| parts).collect()))
}
