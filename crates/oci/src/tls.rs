//! TLS towards a registry: whom is trusted, and who we are (ocirepository.md, 7; E01 to E09).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, InvalidIdentity};

/// TLS material of one source. Equal material is equal trust.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// PEM of certificate authorities that are trusted besides the system's.
    pub authorities: Option<Vec<u8>>,
    /// PEM of a client certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the server's certificate is checked.
    pub verification: Verification,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tls(***)")
    }
}

/// Whether a server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Yes.
    #[default]
    On,
    /// No: `insecure: true` without a certificate secret (ocirepository.md, 7).
    Off,
}

impl Tls {
    /// What a connection is opened with.
    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        let provider = CryptoProvider::get_default().ok_or(Error::NoProvider)?;
        let verifier: Arc<dyn ServerCertVerifier> = match self.verification {
            Verification::On => Arc::new(Trust::new(self.authorities()?, provider)?),
            Verification::Off => Arc::new(Anybody(Arc::clone(provider))),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let identity = identity(certificate, key, provider).map_err(Error::Identity)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Certificates that cannot be read are left out, unless none is left.
    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let Some(pem) = &self.authorities else { return Ok(Vec::new()) };
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .filter_map(Result::ok)
            .filter(|certificate| ParsedCertificate::try_from(certificate).is_ok())
            .collect();
        if found.is_empty() { Err(Error::Authority) } else { Ok(found) }
    }
}

/// Reads a certificate chain and its key.
fn identity(
    certificate: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, InvalidIdentity> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(certificate).filter_map(Result::ok).collect();
    if chain.is_empty() {
        let switched = holds(certificate, is_key);
        return Err(if switched {
            InvalidIdentity::KeyAsCertificate
        } else {
            InvalidIdentity::NoCertificate
        });
    }
    let Ok(parsed) = PrivateKeyDer::from_pem_slice(key) else {
        let switched = holds(key, |kind| kind == SectionKind::Certificate);
        return Err(if switched {
            InvalidIdentity::CertificateAsKey
        } else {
            InvalidIdentity::NoKey
        });
    };
    CertifiedKey::from_der(chain, parsed, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => InvalidIdentity::Mismatch,
        _ => InvalidIdentity::Malformed,
    })
}

fn holds(pem: &[u8], wanted: impl Fn(SectionKind) -> bool) -> bool {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
    sections.filter_map(Result::ok).any(|(kind, _)| wanted(kind))
}

fn is_key(kind: SectionKind) -> bool {
    use SectionKind::{EcPrivateKey, PrivateKey, RsaPrivateKey};
    matches!(kind, PrivateKey | RsaPrivateKey | EcPrivateKey)
}

/// Trusts what the system trusts, and the authorities of a source.
///
/// A server whose own certificate is among the authorities is trusted too, also where that
/// certificate says that it is an authority: what `openssl req -x509` makes is that, and Go takes
/// it.
#[derive(Debug)]
struct Trust {
    chain: Verifier,
    authorities: Vec<CertificateDer<'static>>,
}

impl Trust {
    fn new(
        authorities: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let chain = Verifier::new_with_extra_roots(authorities.clone(), Arc::clone(provider));
        Ok(Self { chain: chain.map_err(Error::Tls)?, authorities })
    }
}

/// Whether nothing is wrong with a certificate but that it is an authority's: its dates are
/// checked before that.
fn is_authority_only(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    other.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match checked {
            Err(error) if is_authority_only(&error) => {
                if !self.authorities.contains(end_entity) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Trusts whoever answers, as `insecure: true` asks.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
