//! The signature of what a tag stands for, before anything of it is pulled (ocirepository.md, 9).

use std::collections::BTreeMap;
use std::time::Duration;

use api::oci_repository::{LocalReference, OidcIdentity, Verification, Verifier};
use artifact::text::explain;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use oci::verify::keyless::{Identity, Root};
use oci::verify::notation::{InvalidPolicy, Notation};
use oci::verify::{Demand, KEYS_MAX, Keyless, PublicKey, Signer, Trusted, Unverified};
use oci::{Client, Pin};
use tokio::time::Instant;

use super::converge::Attempt;
use super::failure::Failure;
use super::status::{Proof, is_proven, proven};
use crate::events::{Happening, Severity};

/// Key of a secret's Sigstore root.
const TRUSTED_ROOT: &str = "trusted_root.json";
/// Ending of the keys that hold public keys.
const PUBLIC_KEY_ENDING: &str = ".pub";
/// Key of a secret's trust policy, and endings of the keys that hold certificates.
const TRUST_POLICY: &str = "trustpolicy.json";
const CERTIFICATE_ENDINGS: [&str; 2] = [".crt", ".pem"];
/// Where an event says what is wrong with each signature (decisions.md, our additions).
const FLAWS: &str = "sluice.dev/signatures";
/// Signatures whose flaws are told.
const FLAWS_MAX: usize = 20;

impl Attempt<'_> {
    /// Drops what a former run found if it was a failure, or if nothing is demanded any more.
    pub(super) fn forget_failed_proof(&mut self) {
        let demanded = self.request.verify.is_some();
        let proof = if demanded { Proof::Former } else { Proof::None };
        self.status = proven(&self.status, &self.facts, proof);
    }

    /// Whether the signature of what is stored needs no second look.
    pub(super) fn is_proven(&self) -> bool {
        self.request.verify.is_none() || is_proven(&self.status, &self.facts)
    }

    /// Verifies what `pin` stands for, if that is demanded.
    pub(super) async fn verify(
        &mut self,
        client: &Client,
        pin: Pin,
        deadline: Instant,
    ) -> Result<Trusted, Failure> {
        let Some(verify) = &self.request.verify else { return Ok(Trusted::not_requested(pin)) };
        let revision = pin.revision();
        let work = async {
            let demand = self.demand(verify, &pin).await.map_err(|text| unread(verify, &text))?;
            let verified = client.verify(&self.request.reference, pin, &demand).await;
            verified.map_err(|error| refused(verify, &error))
        };
        let trusted = tokio::select! {
            trusted = work => trusted?,
            () = self.context.clock.sleep_until(deadline) => {
                return Err(unread(verify, "context deadline exceeded"));
            }
        };
        let proof = match trusted.by() {
            Signer::NotRequested | Signer::Ignored => Proof::None,
            Signer::Accepted => Proof::Verified(revision.as_str()),
        };
        self.status = proven(&self.status, &self.facts, proof);
        Ok(trusted)
    }

    /// What the spec demands, with the keys of its secrets. They are read every time, so that a
    /// mended secret counts at the next try.
    async fn demand(&self, verify: &Verification, pin: &Pin) -> Result<Demand, String> {
        let mut root = None;
        if let Some(reference) = &verify.trusted_root_secret_ref {
            root = Some(self.trusted_root(reference).await.map_err(|text| {
                let subject = format!("{}/{}", self.key.namespace, reference.name);
                format!("failed to read trusted root from secret '{subject}': {text}")
            })?);
        }
        match (verify.provider, &verify.secret_ref) {
            (Verifier::Notation, Some(reference)) => self.notation(reference).await,
            (Verifier::Notation, None) => Err(self.no_secret(pin)),
            (Verifier::Cosign, Some(reference)) => keys(self.secret(reference).await?),
            (Verifier::Cosign, None) => {
                keyless(root.as_deref(), verify.match_oidc_identity.as_deref())
            }
        }
    }

    fn no_secret(&self, pin: &Pin) -> String {
        let image = format!("{}@{}", self.request.reference, pin.digest);
        format!("verification secret cannot be empty: '{image}'")
    }

    async fn notation(&self, reference: &LocalReference) -> Result<Demand, String> {
        let subject = format!("{}/{}", self.key.namespace, reference.name);
        let mut secret = self.secret(reference).await?;
        let policy = secret
            .remove(TRUST_POLICY)
            .ok_or_else(|| format!("'{TRUST_POLICY}' not found in secret '{subject}'"))?;
        let is_certificate =
            |name: &String| CERTIFICATE_ENDINGS.iter().any(|ending| name.ends_with(ending));
        secret.retain(|name, _| is_certificate(name));
        let certificates = secret.into_values();
        let is_empty = certificates.len() == 0;
        let notation = Notation::new(&policy, certificates, self.context.clock.now());
        match notation {
            // The reference reads the document, looks for certificates, and then checks it.
            Err(error @ InvalidPolicy::Json(_)) => Err(error.to_string()),
            _ if is_empty => Err(format!("no certificates found in secret '{subject}'")),
            other => other.map(Demand::Notation).map_err(|error| error.to_string()),
        }
    }

    async fn trusted_root(&self, reference: &LocalReference) -> Result<Vec<u8>, String> {
        self.secret(reference).await?.remove(TRUSTED_ROOT).ok_or_else(|| {
            let subject = format!("{}/{}", self.key.namespace, reference.name);
            format!("'{TRUSTED_ROOT}' not found in secret '{subject}'")
        })
    }

    async fn secret(
        &self,
        reference: &LocalReference,
    ) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let namespace = &self.key.namespace;
        let secrets: Api<Secret> = Api::namespaced(self.context.client.clone(), namespace);
        let secret = secrets.get(&reference.name).await;
        let secret = secret.map_err(|error| apply::Refusal::from(error).to_string())?;
        let data = secret.data.unwrap_or_default();
        Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
    }
}

fn keys(secret: BTreeMap<String, Vec<u8>>) -> Result<Demand, String> {
    let keys = secret.into_iter().filter(|(name, _)| name.ends_with(PUBLIC_KEY_ENDING));
    let keys = keys.map(|(name, value)| PublicKey::from_pem(&value).map(|key| (name, key)));
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if keys.len() > KEYS_MAX {
        return Err(format!("more than {KEYS_MAX} public keys in the secret"));
    }
    Ok(Demand::CosignKeys(keys))
}

fn keyless(root: Option<&[u8]>, identities: Option<&[OidcIdentity]>) -> Result<Demand, String> {
    let identities = identities.unwrap_or_default().iter();
    let identities = identities.map(|one| Identity::new(&one.issuer, &one.subject));
    let identities = identities.collect::<Result<_, _>>().map_err(|error| explain(&error))?;
    let keyless = Keyless::new(root.map_or(Root::Public, Root::Given), identities);
    keyless.map(Demand::CosignKeyless).map_err(|error| error.to_string())
}

/// The event of a signature that is not as demanded: its message is that of the condition, and
/// what is wrong with each signature is for tools.
pub(super) fn unverified(message: &str, flaws: String) -> Happening {
    let metadata = (!flaws.is_empty()).then(|| (FLAWS.to_owned(), flaws)).into_iter().collect();
    let (severity, reason) = (Severity::Error, "VerificationError".to_owned());
    Happening { severity, reason, message: message.into(), metadata }
}

fn refused(verify: &Verification, error: &Unverified) -> Failure {
    let flaws: Vec<_> = error.flaws().iter().take(FLAWS_MAX).map(ToString::to_string).collect();
    tracing::info!(?flaws, "no signature is as demanded");
    Failure::Unverified {
        message: text(verify, &explain(error)),
        flaws: flaws.join("\n"),
        retry_after: error.retry_after().unwrap_or_default(),
    }
}

fn unread(verify: &Verification, problem: &str) -> Failure {
    let (message, flaws) = (text(verify, problem), String::new());
    Failure::Unverified { message, flaws, retry_after: Duration::ZERO }
}

fn text(verify: &Verification, problem: &str) -> String {
    let provider = match (verify.provider, &verify.secret_ref) {
        (Verifier::Notation, _) => "notation",
        (Verifier::Cosign, Some(_)) => "cosign",
        (Verifier::Cosign, None) => "cosign keyless",
    };
    format!("failed to verify the signature using provider '{provider}': {problem}")
}
