//! One certificate of an envelope, and what it may be used for.

use jiff::Timestamp;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::der::{Decode, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
};
use x509_cert::name::Name;

use super::super::key::{Hash, PublicKey, Scheme};

const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// Uses that a signer's certificate must not have, and their names.
const EXCLUDED: [(&str, &str); 5] = [
    ("1.3.6.1.5.5.7.3.1", "ServerAuth"),
    ("1.3.6.1.5.5.7.3.2", "ClientAuth"),
    ("1.3.6.1.5.5.7.3.4", "EmailProtection"),
    ("1.3.6.1.5.5.7.3.8", "Timestamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
];

/// Signatures of certificates, by their object identifiers.
const SIGNATURES: [(&str, Scheme); 6] = [
    ("1.2.840.113549.1.1.11", Scheme::Pkcs1(Hash::Sha256)),
    ("1.2.840.113549.1.1.12", Scheme::Pkcs1(Hash::Sha384)),
    ("1.2.840.113549.1.1.13", Scheme::Pkcs1(Hash::Sha512)),
    ("1.2.840.10045.4.3.2", Scheme::Ecdsa(Hash::Sha256)),
    ("1.2.840.10045.4.3.3", Scheme::Ecdsa(Hash::Sha384)),
    ("1.2.840.10045.4.3.4", Scheme::Ecdsa(Hash::Sha512)),
];

/// A certificate that could be read.
pub(super) struct Certificate {
    parsed: x509_cert::Certificate,
    /// The bytes that its signature is of.
    signed: Vec<u8>,
    key: Result<PublicKey, String>,
}

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Result<Self, String> {
        let text = |error: x509_cert::der::Error| format!("malformed certificate: {error}");
        let parsed = x509_cert::Certificate::from_der(der).map_err(text)?;
        let signed = signed_part(der).map_err(text)?;
        let spki = parsed.tbs_certificate.subject_public_key_info.to_der().map_err(text)?;
        let key = PublicKey::from_spki(&spki).map_err(|error| error.to_string());
        Ok(Self { parsed, signed, key })
    }

    pub(super) fn subject(&self) -> &Name {
        &self.parsed.tbs_certificate.subject
    }

    /// The subject in quotes.
    pub(super) fn shown(&self) -> String {
        artifact::text::quoted(&self.subject().to_string())
    }

    pub(super) fn key(&self) -> Result<&PublicKey, String> {
        self.key.as_ref().map_err(Clone::clone)
    }

    /// From when to when it is valid.
    pub(super) fn validity(&self) -> (Timestamp, Timestamp) {
        let validity = &self.parsed.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
            Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
        };
        (time(validity.not_before), time(validity.not_after))
    }

    /// Whether its subject issued it, and its own key signed it.
    pub(super) fn is_issued_by(&self, parent: &Self) -> Result<bool, String> {
        parent.may_sign()?;
        self.is_signed_by(parent)?;
        let tbs = &self.parsed.tbs_certificate;
        Ok(parent.subject().to_der().ok() == tbs.issuer.to_der().ok())
    }

    pub(super) fn is_self_issued(&self) -> bool {
        let tbs = &self.parsed.tbs_certificate;
        tbs.subject == tbs.issuer
    }

    pub(super) fn is_signed_by(&self, parent: &Self) -> Result<(), String> {
        let oid = self.parsed.signature_algorithm.oid.to_string();
        let scheme = SIGNATURES.iter().find(|(known, _)| *known == oid);
        let (_, scheme) =
            *scheme.ok_or("x509: cannot verify signature: algorithm unimplemented")?;
        let signature = self.parsed.signature.as_bytes().unwrap_or_default();
        if parent.key()?.fits_as(scheme, &self.signed, signature) {
            return Ok(());
        }
        Err(match scheme {
            Scheme::Ecdsa(_) => "x509: ECDSA verification failure".into(),
            _ => "crypto/rsa: verification error".into(),
        })
    }

    fn may_sign(&self) -> Result<(), String> {
        let signs = self.key_usage().is_none_or(|(usage, _)| usage.key_cert_sign());
        if self.is_authority() && signs {
            return Ok(());
        }
        Err("x509: invalid signature: parent certificate cannot sign this kind of certificate"
            .into())
    }

    fn extension<T: for<'a> Decode<'a>>(&self, oid: ObjectIdentifier) -> Option<(T, bool)> {
        let extensions = self.parsed.tbs_certificate.extensions.iter().flatten();
        let found = extensions.into_iter().find(|extension| extension.extn_id == oid)?;
        Some((T::from_der(found.extn_value.as_bytes()).ok()?, found.critical))
    }

    fn key_usage(&self) -> Option<(KeyUsage, bool)> {
        self.extension(KeyUsage::OID)
    }

    fn is_authority(&self) -> bool {
        self.extension::<BasicConstraints>(BasicConstraints::OID).is_some_and(|(found, _)| found.ca)
    }

    /// Whether it names a place to ask whether it was revoked.
    pub(super) fn is_revocable(&self) -> bool {
        let lists = self.extension::<CrlDistributionPoints>(CrlDistributionPoints::OID);
        let access = self.extension::<AuthorityInfoAccessSyntax>(AuthorityInfoAccessSyntax::OID);
        let asks = |(access, _): (AuthorityInfoAccessSyntax, bool)| {
            access.0.iter().any(|one| one.access_method == OCSP)
        };
        lists.is_some() || access.is_some_and(asks)
    }

    /// Refuses what may not issue signers' certificates with `below` authorities between.
    pub(super) fn check_authority(&self, below: usize) -> Result<(), String> {
        let subject = self.shown();
        let constraints = self.extension::<BasicConstraints>(BasicConstraints::OID);
        let Some((constraints, _)) = constraints.filter(|(found, _)| found.ca) else {
            return Err(format!(
                "certificate with subject {subject}: ca field in basic constraints must be \
                 present, critical, and set to true"
            ));
        };
        if let Some(allowed) = constraints.path_len_constraint.filter(|n| usize::from(*n) < below) {
            return Err(format!(
                "certificate with subject {subject}: expected path length of {below} \
                 but certificate has path length {allowed} instead"
            ));
        }
        if self.critical_key_usage()?.key_cert_sign() {
            return Ok(());
        }
        Err(format!(
            "certificate with subject {subject}: key usage must have the bit positions for key \
             cert sign set"
        ))
    }

    fn critical_key_usage(&self) -> Result<KeyUsage, String> {
        let must = |what: &str| {
            format!("certificate with subject {}: key usage extension must be {what}", self.shown())
        };
        match self.key_usage() {
            None => Err(must("present")),
            Some((_, false)) => Err(must("marked critical")),
            Some((usage, true)) => Ok(usage),
        }
    }

    /// Refuses what is no signer's certificate.
    pub(super) fn check_signer(&self) -> Result<(), String> {
        let subject = self.shown();
        if self.is_authority() {
            return Err(format!(
                "certificate with subject {subject}: if the basic constraints extension is \
                 present, the ca field must be set to false"
            ));
        }
        let usage = self.critical_key_usage()?;
        let invalid = |problem: String| {
            format!(
                "the certificate with subject {subject} is invalid. The key usage must {problem}"
            )
        };
        if !usage.digital_signature() {
            return Err(invalid("have the bit positions for \"Digital Signature\" set".into()));
        }
        let others: Vec<_> = [
            (usage.key_encipherment(), "\"KeyEncipherment\""),
            (usage.data_encipherment(), "\"DataEncipherment\""),
            (usage.key_agreement(), "\"KeyAgreement\""),
            (usage.key_cert_sign(), "\"CertSign\""),
            (usage.crl_sign(), "\"CRLSign\""),
            (usage.encipher_only(), "\"EncipherOnly\""),
            (usage.decipher_only(), "\"DecipherOnly\""),
        ]
        .into_iter()
        .filter_map(|(is_set, name)| is_set.then_some(name))
        .collect();
        if !others.is_empty() {
            let others = others.join(", ");
            return Err(invalid(format!("be \"Digital Signature\" only, but found {others}")));
        }
        let uses = self.extension::<ExtendedKeyUsage>(ExtendedKeyUsage::OID);
        for oid in uses.into_iter().flat_map(|(uses, _)| uses.0) {
            let excluded = EXCLUDED.iter().find(|(known, _)| *known == oid.to_string());
            if let Some((_, name)) = excluded {
                return Err(format!(
                    "certificate with subject {subject}: \
                     extended key usage must not contain {name} eku"
                ));
            }
        }
        self.algorithm().map(drop)
    }

    /// The algorithm that the certificate's key signs with, as JOSE calls it, and how it is checked.
    pub(super) fn algorithm(&self) -> Result<(&'static str, Scheme), String> {
        let unsupported =
            |what: &str| format!("certificate with subject {}: {what} not supported", self.shown());
        let key = self.key().map_err(|_| unsupported("key type"))?;
        match key.bits() {
            Some(("EC", 256)) => Ok(("ES256", Scheme::EcdsaFixed(Hash::Sha256))),
            Some(("EC", 384)) => Ok(("ES384", Scheme::EcdsaFixed(Hash::Sha384))),
            Some(("EC", 521)) => Ok(("ES512", Scheme::EcdsaFixed(Hash::Sha512))),
            Some(("RSA", 2048)) => Ok(("PS256", Scheme::Pss(Hash::Sha256))),
            Some(("RSA", 3072)) => Ok(("PS384", Scheme::Pss(Hash::Sha384))),
            Some(("RSA", 4096)) => Ok(("PS512", Scheme::Pss(Hash::Sha512))),
            Some((kind, bits)) => Err(unsupported(&format!("{kind}: key size {bits}"))),
            None => Err(unsupported("key type")),
        }
    }
}

/// The bytes of the first part of a certificate, as they were signed.
fn signed_part(der: &[u8]) -> Result<Vec<u8>, x509_cert::der::Error> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|parts| {
        let signed = parts.tlv_bytes()?.to_vec();
        // What follows was read with the certificate.
        while !parts.is_finished() {
            parts.tlv_bytes()?;
        }
        Ok(signed)
    })
}
