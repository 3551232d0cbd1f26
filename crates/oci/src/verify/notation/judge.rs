//! Whether an envelope is what a statement demands. Each check either fails the signature, or is
//! only told, as the statement's level has it.

use jiff::Timestamp;
use serde::Deserialize;

use super::super::Problem;
use super::certificate::Certificate;
use super::chain;
use super::envelope::{Envelope, Form, Scheme};
use super::names;
use super::policy::{Action, Check, Statement};

const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

/// The image that a signature has to be of.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

/// What a good signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is by whom the statement trusts.
    Verified,
    /// It is by somebody else, which the statement lets pass.
    Ignored,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

pub(super) fn judge(
    envelope: &Envelope,
    statement: &Statement,
    trusted: &[Vec<u8>],
    target: &Target,
    now: Timestamp,
) -> Result<Verdict, Problem> {
    let refused = Problem::Refused;
    let chain = check_integrity(envelope).map_err(refused)?;
    if envelope.headers.needs_plugin {
        return Err(refused("plugin unsupported due to nil verifier.pluginManager".into()));
    }
    let mut verdict = Verdict::Verified;
    let authentic = check_authenticity(envelope, statement, trusted, &chain);
    if let Err(problem) = authentic {
        enforce(statement, Check::Authenticity, problem)?;
        verdict = Verdict::Ignored;
    }
    for (check, result) in [
        (Check::Expiry, check_expiry(envelope, now)),
        (Check::AuthenticTimestamp, check_time(envelope, statement, &chain, now)),
        (Check::Revocation, check_revocation(&chain)),
    ] {
        result.or_else(|problem| enforce(statement, check, problem))?;
    }
    let payload: Payload = serde_json::from_slice(&envelope.payload)
        .map_err(|error| Problem::Malformed(format!("payload: {error}")))?;
    let found = payload.target_artifact;
    let same = found.digest == target.digest
        && found.size == target.size
        && found.media_type == target.media_type;
    if same { Ok(verdict) } else { Err(refused("content descriptor mismatch".into())) }
}

/// Fails if the statement enforces the check, and lets pass if it does not.
fn enforce(statement: &Statement, check: Check, problem: String) -> Result<(), Problem> {
    match statement.action(check) {
        Action::Enforce => Err(Problem::Refused(problem)),
        Action::Log | Action::Skip => Ok(()),
    }
}

/// The signature is of these bytes and by the key of the first certificate of a good chain.
fn check_integrity(envelope: &Envelope) -> Result<Vec<Certificate>, String> {
    let leaf = envelope.certificates.first().ok_or("certificate chain is not present")?;
    let leaf = Certificate::parse(leaf).map_err(|_| "malformed leaf certificate".to_owned())?;
    let (algorithm, scheme) = leaf.algorithm()?;
    let broken = |detail: &str| format!("signature is invalid. Error: {detail}");
    if algorithm != envelope.algorithm {
        return Err(broken("algorithm mismatch"));
    }
    if !leaf.key()?.fits_as(scheme, &envelope.signed, &envelope.signature) {
        return Err(broken(match (envelope.form, &algorithm[..2]) {
            (Form::Cose, _) => "verification error",
            (Form::Jws, "ES") => "crypto/ecdsa: verification error",
            (Form::Jws, _) => "crypto/rsa: verification error",
        }));
    }
    let chain = chain::parse(&envelope.certificates)?;
    if envelope.content_type != PAYLOAD_TYPE {
        let found = artifact::text::quoted(&envelope.content_type);
        return Err(format!("payload content type {found} not supported"));
    }
    Ok(chain)
}

/// A certificate of the chain is trusted, and the first one has a trusted name.
fn check_authenticity(
    envelope: &Envelope,
    statement: &Statement,
    trusted: &[Vec<u8>],
    chain: &[Certificate],
) -> Result<(), String> {
    let store = match envelope.headers.scheme {
        Scheme::X509 => "ca",
        Scheme::SigningAuthority => "signingAuthority",
    };
    if trusted.is_empty() || !statement.stores.iter().any(|kind| kind == store) {
        return Err("no trusted certificates are found to verify authenticity".into());
    }
    if !envelope.certificates.iter().any(|certificate| trusted.contains(certificate)) {
        let text = "the signature's certificate chain does not contain any trusted certificate";
        return Err(text.into());
    }
    let Some(identities) = &statement.identities else { return Ok(()) };
    let policy = artifact::text::quoted(&statement.name);
    if identities.is_empty() {
        return Err(format!(
            "no x509 trusted identities are configured in the trust policy {policy}"
        ));
    }
    let signer = chain.first().ok_or("certificate chain is not present")?;
    let found = names::of_certificate(signer.subject()).map_err(|problem| {
        let problem = artifact::text::quoted(&problem);
        format!(
            "error while parsing the certificate subject from the digital signature. \
             error : {problem}"
        )
    })?;
    if identities.iter().any(|identity| names::is_part_of(identity, &found)) {
        return Ok(());
    }
    let shown: Vec<_> = identities.iter().map(names::shown).collect();
    Err(format!(
        "signing certificate from the digital signature does not match the X.509 trusted \
         identities [{}] defined in the trust policy {policy}",
        shown.join(" ")
    ))
}

fn check_expiry(envelope: &Envelope, now: Timestamp) -> Result<(), String> {
    match envelope.headers.expiry.filter(|expiry| *expiry <= now) {
        Some(expiry) => Err(format!("digital signature has expired on \"{}\"", shown(expiry))),
        None => Ok(()),
    }
}

/// The certificates are valid: now, or when a signing authority says that it signed.
fn check_time(
    envelope: &Envelope,
    statement: &Statement,
    chain: &[Certificate],
    now: Timestamp,
) -> Result<(), String> {
    if envelope.headers.scheme == Scheme::SigningAuthority {
        let signed_at = envelope.headers.signed_at;
        for certificate in chain {
            let (from, to) = certificate.validity();
            if signed_at < from || signed_at > to {
                return Err(format!(
                    "certificate {} was not valid when the digital signature was produced at \
                     \"{}\"",
                    certificate.shown(),
                    shown(signed_at)
                ));
            }
        }
        return Ok(());
    }
    let has_ended = |certificate: &Certificate| now > certificate.validity().1;
    let is_due = !statement.timestamp_after_expiry || chain.iter().any(has_ended);
    if is_due && statement.stores.iter().any(|kind| kind == "tsa") {
        let text = if envelope.is_timestamped {
            "timestamp countersignatures are not supported by this version of Sluice"
        } else {
            "no timestamp countersignature was found in the signature envelope"
        };
        return Err(text.into());
    }
    for certificate in chain {
        let (from, to) = certificate.validity();
        let subject = certificate.shown();
        if now < from {
            return Err(format!(
                "verification time is before certificate {subject} validity period, \
                 it will be valid from \"{}\"",
                shown(from)
            ));
        }
        if now > to {
            return Err(format!(
                "verification time is after certificate {subject} validity period, \
                 it was expired at \"{}\"",
                shown(to)
            ));
        }
    }
    Ok(())
}

/// No certificate names a place that would have to be asked, because nobody is.
fn check_revocation(chain: &[Certificate]) -> Result<(), String> {
    let below_root = chain.split_last().map_or(&[][..], |(_, below)| below);
    match below_root.iter().find(|certificate| certificate.is_revocable()) {
        Some(certificate) => Err(format!(
            "signing certificate with subject {} revocation status is unknown",
            certificate.shown()
        )),
        None => Ok(()),
    }
}

fn shown(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
