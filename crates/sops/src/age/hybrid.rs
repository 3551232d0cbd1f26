//! The recipients that a quantum computer does not break: ML-KEM-768 and X25519 together, as the
//! HPKE drafts combine them, for age's label.

use ml_kem::kem::Decapsulate as _;
use ml_kem::{B32, KemCore as _, MlKem768};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha3::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use sha3::{Digest as _, Sha3_256, Shake256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::derive::{expand, extract};

pub(super) const STANZA: &str = "mlkem768x25519";
const LABEL: &[u8] = b"age-encryption.org/mlkem768x25519";
/// What the two shared secrets are bound with.
const COMBINER: &[u8] = br"\.//^\";
/// KEM, KDF and AEAD: this one, HKDF-SHA256, ChaCha20-Poly1305.
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x03";
const CIPHERTEXT_BYTES: usize = 1088;
const POINT_BYTES: usize = 32;

/// A key of this sort: what both halves are made from.
pub(super) struct Hybrid(Zeroizing<[u8; 32]>);

impl Hybrid {
    pub(super) fn new(seed: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(seed.try_into().ok()?)))
    }

    /// What a stanza wraps, if it is for this key.
    pub(super) fn unwrap(&self, encapsulated: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let secret = self.decapsulate(encapsulated)?;
        let id = labeled_extract(&[], b"psk_id_hash", &[]);
        let info = labeled_extract(&[], b"info_hash", LABEL);
        let context = [&[0], id.as_slice(), info.as_slice()].concat();
        let secret = labeled_extract(&*secret, b"secret", &[]);
        let key = labeled_expand(&secret, b"key", &context, 32);
        let nonce = labeled_expand(&secret, b"base_nonce", &context, 12);
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut text = Zeroizing::new(body.to_vec());
        let length = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// The secret that the other side put into `encapsulated`.
    fn decapsulate(&self, encapsulated: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        if encapsulated.len() != CIPHERTEXT_BYTES + POINT_BYTES {
            return None;
        }
        let mut stream = Shake256::default().chain(self.0.as_slice()).finalize_xof();
        let mut seed = Zeroizing::new([0; 96]);
        stream.read(&mut *seed);
        let part = |at: usize| B32::try_from(&seed[at..at + 32]).ok();
        let (key, _) = MlKem768::generate_deterministic(&part(0)?, &part(32)?);
        let (ciphertext, point) = encapsulated.split_at(CIPHERTEXT_BYTES);
        let shared = key.decapsulate(ciphertext.try_into().ok()?).ok()?;
        let curve: [u8; 32] = seed[64..].try_into().ok()?;
        let curve = StaticSecret::from(curve);
        let point: [u8; POINT_BYTES] = point.try_into().ok()?;
        let agreed = curve.diffie_hellman(&PublicKey::from(point));
        let mut hash = Sha3_256::new();
        for part in
            [&*shared, agreed.as_bytes(), &point, PublicKey::from(&curve).as_bytes(), COMBINER]
        {
            sha3::Digest::update(&mut hash, part);
        }
        Some(Zeroizing::new(hash.finalize().into()))
    }
}

fn labeled_extract(salt: &[u8], label: &[u8], input: &[u8]) -> Zeroizing<Vec<u8>> {
    extract(salt, &[b"HPKE-v1", SUITE, label, input].concat())
}

fn labeled_expand(secret: &[u8], label: &[u8], context: &[u8], length: u8) -> Zeroizing<Vec<u8>> {
    let info = [&[0, length], &b"HPKE-v1"[..], SUITE, label, context].concat();
    expand(secret, &info, length.into())
}
