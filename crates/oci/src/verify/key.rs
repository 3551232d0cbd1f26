//! Public keys as cosign writes and takes them.
//!
//! ECDSA on P-256, P-384 and P-521, RSA of 2048 to 8192 bits (PKCS #1 v1.5) and Ed25519, each in
//! PEM. The message is hashed with SHA-256 as the reference does; for the larger curves the curve's
//! own hash counts as well, because cosign signs with it. Not understood is Ed25519ph, which cosign
//! signs with from 2.5 on and does not verify itself: ring does not have it.

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A public key of a kind that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// A point, an Ed25519 key or an RSAPublicKey.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

/// How a signature is made of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RSA with the older padding.
    Pkcs1(Hash),
    /// RSA with the newer padding.
    Pss(Hash),
    /// Both numbers in DER.
    Ecdsa(Hash),
    /// Both numbers, each as long as the curve's.
    EcdsaFixed(Hash),
}

/// A hash function of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// A text that holds no public key of a kind that is understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not PEM.
    #[error("PEM decoding failed")]
    Pem,
    /// PEM of something else, such as a private key.
    #[error("unknown Public key PEM file type: {0}. Are you passing the correct public key?")]
    Label(String),
    /// Not a public key inside.
    #[error("x509: failed to parse public key: {0}")]
    Malformed(String),
    /// A key of another kind or size.
    #[error("unsupported public key type")]
    Unsupported,
}

impl PublicKey {
    /// Reads the first PEM block: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    pub fn from_pem(text: &[u8]) -> Result<Self, InvalidKey> {
        let block = pem::parse(text).map_err(|_| InvalidKey::Pem)?;
        match block.tag() {
            "PUBLIC KEY" => Self::from_spki(block.contents()),
            "RSA PUBLIC KEY" => Ok(Self { kind: Kind::Rsa, bytes: block.contents().into() }),
            other => Err(InvalidKey::Label(other.into())),
        }
    }

    /// Reads a DER SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self, InvalidKey> {
        let spki = SubjectPublicKeyInfoRef::from_der(der)
            .map_err(|error| InvalidKey::Malformed(error.to_string()))?;
        let curve = || spki.algorithm.parameters_oid().ok();
        let kind = match spki.algorithm.oid {
            RSA => Kind::Rsa,
            ED25519 => Kind::Ed25519,
            ELLIPTIC => match curve() {
                Some(P256) => Kind::P256,
                Some(P384) => Kind::P384,
                Some(P521) => Kind::P521,
                _ => return Err(InvalidKey::Unsupported),
            },
            _ => return Err(InvalidKey::Unsupported),
        };
        let bytes = spki.subject_public_key.as_bytes().ok_or(InvalidKey::Unsupported)?;
        Ok(Self { kind, bytes: bytes.into() })
    }

    /// Whether `signature` is one of `message` by this key, as cosign makes them.
    pub fn fits(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |scheme| self.fits_as(scheme, message, signature);
        match self.kind {
            Kind::P256 => by(Scheme::Ecdsa(Hash::Sha256)),
            Kind::P384 => by(Scheme::Ecdsa(Hash::Sha256)) || by(Scheme::Ecdsa(Hash::Sha384)),
            Kind::P521 => by(Scheme::Ecdsa(Hash::Sha256)) || by(Scheme::Ecdsa(Hash::Sha512)),
            Kind::Rsa => by(Scheme::Pkcs1(Hash::Sha256)),
            Kind::Ed25519 => {
                let key = UnparsedPublicKey::new(&signature::ED25519, &self.bytes);
                key.verify(message, signature).is_ok()
            }
        }
    }

    /// Whether `signature` is one of `message` by this key under a scheme.
    pub(super) fn fits_as(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        if self.kind == Kind::P521 {
            return self.fits_p521(scheme, message, signature).unwrap_or(false);
        }
        self.algorithm(scheme).is_some_and(|algorithm| {
            UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
        })
    }

    /// ring's name of a scheme, where it has one for this key.
    fn algorithm(&self, scheme: Scheme) -> Option<&'static dyn VerificationAlgorithm> {
        use Hash::{Sha256, Sha384, Sha512};
        Some(match (self.kind, scheme) {
            (Kind::P256, Scheme::Ecdsa(Sha256)) => &signature::ECDSA_P256_SHA256_ASN1,
            (Kind::P256, Scheme::Ecdsa(Sha384)) => &signature::ECDSA_P256_SHA384_ASN1,
            (Kind::P256, Scheme::EcdsaFixed(Sha256)) => &signature::ECDSA_P256_SHA256_FIXED,
            (Kind::P384, Scheme::Ecdsa(Sha256)) => &signature::ECDSA_P384_SHA256_ASN1,
            (Kind::P384, Scheme::Ecdsa(Sha384)) => &signature::ECDSA_P384_SHA384_ASN1,
            (Kind::P384, Scheme::EcdsaFixed(Sha384)) => &signature::ECDSA_P384_SHA384_FIXED,
            (Kind::Rsa, Scheme::Pkcs1(Sha256)) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, Scheme::Pkcs1(Sha384)) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, Scheme::Pkcs1(Sha512)) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Kind::Rsa, Scheme::Pss(Sha256)) => &signature::RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa, Scheme::Pss(Sha384)) => &signature::RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa, Scheme::Pss(Sha512)) => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }

    /// The curve that ring does not have.
    fn fits_p521(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Option<bool> {
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&self.bytes).ok()?;
        let (hash, signature) = match scheme {
            Scheme::Ecdsa(hash) => {
                let signature = p521::ecdsa::DerSignature::try_from(signature).ok()?;
                (hash, p521::ecdsa::Signature::try_from(signature).ok()?)
            }
            Scheme::EcdsaFixed(hash) => (hash, p521::ecdsa::Signature::from_slice(signature).ok()?),
            _ => return None,
        };
        let algorithm = match hash {
            Hash::Sha256 => &ring::digest::SHA256,
            Hash::Sha384 => &ring::digest::SHA384,
            Hash::Sha512 => &ring::digest::SHA512,
        };
        let hash = ring::digest::digest(algorithm, message);
        // A hash shorter than the field counts as the same number with zeros in front.
        let mut number = [0; 66];
        number[66 - hash.as_ref().len()..].copy_from_slice(hash.as_ref());
        Some(key.verify_prehash(&number, &signature).is_ok())
    }

    /// Family and size in bits; `None` for Ed25519.
    pub(super) fn bits(&self) -> Option<(&'static str, usize)> {
        match self.kind {
            Kind::P256 => Some(("EC", 256)),
            Kind::P384 => Some(("EC", 384)),
            Kind::P521 => Some(("EC", 521)),
            Kind::Rsa => Some(("RSA", modulus_bits(&self.bytes)?)),
            Kind::Ed25519 => None,
        }
    }
}

/// Bits of the modulus of an RSAPublicKey.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(der).ok()?;
    let modulus = reader.sequence(|parts| {
        let modulus = UintRef::decode(parts)?;
        UintRef::decode(parts)?;
        Ok(modulus)
    });
    let bytes = modulus.ok()?.as_bytes();
    let zeros = bytes.first()?.leading_zeros() as usize;
    Some(bytes.len() * 8 - zeros)
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn ed25519_signs_the_message_itself() -> Result<(), InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]);
        let pair = pair.map_err(|_| InvalidKey::Unsupported)?;
        // SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
        der.extend_from_slice(pair.public_key().as_ref());
        let key = PublicKey::from_spki(&der)?;
        let signature = pair.sign(b"message");
        assert!(key.fits(b"message", signature.as_ref()));
        assert!(!key.fits(b"massage", signature.as_ref()));
        Ok(())
    }
}
