//! HKDF with SHA-256, for one block at most.

use ring::hmac::{HMAC_SHA256, Key, sign};
use zeroize::Zeroizing;

pub(super) fn extract(salt: &[u8], input: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(sign(&Key::new(HMAC_SHA256, salt), input).as_ref().to_vec())
}

/// At most 32 bytes.
pub(super) fn expand(secret: &[u8], info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let block = [info, &[1]].concat();
    let mut out = Zeroizing::new(sign(&Key::new(HMAC_SHA256, secret), &block).as_ref().to_vec());
    out.truncate(length);
    out
}
