//! Key services of clouds and Vault servers: whose credentials they are shown
//! (kustomization.md, 8).

use std::sync::Arc;

use api::kustomization::Decryption;
use cloud::keys::{AwsKeys, AzureApplication};
use cloud::who::{Account, Identity, Object};
use cloud::{Clouds, Secret, Who};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use manifest::{Value, yaml};

use crate::clouds::find_account;
use crate::context::Context;
use crate::runtime::cache::Key;

/// Keys of a Secret with credentials of a service.
const AWS: &str = "sops.aws-kms";
const AZURE: &str = "sops.azure-kv";
const GCP: &str = "sops.gcp-kms";
const VAULT: &str = "sops.vault-token";
/// Key of the ConfigMap of Vault servers.
const VAULT_CONFIG: &str = "config.yaml";

/// Credentials of a Secret.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) aws: Option<AwsKeys>,
    pub(super) azure: Option<AzureApplication>,
    pub(super) gcp: Option<Secret>,
    pub(super) vault: Option<Secret>,
}

impl Credentials {
    /// Takes the value of a key; keys that mean nothing are none of ours.
    pub(super) fn import(&mut self, key: &str, text: &str) -> Result<(), String> {
        let fields = || match yaml::read_configuration(text) {
            Ok(value @ Value::Map(_)) => Ok(value),
            _ => Err("it is no mapping of YAML".to_owned()),
        };
        match key {
            AWS => self.aws = Some(aws(&fields()?)?),
            AZURE => self.azure = Some(azure(&fields()?)?),
            GCP => self.gcp = Some(text.trim().to_owned().into()),
            VAULT => self.vault = Some(text.trim().to_owned().into()),
            _ => {}
        }
        Ok(())
    }
}

fn field(value: &Value, names: &[&str]) -> String {
    let found = names.iter().filter_map(|name| value.get(name)).map(Value::to_text);
    found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn aws(value: &Value) -> Result<AwsKeys, String> {
    let id = field(value, &["aws_access_key_id"]);
    let secret = field(value, &["aws_secret_access_key"]);
    let session = field(value, &["aws_session_token"]);
    if id.is_empty() || secret.is_empty() {
        return Err("aws_access_key_id and aws_secret_access_key are needed".into());
    }
    let session = (!session.is_empty()).then(|| session.into());
    Ok(AwsKeys::new(id, secret.into(), session))
}

/// The forms of the reference: an application with a password or a certificate, what `az` prints
/// of one, or a managed identity.
fn azure(value: &Value) -> Result<AzureApplication, String> {
    let tenant = field(value, &["tenantId", "tenant"]);
    let client = field(value, &["clientId", "appId"]);
    let password = field(value, &["clientSecret", "password"]);
    let pem = field(value, &["clientCertificate"]);
    let has = |text: &String| !text.is_empty();
    match (has(&tenant), has(&client), has(&password), has(&pem)) {
        (true, true, true, _) => {
            Ok(AzureApplication::Password { tenant, client, password: password.into() })
        }
        (true, true, false, true) => {
            if has(&field(value, &["clientCertificatePassword"])) {
                return Err("certificates with a password are not supported".into());
            }
            Ok(AzureApplication::Certificate { tenant, client, pem: pem.into() })
        }
        (false, true, false, false) => Ok(AzureApplication::Managed { client }),
        _ => Err("it is neither an application with a password or a certificate nor a managed \
                  identity"
            .into()),
    }
}

/// Who asks where a Secret gives no credentials.
pub(super) struct Services {
    context: Arc<Context>,
    key: Key,
    /// The account that the decryption names, or the operator's default; empty when there is none.
    account: String,
}

impl Services {
    pub(super) fn new(context: &Arc<Context>, key: &Key, decryption: &Decryption) -> Self {
        let named = decryption.service_account_name.clone().filter(|name| !name.is_empty());
        let default = || context.settings.decryption.default_decryption_service_account.clone();
        let account = named.unwrap_or_else(default);
        Self { context: Arc::clone(context), key: key.clone(), account }
    }

    pub(super) fn clouds(&self) -> &Clouds {
        &self.context.clouds
    }

    /// Who asks; the account is looked up only where nothing was given.
    pub(super) async fn who(&self, is_given: bool) -> Result<Who, String> {
        let Key { namespace, name } = self.key.clone();
        let object = Object { kind: "Kustomization", namespace, name };
        let account = if is_given { None } else { self.account().await? };
        Ok(Who { identity: account.map_or(Identity::Ambient, Identity::Account), object })
    }

    async fn account(&self) -> Result<Option<Account>, String> {
        find_account(&self.context.client, &self.key.namespace, &self.account, "").await
    }

    /// The account, and where it logs in to a Vault server, if the operator lets accounts do that
    /// there.
    pub(super) async fn vault_login(
        &self,
        address: &str,
    ) -> Result<Option<(Account, String)>, String> {
        let settings = &self.context.settings;
        let (namespace, name) =
            (&settings.runtime_namespace, &settings.decryption.sops_vault_configmap);
        if name.is_empty() || self.account.is_empty() {
            return Ok(None);
        }
        let maps: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), namespace);
        let subject = format!("ConfigMap '{namespace}/{name}'");
        let map = maps
            .get(name)
            .await
            .map_err(|error| format!("failed to get {subject}: {}", apply::Refusal::from(error)))?;
        let text = map.data.unwrap_or_default().remove(VAULT_CONFIG).unwrap_or_default();
        let config = yaml::read_configuration(&text)
            .map_err(|_| format!("{VAULT_CONFIG} of {subject} is no YAML"))?;
        match login_path(&config, address) {
            Some(path) => Ok(self.account().await?.map(|account| (account, path))),
            None => Err(format!("the Vault server is not among the instances of {subject}")),
        }
    }
}

/// Where accounts log in to the server with this address.
fn login_path(config: &Value, address: &str) -> Option<String> {
    let instances = config.get("instances").and_then(Value::as_list).unwrap_or_default();
    let same = |text: &str| text.trim_end_matches('/') == address.trim_end_matches('/');
    let found = instances.iter().find(|instance| same(&field(instance, &["address"])))?;
    let path = field(found, &["loginPath"]);
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a value of a Secret: which sort of application, or what is wrong.
    fn imported(text: &str) -> String {
        let mut credentials = Credentials::default();
        match (credentials.import(AZURE, text), credentials.azure) {
            (Err(error), _) => error,
            (Ok(()), Some(AzureApplication::Password { .. })) => "password".into(),
            (Ok(()), Some(AzureApplication::Certificate { .. })) => "certificate".into(),
            (Ok(()), Some(AzureApplication::Managed { .. })) => "managed".into(),
            (Ok(()), None) => "none".into(),
        }
    }

    #[test]
    fn every_form_of_an_azure_application_is_understood() {
        for (text, expected) in [
            ("tenantId: t\nclientId: c\nclientSecret: s\n", "password"),
            ("{\"tenant\": \"t\", \"appId\": \"c\", \"password\": \"s\"}", "password"),
            ("tenantId: t\nclientId: c\nclientCertificate: p\n", "certificate"),
            ("clientId: c\n", "managed"),
            ("canary", "it is no mapping of YAML"),
        ] {
            assert_eq!(imported(text), expected, "{text}");
        }
        assert!(imported("tenantId: canary\n").starts_with("it is neither"));
        assert!(Credentials::default().import(AWS, "aws_access_key_id: x").is_err());
        assert!(Credentials::default().import("other", "canary").is_ok());
    }

    #[test]
    fn accounts_log_in_to_listed_servers_only() {
        let text = "instances:\n- {address: https://vault:8200/, loginPath: auth/k8s/login}\n";
        let config = yaml::read_configuration(text).unwrap_or_default();
        let path = login_path(&config, "https://vault:8200");
        assert_eq!(path.as_deref(), Some("auth/k8s/login"));
        assert_eq!(login_path(&config, "https://vault.evil:8200"), None);
    }
}
