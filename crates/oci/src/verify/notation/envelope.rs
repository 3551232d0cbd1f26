//! Signature envelopes, whichever way they are written.

use jiff::Timestamp;

use super::super::Problem;
use super::{cose, jws};

/// The scheme whose certificates are a company's own.
pub(super) const SCHEME_X509: &str = "notary.x509";
/// The scheme whose signer vouches for the time.
pub(super) const SCHEME_AUTHORITY: &str = "notary.x509.signingAuthority";

pub(super) const HEADER_SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const HEADER_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const HEADER_AUTHENTIC_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const HEADER_EXPIRY: &str = "io.cncf.notary.expiry";
pub(super) const HEADER_TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
const HEADER_PLUGIN: &str = "io.cncf.notary.verificationPlugin";

/// Certificates of one envelope.
const CERTIFICATES_MAX: usize = 20;

/// Who vouches for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    X509,
    SigningAuthority,
}

/// How an envelope is written, which is also how its failures are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Jws,
    Cose,
}

/// What an envelope says, none of it verified.
pub(super) struct Envelope {
    pub(super) form: Form,
    /// The bytes that the signature is of.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// As JOSE calls it.
    pub(super) algorithm: &'static str,
    pub(super) content_type: String,
    pub(super) payload: Vec<u8>,
    /// In DER, from the signer's to the root.
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) headers: Headers,
    /// Whether it carries the word of a timestamp authority.
    pub(super) is_timestamped: bool,
}

/// The protected headers that mean something.
pub(super) struct Headers {
    pub(super) scheme: Scheme,
    pub(super) signed_at: Timestamp,
    pub(super) expiry: Option<Timestamp>,
    /// Whether a program of the signer's has to be asked, which nobody is.
    pub(super) needs_plugin: bool,
}

/// What a form's parser found under the names above.
#[derive(Default)]
pub(super) struct Found {
    pub(super) scheme: String,
    pub(super) time: Option<Timestamp>,
    pub(super) authentic_time: Option<Timestamp>,
    pub(super) expiry: Option<Timestamp>,
    /// Names that have to be understood.
    pub(super) critical: Vec<String>,
    /// Names beyond those above.
    pub(super) others: Vec<String>,
}

impl Envelope {
    /// Reads an envelope of a media type.
    pub(super) fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let parsed = match media_type {
            jws::MEDIA_TYPE => jws::parse(bytes),
            cose::MEDIA_TYPE => cose::parse(bytes),
            other => {
                let shown = artifact::text::quoted(other);
                Err(format!("signature envelope format with media type {shown} is not supported"))
            }
        };
        let parsed = parsed.map_err(|problem| {
            Problem::Malformed(format!("unable to parse the digital signature, error : {problem}"))
        })?;
        if parsed.certificates.is_empty() || parsed.certificates.len() > CERTIFICATES_MAX {
            return Err(Problem::Malformed("certificate chain is not present".into()));
        }
        Ok(parsed)
    }
}

impl Found {
    /// The headers, if they are those of a scheme, and all that has to be understood is.
    pub(super) fn check(self) -> Result<Headers, String> {
        let (scheme, signed_at) = match self.scheme.as_str() {
            SCHEME_X509 if self.authentic_time.is_none() => (Scheme::X509, self.time),
            SCHEME_AUTHORITY if self.time.is_none() => {
                (Scheme::SigningAuthority, self.authentic_time)
            }
            SCHEME_X509 | SCHEME_AUTHORITY => {
                return Err(format!("signing time of another scheme than {}", self.scheme));
            }
            other => return Err(format!("unsupported SigningScheme: `{other}`")),
        };
        let signed_at = signed_at.ok_or("signing-time not present")?;
        if self.expiry.is_some_and(|expiry| expiry <= signed_at) {
            return Err("expiry cannot be equal or before the signing time".into());
        }
        let mut required = vec![HEADER_SCHEME];
        required.extend(self.expiry.map(|_| HEADER_EXPIRY));
        required.extend((scheme == Scheme::SigningAuthority).then_some(HEADER_AUTHENTIC_TIME));
        let is_critical = |name: &&str| self.critical.iter().any(|found| found == name);
        if let Some(missing) = required.iter().find(|name| !is_critical(name)) {
            return Err(format!("these required headers are not marked as critical: [{missing}]"));
        }
        let needs_plugin = self.others.iter().any(|name| name == HEADER_PLUGIN);
        let is_unknown =
            |name: &&String| !required.contains(&name.as_str()) && !name.starts_with(HEADER_PLUGIN);
        match self.critical.iter().find(is_unknown) {
            Some(unknown) => Err(format!("critical header {unknown} is not understood")),
            None => Ok(Headers { scheme, signed_at, expiry: self.expiry, needs_plugin }),
        }
    }
}
