//! How a source is reached, from the secrets that it names: credentials, proxy, TLS
//! (ocirepository.md, 6 and 7).

use cloud::who::Account;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};
use oci::keychain::Keychain;
use oci::transport::{Proxy, Tls, Verification};

use super::request::Request;

/// The longest address of a proxy.
const PROXY_ADDRESS_BYTES_MAX: usize = 2048;
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// How a source is reached. Equal content is equal access, whoever's secret it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Access {
    pub(super) keychain: Keychain,
    pub(super) proxy: Option<Proxy>,
    pub(super) tls: Tls,
}

/// What the secrets and the account of a source give.
pub(super) struct Found {
    pub(super) access: Access,
    /// The account that it names.
    pub(super) account: Option<Account>,
    /// Whether there are pull secrets, of whatever sort.
    pub(super) has_secrets: bool,
}

/// Why it cannot be.
pub(super) struct NoAccess {
    /// The message, in the contract's words.
    pub(super) message: String,
    /// The name of the auth secret that does not exist, for its own event.
    pub(super) missing_secret: Option<String>,
}

impl NoAccess {
    fn new(message: String) -> Self {
        Self { message, missing_secret: None }
    }
}

/// Reads the secrets that a source names. They are read every time, so that a mended secret counts
/// at the next try (D13).
pub(super) async fn access(
    client: &Client,
    namespace: &str,
    request: &Request,
) -> Result<Found, NoAccess> {
    let secrets = Secrets { api: Api::namespaced(client.clone(), namespace), namespace };
    let mut keychain = Keychain::default();
    let (mut account, mut has_secrets) = (None, request.secret.is_some());
    if let Some(name) = &request.secret {
        let secret = secrets.api.get(name).await.map_err(|error| {
            let cause = apply::Refusal::from(error);
            NoAccess {
                message: credential(&format!("failed to get secret '{namespace}/{name}': {cause}")),
                missing_secret: Some(name.clone()),
            }
        })?;
        secrets.add(&mut keychain, &secret)?;
    }
    if let Some(name) = &request.service_account {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        let found = accounts.get(name).await.map_err(|error| {
            let subject = format!("serviceaccount '{namespace}/{name}'");
            NoAccess::new(credential(&missing(&subject, error)))
        })?;
        let pull_secrets = found.image_pull_secrets.unwrap_or_default();
        has_secrets |= !pull_secrets.is_empty();
        account = Some(crate::clouds::account(namespace, name, found.metadata));
        for reference in pull_secrets {
            let secret = secrets.get(&reference.name).await.map_err(|cause| {
                let subject = format!("serviceaccount '{namespace}/{name}'");
                let text = format!("failed to get image pull secret for {subject}: {cause}");
                NoAccess::new(credential(&text))
            })?;
            secrets.add(&mut keychain, &secret)?;
        }
    }
    let proxy = match &request.proxy_secret {
        None => None,
        Some(name) => Some(
            secrets
                .proxy(name)
                .await
                .map_err(|cause| NoAccess::new(format!("failed to get proxy address: {cause}")))?,
        ),
    };
    let tls = match &request.cert_secret {
        None => Tls { verification: request.verification, ..Tls::default() },
        Some(name) => secrets
            .tls(name)
            .await
            .map_err(|cause| NoAccess::new(transport(request.reference.url(), &cause)))?,
    };
    Ok(Found { access: Access { keychain, proxy, tls }, account, has_secrets })
}

fn credential(cause: &str) -> String {
    format!("failed to get credential: {cause}")
}

/// The message of a source for which no connection can be made.
pub(super) fn transport(url: &str, cause: &str) -> String {
    format!("failed to generate transport for '{url}': {cause}")
}

fn missing(subject: &str, error: kube::Error) -> String {
    match error {
        kube::Error::Api(answer) if answer.code == 404 => format!("{subject} not found"),
        other => format!("failed to get {subject}: {}", apply::Refusal::from(other)),
    }
}

/// The secrets of a source's namespace; no source sees another's.
struct Secrets<'a> {
    api: Api<Secret>,
    namespace: &'a str,
}

impl Secrets<'_> {
    async fn get(&self, name: &str) -> Result<Secret, String> {
        let subject = format!("secret '{}/{name}'", self.namespace);
        self.api.get(name).await.map_err(|error| missing(&subject, error))
    }

    /// Adds what a pull secret holds. Other types count for nothing, as in Flux, but not in
    /// silence.
    fn add(&self, keychain: &mut Keychain, secret: &Secret) -> Result<(), NoAccess> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let namespace = self.namespace;
        let read = |key: &str| value(secret, key).unwrap_or_default();
        let added = match secret.type_.as_deref().unwrap_or_default() {
            "kubernetes.io/dockerconfigjson" => {
                keychain.add_docker_config_json(read(".dockerconfigjson"))
            }
            "kubernetes.io/dockercfg" => keychain.add_docker_cfg(read(".dockercfg")),
            other => {
                tracing::warn!(%namespace, secret = name, r#type = other, "not a pull secret: ignored");
                Ok(())
            }
        };
        added.map_err(|error| {
            NoAccess::new(credential(&format!("secret '{namespace}/{name}': {error}")))
        })
    }

    /// Reads a proxy's address and its user. A password alone counts for nothing.
    async fn proxy(&self, name: &str) -> Result<Proxy, String> {
        let secret = self.get(name).await?;
        let problem = |problem: &str| format!("secret '{}/{name}': {problem}", self.namespace);
        let address =
            value(&secret, "address").ok_or_else(|| problem("key 'address' not found"))?;
        let address = String::from_utf8_lossy(address).into_owned();
        check_proxy(&address).map_err(|text| problem(&text))?;
        let text = |key: &str| value(&secret, key).map(|b| String::from_utf8_lossy(b).into_owned());
        let credentials = text("username").map(|user| (user, text("password").unwrap_or_default()));
        Ok(Proxy { address, credentials })
    }

    /// Reads a CA and a client certificate. The names that Flux used before are understood where
    /// today's are missing.
    async fn tls(&self, name: &str) -> Result<Tls, String> {
        let secret = self.get(name).await?;
        let read = |key: &str, legacy: &str| {
            let found = value(&secret, key);
            let found = found.or_else(|| {
                let old = value(&secret, legacy)?;
                let namespace = self.namespace;
                tracing::warn!(%namespace, secret = name, key = legacy, preferred = key, "legacy key");
                Some(old)
            });
            found.filter(|bytes| !bytes.is_empty()).map(<[u8]>::to_vec)
        };
        let (certificate, key) = (read("tls.crt", "certFile"), read("tls.key", "keyFile"));
        let authorities = read("ca.crt", "caFile");
        let subject = format!("secret '{}/{name}'", self.namespace);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => {
                return Err(format!("{subject} contains 'tls.crt' but missing 'tls.key'"));
            }
            (None, Some(_)) => {
                return Err(format!("{subject} contains 'tls.key' but missing 'tls.crt'"));
            }
            (None, None) => None,
        };
        if identity.is_none() && authorities.is_none() {
            let either = "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'";
            return Err(format!("{subject} {either}"));
        }
        Ok(Tls { authorities, identity, verification: Verification::On })
    }
}

fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice())
}

/// Refuses what is no proxy's address. The text shows the scheme only: the rest may hold a
/// password.
fn check_proxy(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err("proxy address is empty".into());
    }
    if address.len() > PROXY_ADDRESS_BYTES_MAX {
        let max = PROXY_ADDRESS_BYTES_MAX;
        return Err(format!("proxy URL exceeds maximum length of {max} characters"));
    }
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    if !PROXY_SCHEMES.contains(&scheme) {
        let known = PROXY_SCHEMES.join(", ");
        return Err(format!(
            "proxy URL must use one of the supported schemes ({known}), got '{scheme}'"
        ));
    }
    Ok(())
}
