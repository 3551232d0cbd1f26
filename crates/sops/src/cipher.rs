//! One encrypted value: AES-256-GCM with a nonce of 32 bytes, bound to its path.

use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aead::{self, Aead, KeyInit, Payload};
use aes_gcm::{AesGcm, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::keys::DataKey;

const BEGIN: &str = "ENC[AES256_GCM,data:";
const MISMATCH: &str =
    "Could not decrypt value: Input string <redacted> does not match sops' data format";
const REFUSED: &str = "Could not decrypt value: Could not decrypt with AES_GCM: cipher: message authentication failed";

/// What a value was before it was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Time,
    Comment,
}

/// A value in plain.
pub(crate) struct Plain {
    pub(crate) text: Zeroizing<String>,
    pub(crate) kind: Kind,
}

/// Whether a text looks like an encrypted value.
pub(crate) fn is_encrypted(text: &str) -> bool {
    text.starts_with(BEGIN) && text.ends_with(']')
}

/// Opens a value that is text and stands under `path`, whose parts end with a colon each.
pub(crate) fn open(text: &str, key: &DataKey, path: &str) -> Result<Plain, String> {
    let (bytes, kind) = open_bytes(text, key, path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "Could not decrypt value: it is no text")?;
    Ok(Plain { text: Zeroizing::new(text.to_owned()), kind })
}

/// Opens a value that may be anything.
pub(crate) fn open_bytes(
    text: &str,
    key: &DataKey,
    path: &str,
) -> Result<(Zeroizing<Vec<u8>>, Kind), String> {
    if text.is_empty() {
        return Ok((Zeroizing::default(), Kind::Text));
    }
    let (data, nonce, kind) = parse(text).ok_or_else(|| MISMATCH.to_owned())?;
    let payload = Payload { msg: &data, aad: path.as_bytes() };
    let opened = match nonce.len() {
        32 => unseal::<AesGcm<Aes256, U32>>(key, &nonce, payload),
        16 => unseal::<AesGcm<Aes256, U16>>(key, &nonce, payload),
        12 => unseal::<AesGcm<Aes256, U12>>(key, &nonce, payload),
        _ => None,
    };
    Ok((opened.ok_or_else(|| REFUSED.to_owned())?, kind))
}

fn unseal<C: Aead + KeyInit>(
    key: &DataKey,
    nonce: &[u8],
    payload: Payload<'_, '_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: aead::Nonce<C> = nonce.iter().copied().collect();
    let cipher = C::new_from_slice(key.bytes()).ok()?;
    cipher.decrypt(&nonce, payload).ok().map(Zeroizing::new)
}

/// Ciphertext with its tag, nonce, and kind.
fn parse(text: &str) -> Option<(Vec<u8>, Vec<u8>, Kind)> {
    let rest = text.strip_prefix(BEGIN)?.strip_suffix(']')?;
    let (data, rest) = rest.split_once(",iv:")?;
    let (nonce, rest) = rest.split_once(",tag:")?;
    let (tag, kind) = rest.split_once(",type:")?;
    let mut bytes = STANDARD.decode(data).ok()?;
    bytes.extend(STANDARD.decode(tag).ok()?);
    let kind = match kind {
        "str" | "bytes" => Kind::Text,
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "time" => Kind::Time,
        "comment" => Kind::Comment,
        _ => return None,
    };
    Some((bytes, STANDARD.decode(nonce).ok()?, kind))
}
