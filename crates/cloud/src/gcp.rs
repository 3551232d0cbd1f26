//! Google Cloud: access tokens, which are logins of its registries too.

mod gke;

use jiff::{Timestamp, ToSpan as _};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::matches;
use crate::clouds::{Token, Wire};
use crate::error::Error;
use crate::http::{Ask, Way};
use crate::jwt;
use crate::registry::Login;
use crate::secret::Secret;
use crate::surroundings::read_file;
use crate::who::Account;

pub(crate) use gke::Gke;

const PROVIDER_ANNOTATION: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const PROVIDER_PATTERN: &str = r"^projects/[0-9]{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";
const EMAIL_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
/// What the reference takes for a registry of Google.
const REGISTRY_PATTERN: &str =
    r"^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$";
/// The user of a login by token.
const REGISTRY_USER: &str = "oauth2accesstoken";
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];
const TOKEN_URL: &str = "https://sts.googleapis.com/v1/token";
const CREDENTIALS_HOST: &str = "https://iamcredentials.googleapis.com";
const METADATA_HOST: &str = "169.254.169.254";
const CREDENTIALS_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: u64,
}

impl Answer {
    fn token(self, now: Timestamp) -> Token {
        Token::lasting(self.access_token, self.expires_in, now)
    }
}

/// A token of this process: of the account or the exchange that a file describes, else the node's.
pub(crate) async fn ambient(wire: &Wire<'_>) -> Result<Token, Error> {
    if let Some(file) = wire.surroundings.file(CREDENTIALS_FILE).await? {
        return from_document(wire, &file).await;
    }
    let scopes = SCOPES.join(",");
    let path = "instance/service-accounts/default/token";
    let ask = metadata(wire, path, &[("scopes", &scopes)])?;
    Ok(wire.http.json::<Answer>(ask).await?.token(wire.now))
}

fn metadata<'a>(wire: &Wire<'_>, path: &str, query: &[(&str, &str)]) -> Result<Ask<'a>, Error> {
    let host = wire.surroundings.get("GCE_METADATA_HOST").unwrap_or(METADATA_HOST);
    let url = Url::parse(&format!("http://{host}/computeMetadata/v1/{path}"));
    let mut url = url.map_err(|_| Error::Variable("GCE_METADATA_HOST".into()))?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ask::get("metadata server", Way::Near, url).header("metadata-flavor", "Google")
}

/// What the file of a process's identity holds.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Credentials {
    /// The key of a service account.
    ServiceAccount(AccountKey),
    /// An exchange for a token that lies in another file.
    ExternalAccount(External),
}

#[derive(Deserialize)]
struct AccountKey {
    client_email: String,
    private_key: Secret,
    #[serde(default)]
    private_key_id: String,
    token_uri: String,
}

#[derive(Deserialize)]
struct External {
    audience: String,
    credential_source: Source,
    /// Ends with the address of a service account and an operation.
    service_account_impersonation_url: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    file: String,
}

/// A token of the identity that a JSON document describes.
pub(crate) async fn from_document(wire: &Wire<'_>, document: &Secret) -> Result<Token, Error> {
    let malformed = |problem| Error::Malformed { what: "Google credentials".into(), problem };
    let read = serde_json::from_str(document.reveal());
    match read.map_err(|_| malformed("neither a service account's key nor an external account"))? {
        Credentials::ServiceAccount(key) => from_key(wire, &key).await,
        Credentials::ExternalAccount(External {
            audience,
            credential_source,
            service_account_impersonation_url: url,
        }) => {
            let token = read_file(CREDENTIALS_FILE, &credential_source.file).await?;
            let email = url.as_deref().map(|url| {
                let (url, _) = url.rsplit_once(':').unwrap_or((url, ""));
                url.rsplit_once('/').map_or(url, |(_, email)| email)
            });
            exchange(wire, &audience, &token, email).await
        }
    }
}

async fn from_key(wire: &Wire<'_>, key: &AccountKey) -> Result<Token, Error> {
    let malformed = |_| Error::Malformed {
        what: "Google credentials".into(),
        problem: "token_uri is no address",
    };
    let url = Url::parse(&key.token_uri).map_err(malformed)?;
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key.private_key_id});
    let ends = wire.now.checked_add(1.hour()).unwrap_or(wire.now).as_second();
    let claims = json!({
        "iss": key.client_email,
        "scope": SCOPES.join(" "),
        "aud": key.token_uri,
        "iat": wire.now.as_second(),
        "exp": ends,
    });
    let assertion = jwt::sign(key.private_key.reveal(), &header, &claims)?;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion.reveal()),
    ];
    let ask = Ask::form("Google OAuth token", url, &fields, vec![assertion.reveal()]);
    Ok(wire.http.json::<Answer>(ask).await?.token(wire.now))
}

/// Whom a ServiceAccount's token is for, and what it is exchanged under.
pub(crate) struct Audience {
    pub(crate) token: String,
    pub(crate) exchange: String,
}

/// Finds the audience of a ServiceAccount: the provider that its annotation names, or on GKE the
/// cluster's own pool.
pub(crate) async fn audience(wire: &Wire<'_>, account: &Account) -> Result<Audience, Error> {
    let provider = account.annotation(PROVIDER_ANNOTATION);
    if !provider.is_empty() {
        check_annotation(PROVIDER_ANNOTATION, provider, PROVIDER_PATTERN)?;
        let audience = format!("//iam.googleapis.com/{provider}");
        return Ok(Audience { token: audience.clone(), exchange: audience });
    }
    let mut found = Vec::new();
    for path in [
        "project/project-id",
        "instance/attributes/cluster-location",
        "instance/attributes/cluster-name",
    ] {
        let value = wire.http.send(metadata(wire, path, &[])?).await?;
        found.push(String::from_utf8_lossy(&value).trim().to_owned());
    }
    let [project, location, name] = found.as_slice() else {
        return Err(Error::NoIdentity("the metadata server does not describe a cluster"));
    };
    let pool = format!("{project}.svc.id.goog");
    let cluster = format!("projects/{project}/locations/{location}/clusters/{name}");
    let exchange =
        format!("identitynamespace:{pool}:https://container.googleapis.com/v1/{cluster}");
    Ok(Audience { token: pool, exchange })
}

/// The service account of Google's that an annotation names, if it does.
pub(crate) fn email(account: &Account) -> Result<Option<&str>, Error> {
    let email = account.annotation(EMAIL_ANNOTATION);
    if email.is_empty() {
        return Ok(None);
    }
    check_annotation(EMAIL_ANNOTATION, email, EMAIL_PATTERN)?;
    Ok(Some(email))
}

fn check_annotation(name: &str, value: &str, pattern: &str) -> Result<(), Error> {
    if matches(pattern, value) {
        return Ok(());
    }
    let text = format!("invalid {name} annotation: '{value}'. must match {pattern}");
    Err(Error::Annotation(text))
}

/// Exchanges a token under an audience, and acts as a service account of Google's where one is
/// named.
pub(crate) async fn exchange(
    wire: &Wire<'_>,
    audience: &str,
    token: &Secret,
    email: Option<&str>,
) -> Result<Token, Error> {
    let url = wire.surroundings.url(&[], TOKEN_URL)?;
    let scopes = SCOPES.join(" ");
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", audience),
        ("scope", if email.is_some() { SCOPES[0] } else { &scopes }),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", token.reveal()),
    ];
    let ask = Ask::form("Google STS token", url, &fields, vec![token.reveal()]);
    let exchanged = wire.http.json::<Answer>(ask).await?.token(wire.now);
    match email {
        None => Ok(exchanged),
        Some(email) => act_as(wire, email, &exchanged).await,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acting {
    access_token: Secret,
    expire_time: Timestamp,
}

async fn act_as(wire: &Wire<'_>, email: &str, bearer: &Token) -> Result<Token, Error> {
    let address =
        format!("{CREDENTIALS_HOST}/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let url = wire.surroundings.url(&[], &address)?;
    let body: Value = json!({"scope": SCOPES, "lifetime": "3600s"});
    let ask = Ask::json("Google generateAccessToken", url, &body, vec![bearer.value.reveal()])
        .header("authorization", &format!("Bearer {}", bearer.value.reveal()))?;
    let Acting { access_token: value, expire_time: ends } = wire.http.json(ask).await?;
    Ok(Token { value, ends })
}

/// Refuses hosts that are no registries of Google.
pub(crate) fn check_registry(host: &str) -> Result<(), Error> {
    if matches(REGISTRY_PATTERN, host) {
        return Ok(());
    }
    let pattern = REGISTRY_PATTERN.into();
    Err(Error::Registry { cloud: "GCP", host: host.into(), pattern })
}

/// A token as a login.
pub(crate) fn login(bearer: Token) -> Login {
    Login { username: REGISTRY_USER.into(), password: bearer.value, ends: bearer.ends }
}
