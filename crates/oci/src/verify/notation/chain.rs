//! The certificates of an envelope, from the signer's to the root (the rules of Notary Project's
//! signature specification, certificate requirements).

use super::certificate::Certificate;

/// Reads a chain and refuses what is none.
pub(super) fn parse(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, String> {
    let chain: Vec<_> = ders.iter().map(|der| Certificate::parse(der)).collect::<Result<_, _>>()?;
    check(&chain).map_err(|problem| format!("certificate-chain is invalid, {problem}"))?;
    Ok(chain)
}

fn check(chain: &[Certificate]) -> Result<(), String> {
    if let [alone] = chain {
        return check_alone(alone);
    }
    for (at, certificate) in chain.iter().enumerate() {
        let subject = certificate.shown();
        match chain.get(at + 1) {
            None => {
                let must = "Certificate chain must end with a valid self-signed root certificate";
                match certificate.is_issued_by(certificate) {
                    Ok(true) => {}
                    Ok(false) => {
                        return Err(format!(
                            "root certificate with subject {subject} is not self-signed. {must}"
                        ));
                    }
                    Err(problem) => {
                        return Err(format!(
                            "root certificate with subject {subject} is invalid or not \
                             self-signed. {must}. Error: {problem}"
                        ));
                    }
                }
            }
            Some(parent) => check_link(at, certificate, parent)?,
        }
        match at {
            0 => certificate.check_signer()?,
            _ => certificate.check_authority(at - 1)?,
        }
    }
    Ok(())
}

fn check_link(at: usize, certificate: &Certificate, parent: &Certificate) -> Result<(), String> {
    let subject = certificate.shown();
    if certificate.is_issued_by(certificate) == Ok(true) {
        let kind = if at == 0 { "leaf" } else { "intermediate" };
        return Err(format!(
            "{kind} certificate with subject {subject} is self-signed. \
             Certificate chain must not contain self-signed {kind} certificate"
        ));
    }
    let issuer = parent.shown();
    match certificate.is_issued_by(parent) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("certificate with subject {subject} is not issued by {issuer}")),
        Err(problem) => Err(format!(
            "invalid certificates or certificate with subject {subject} is not issued by {issuer}. \
             Error: {problem}"
        )),
    }
}

/// A signer's certificate that signed itself.
fn check_alone(certificate: &Certificate) -> Result<(), String> {
    let subject = certificate.shown();
    let invalid = |problem: &str| {
        format!("invalid self-signed certificate. subject: {subject}. Error: {problem}")
    };
    certificate.is_signed_by(certificate).map_err(|problem| invalid(&problem))?;
    if !certificate.is_self_issued() {
        return Err(invalid("issuer and subject are not the same"));
    }
    certificate
        .check_signer()
        .map_err(|problem| format!("invalid self-signed certificate. Error: {problem}"))
}
