//! Azure: tokens of Entra ID, and logins of its registries.

mod aks;

use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::aws::matches;
use crate::clouds::{Token, Wire};
use crate::error::Error;
use crate::http::{Ask, Way};
use crate::jwt;
use crate::registry::Login;
use crate::secret::Secret;
use crate::surroundings::Surroundings;
use crate::who::Account;

pub(crate) use aks::{Aks, Management, TOKEN_SCOPE as CLUSTER_SCOPE};

/// Whom tokens of ServiceAccounts are for.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";
const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";
const AUTHORITY: &str = "https://login.microsoftonline.com/";
const INSTANCE_HOST: &str = "http://169.254.169.254";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What the reference takes for a registry of Azure.
const REGISTRY_PATTERN: &str = r"^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$";
/// What tokens for its registries are for, in each of its clouds.
const REGISTRY_SCOPE: &str = "https://containerregistry.azure.net/.default";
/// The user of a login by token.
const REGISTRY_USER: &str = "00000000-0000-0000-0000-000000000000";
/// The file that describes a cloud of one's own.
const ENVIRONMENT_FILE: &str = "AZURE_ENVIRONMENT_FILEPATH";

/// An application of a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) id: &'a str,
}

/// How an application shows that it is the one.
pub(crate) enum Proof<'a> {
    /// By a token of somebody whom it trusts.
    Assertion(&'a Secret),
    /// By a password.
    Password(&'a Secret),
}

/// An application, and what shows that it is the one.
#[derive(Clone, Debug)]
pub enum Application {
    /// By a password.
    Password {
        /// Its tenant.
        tenant: String,
        /// Its id.
        client: String,
        /// The password.
        password: Secret,
    },
    /// By a certificate.
    Certificate {
        /// Its tenant.
        tenant: String,
        /// Its id.
        client: String,
        /// Certificate and private key in PEM.
        pem: Secret,
    },
    /// By being on the node that has this managed identity.
    Managed {
        /// Its id.
        client: String,
    },
}

impl Application {
    pub(crate) async fn token(&self, wire: &Wire<'_>, scope: &str) -> Result<Token, Error> {
        match self {
            Self::Password { tenant, client: id, password } => {
                token(wire, Client { tenant, id }, &Proof::Password(password), scope).await
            }
            Self::Certificate { tenant, client: id, pem } => {
                let client = Client { tenant, id };
                let audience = token_url(wire, client)?;
                let assertion = jwt::by_certificate(pem, id, audience.as_str(), wire.now)?;
                token(wire, client, &Proof::Assertion(&assertion), scope).await
            }
            Self::Managed { client } => managed(wire, Some(client), scope).await,
        }
    }
}

/// The application that a ServiceAccount's annotations name.
pub(crate) fn client(account: &Account) -> Result<Client<'_>, Error> {
    let get = |what: &str, name: &str| match account.annotation(name) {
        "" => Err(Error::Annotation(format!(
            "azure {what} is not set in the service account annotation {name}"
        ))),
        value => Ok(value),
    };
    let tenant = get("tenant ID", TENANT_ANNOTATION)?;
    Ok(Client { tenant, id: get("client ID", CLIENT_ANNOTATION)? })
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    /// A number, or a number as text where the metadata service answers.
    #[serde(deserialize_with = "number")]
    expires_in: u64,
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("not a number"))
}

/// A token of an application, for a scope.
pub(crate) async fn token(
    wire: &Wire<'_>,
    client: Client<'_>,
    proof: &Proof<'_>,
    scope: &str,
) -> Result<Token, Error> {
    let url = token_url(wire, client)?;
    let mut fields =
        vec![("client_id", client.id), ("scope", scope), ("grant_type", "client_credentials")];
    let secret = match proof {
        Proof::Assertion(token) => {
            fields.push(("client_assertion_type", ASSERTION));
            fields.push(("client_assertion", token.reveal()));
            token.reveal()
        }
        Proof::Password(password) => {
            fields.push(("client_secret", password.reveal()));
            password.reveal()
        }
    };
    let ask = Ask::form("Entra ID token", url, &fields, vec![secret]);
    let answer: Answer = wire.http.json(ask).await?;
    Ok(Token::lasting(answer.access_token, answer.expires_in, wire.now))
}

fn token_url(wire: &Wire<'_>, client: Client<'_>) -> Result<Url, Error> {
    let mut url = wire.surroundings.url(&["AZURE_AUTHORITY_HOST"], AUTHORITY)?;
    let bad = |()| Error::Variable("AZURE_AUTHORITY_HOST".into());
    let path = [client.tenant, "oauth2", "v2.0", "token"];
    url.path_segments_mut().map_err(bad)?.pop_if_empty().extend(path);
    Ok(url)
}

/// A token of this process: by a password or a web identity that variables name, else the node's
/// managed identity.
pub(crate) async fn ambient(wire: &Wire<'_>, scope: &str) -> Result<Token, Error> {
    let around = wire.surroundings;
    let id = around.get("AZURE_CLIENT_ID");
    if let (Some(id), Some(tenant)) = (id, around.get("AZURE_TENANT_ID")) {
        let client = Client { tenant, id };
        if let Some(password) = around.get("AZURE_CLIENT_SECRET") {
            let password = Secret::from(password.to_owned());
            return token(wire, client, &Proof::Password(&password), scope).await;
        }
        if let Some(assertion) = around.file("AZURE_FEDERATED_TOKEN_FILE").await? {
            return token(wire, client, &Proof::Assertion(&assertion), scope).await;
        }
    }
    managed(wire, id, scope).await
}

/// A token of the node's managed identity, or of the one with this id.
pub(crate) async fn managed(
    wire: &Wire<'_>,
    id: Option<&str>,
    scope: &str,
) -> Result<Token, Error> {
    let mut url = wire.surroundings.url(&["AZURE_POD_IDENTITY_AUTHORITY_HOST"], INSTANCE_HOST)?;
    url.set_path("/metadata/identity/oauth2/token");
    url.query_pairs_mut()
        .append_pair("api-version", "2018-02-01")
        .append_pair("resource", scope.trim_end_matches("/.default"))
        .extend_pairs(id.map(|id| ("client_id", id)));
    let ask = Ask::get("managed identity", Way::Near, url).header("metadata", "true")?;
    let answer: Answer = wire.http.json(ask).await?;
    Ok(Token::lasting(answer.access_token, answer.expires_in, wire.now))
}

/// A registry of Azure.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    host: String,
    /// What a token that it takes is for.
    pub(crate) scope: String,
}

/// What a cloud of one's own says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Environment {
    #[serde(rename = "containerRegistryDNSSuffix")]
    suffix: String,
    resource_manager_endpoint: String,
    token_audience: String,
}

impl Environment {
    /// Reads the file that describes a cloud of one's own, if there is one.
    async fn read(around: &Surroundings) -> Result<Option<Self>, Error> {
        let malformed = |problem| Error::Malformed { what: ENVIRONMENT_FILE.into(), problem };
        let Some(text) = around.file(ENVIRONMENT_FILE).await? else { return Ok(None) };
        let own: Self = serde_json::from_str(text.reveal())
            .map_err(|_| malformed("the file is no JSON object of the expected form"))?;
        if own.resource_manager_endpoint.is_empty() || own.token_audience.is_empty() {
            return Err(malformed("resourceManagerEndpoint and tokenAudience must be set"));
        }
        Ok(Some(own))
    }
}

impl Registry {
    /// Reads a host. The file that describes a cloud of one's own names its registries' domain.
    pub(crate) async fn parse(host: &str, around: &Surroundings) -> Result<Self, Error> {
        let environment = Environment::read(around).await?;
        let scope = match &environment {
            None => REGISTRY_SCOPE.to_owned(),
            Some(own) => format!("{}/.default", own.resource_manager_endpoint),
        };
        let own =
            environment.is_some_and(|own| !own.suffix.is_empty() && host.ends_with(&own.suffix));
        if own || matches(REGISTRY_PATTERN, host) {
            return Ok(Self { host: host.into(), scope });
        }
        let pattern = REGISTRY_PATTERN.into();
        Err(Error::Registry { cloud: "Azure", host: host.into(), pattern })
    }
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: Secret,
}

/// Exchanges a token for a login.
pub(crate) async fn login(
    wire: &Wire<'_>,
    registry: &Registry,
    bearer: &Token,
) -> Result<Login, Error> {
    const WHAT: &str = "ACR token exchange";
    let malformed = |problem| Error::Malformed { what: WHAT.into(), problem };
    let url = Url::parse(&format!("https://{}/oauth2/exchange", registry.host));
    let url = url.map_err(|_| malformed("the registry is no host"))?;
    let fields = [
        ("grant_type", "access_token"),
        ("service", &registry.host),
        ("access_token", bearer.value.reveal()),
    ];
    let ask = Ask::form(WHAT, url, &fields, vec![bearer.value.reveal()]);
    let Refresh { refresh_token: password } = wire.http.json(ask).await?;
    let ends = jwt::ends(password.reveal());
    let ends = ends.ok_or_else(|| malformed("the refresh token does not say when it ends"))?;
    Ok(Login { username: REGISTRY_USER.into(), password, ends })
}
