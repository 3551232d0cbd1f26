//! age: identities, and what they unwrap. X25519 and the hybrid with ML-KEM; no SSH keys
//! (decisions.md, age).

mod bech32;
mod derive;
mod hybrid;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use derive::{expand, extract};
use hybrid::Hybrid;

const VERSION: &str = "age-encryption.org/v1";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";
/// A file key, and what wraps it.
const FILE_KEY_BYTES: usize = 16;
const WRAPPED_BYTES: usize = FILE_KEY_BYTES + 16;
const NONCE_BYTES: usize = 16;
/// A wrapped data key is small; recipients in a file are few.
const FILE_BYTES_MAX: usize = 1 << 20;
const STANZAS_MAX: usize = 1000;
/// The last chunk of a payload, which is the only one of a data key.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

const UNMATCHED: &str = "failed to create reader for decrypting sops data key with age: identity \
                         did not match any of the recipients: incorrect identity for recipient \
                         block";
/// What the reference says when it has no identity; it names where it looks besides.
const NONE: &str = "failed to load age identities. Did not find keys in locations \
                    'SOPS_AGE_SSH_PRIVATE_KEY_FILE', 'SOPS_AGE_SSH_PRIVATE_KEY_CMD', \
                    '$HOME/.ssh/id_ed25519', '$HOME/.ssh/id_rsa', 'SOPS_AGE_KEY', \
                    'SOPS_AGE_KEY_FILE', 'SOPS_AGE_KEY_CMD', and \
                    '$HOME/.config/sops/age/keys.txt'.";

/// Identities, tried in turn.
#[derive(Default)]
pub struct Identities(Vec<Identity>);

enum Identity {
    X25519(StaticSecret),
    Hybrid(Hybrid),
}

impl Identities {
    /// Adds the identities of a file: one a line, comments and empty lines aside. What is wrong with
    /// one shows nothing of it.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.0.push(Identity::parse(line)?);
        }
        Ok(())
    }

    /// What a file holds, if it is for one of the identities.
    pub fn unwrap(&self, armored: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        if self.0.is_empty() {
            return Err(NONE.into());
        }
        let malformed = |what: &str| {
            format!("failed to create reader for decrypting sops data key with age: {what}")
        };
        let bytes = dearmor(armored).ok_or_else(|| malformed("failed to read header"))?;
        let file = File::parse(&bytes).ok_or_else(|| malformed("failed to read header"))?;
        let mut keys = self
            .0
            .iter()
            .flat_map(|identity| file.stanzas.iter().filter_map(|stanza| identity.unwrap(stanza)));
        let key = keys.next().ok_or(UNMATCHED)?;
        if !file.is_authentic(&key) {
            return Err(malformed("bad header MAC"));
        }
        file.open(&key).ok_or_else(|| malformed("failed to decrypt and authenticate payload chunk"))
    }
}

impl Identity {
    fn parse(text: &str) -> Result<Self, String> {
        let malformed = |what: String| format!("malformed secret key: {what}");
        if !text.starts_with("AGE-SECRET-KEY-1") && !text.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err("unknown identity type".into());
        }
        let (prefix, bytes) = bech32::decode(text).map_err(malformed)?;
        let wrong = || malformed("invalid secret key size".into());
        match prefix {
            "AGE-SECRET-KEY-" => {
                let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| wrong())?;
                let bytes = Zeroizing::new(bytes);
                Ok(Self::X25519(StaticSecret::from(*bytes)))
            }
            _ => Hybrid::new(&bytes).map(Self::Hybrid).ok_or_else(wrong),
        }
    }

    /// The file key of a stanza that is for this identity.
    fn unwrap(&self, stanza: &Stanza<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if stanza.body.len() != WRAPPED_BYTES {
            return None;
        }
        let [argument] = stanza.arguments.as_slice() else { return None };
        let argument = STANDARD_NO_PAD.decode(argument).ok()?;
        match self {
            Self::X25519(secret) if stanza.kind == "X25519" => {
                let share: [u8; 32] = argument.as_slice().try_into().ok()?;
                let agreed = secret.diffie_hellman(&PublicKey::from(share));
                if !agreed.was_contributory() {
                    return None;
                }
                let salt = [&share[..], PublicKey::from(secret).as_bytes()].concat();
                let key = expand(&extract(&salt, agreed.as_bytes()), X25519_INFO, 32);
                open(&key, [0; 12], &stanza.body)
            }
            Self::Hybrid(hybrid) if stanza.kind == hybrid::STANZA => {
                hybrid.unwrap(&argument, &stanza.body)
            }
            _ => None,
        }
    }
}

fn open(key: &[u8], nonce: [u8; 12], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let mut text = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

fn dearmor(text: &str) -> Option<Vec<u8>> {
    if text.len() > FILE_BYTES_MAX {
        return None;
    }
    let body = text.trim().strip_prefix(ARMOR_BEGIN)?.strip_suffix(ARMOR_END)?;
    let body: String = body.lines().map(str::trim).collect();
    STANDARD.decode(body).ok()
}

/// One recipient's copy of the file key.
struct Stanza<'a> {
    kind: &'a str,
    arguments: Vec<&'a str>,
    body: Vec<u8>,
}

/// An encrypted file.
struct File<'a> {
    stanzas: Vec<Stanza<'a>>,
    /// What the code covers.
    header: &'a [u8],
    code: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> File<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        let mut line = || {
            let rest = &bytes[at..];
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            at += end + 1;
            Some((at - end - 1, at, std::str::from_utf8(&rest[..end]).ok()?))
        };
        if line()?.2 != VERSION {
            return None;
        }
        let mut stanzas: Vec<Stanza<'a>> = Vec::new();
        loop {
            let (begin, end, text) = line()?;
            if let Some(code) = text.strip_prefix("--- ") {
                let code = STANDARD_NO_PAD.decode(code).ok()?;
                let header = &bytes[..begin + 3];
                return Some(Self { stanzas, header, code, payload: &bytes[end..] });
            }
            let mut words = text.strip_prefix("-> ")?.split(' ');
            let kind = words.next()?;
            let mut body = String::new();
            loop {
                let (_, _, part) = line()?;
                body.push_str(part);
                if part.len() < 64 {
                    break;
                }
            }
            let body = STANDARD_NO_PAD.decode(body).ok()?;
            stanzas.push(Stanza { kind, arguments: words.collect(), body });
            if stanzas.len() > STANZAS_MAX {
                return None;
            }
        }
    }

    fn is_authentic(&self, file_key: &[u8]) -> bool {
        let key = expand(&extract(&[], file_key), b"header", 32);
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), self.header, &self.code).is_ok()
    }

    fn open(&self, file_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, chunk) = self.payload.split_at_checked(NONCE_BYTES)?;
        let key = expand(&extract(nonce, file_key), b"payload", 32);
        open(&key, LAST_CHUNK, chunk)
    }
}
