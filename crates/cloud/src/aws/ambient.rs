//! The keys that a process on AWS finds around it, where the SDKs look for them and in their
//! order: variables, a web identity, the container's endpoint, the instance.

use http::Method;
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::{Keys, assume};
use crate::clouds::Wire;
use crate::error::Error;
use crate::http::{Ask, Way};
use crate::secret::Secret;

/// The endpoint of a task's keys.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Where keys of a container may come from without TLS: this host and these addresses.
const CONTAINER_HOSTS: [&str; 5] =
    ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost", "127.0.0.1"];
const INSTANCE_HOST: &str = "http://169.254.169.254";
/// How long a token of the metadata service lives; it is used once.
const INSTANCE_TOKEN_SECONDS: &str = "300";

/// What the container's endpoint and the instance answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: Secret,
    token: Secret,
    expiration: Timestamp,
}

impl From<Answer> for Keys {
    fn from(answer: Answer) -> Self {
        let Answer { access_key_id, secret_access_key, token, expiration } = answer;
        let (secret, session) = (secret_access_key, Some(token));
        Self { id: access_key_id, secret, session, ends: expiration }
    }
}

/// The keys of this process.
pub(crate) async fn ambient(wire: &Wire<'_>, region: &str) -> Result<Keys, Error> {
    let around = wire.surroundings;
    if let (Some(id), Some(secret)) =
        (around.get("AWS_ACCESS_KEY_ID"), around.get("AWS_SECRET_ACCESS_KEY"))
    {
        let session = around.get("AWS_SESSION_TOKEN").map(|text| text.to_owned().into());
        return Ok(Keys::new(id.into(), secret.to_owned().into(), session));
    }
    if let Some(token) = around.file("AWS_WEB_IDENTITY_TOKEN_FILE").await? {
        let role = around
            .get("AWS_ROLE_ARN")
            .ok_or(Error::NoIdentity("AWS_WEB_IDENTITY_TOKEN_FILE is set but not AWS_ROLE_ARN"))?;
        let session = around.get("AWS_ROLE_SESSION_NAME").unwrap_or("sluice");
        return assume(wire, region, (role, session), &token).await;
    }
    if let Some(url) = container_url(wire)? {
        return container(wire, url).await;
    }
    if around.get("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Err(Error::NoIdentity(
            "neither variables nor a container give keys, and AWS_EC2_METADATA_DISABLED is set",
        ));
    }
    instance(wire).await
}

fn container_url(wire: &Wire<'_>) -> Result<Option<Url>, Error> {
    const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    if let Some(path) = wire.surroundings.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        let url = Url::parse(&format!("{CONTAINER_HOST}{path}"));
        let malformed = |_| Error::Variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI".into());
        return url.map(Some).map_err(malformed);
    }
    if wire.surroundings.get(FULL).is_none() {
        return Ok(None);
    }
    let url = wire.surroundings.url(&[FULL], "")?;
    let near = CONTAINER_HOSTS.contains(&url.host_str().unwrap_or_default());
    if url.scheme() == "https" || near { Ok(Some(url)) } else { Err(Error::Variable(FULL.into())) }
}

async fn container(wire: &Wire<'_>, url: Url) -> Result<Keys, Error> {
    let around = wire.surroundings;
    let token = match around.file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").await? {
        Some(token) => Some(token),
        None => around.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|text| text.to_owned().into()),
    };
    let mut ask = Ask::get("container credentials", Way::Near, url);
    if let Some(token) = &token {
        ask = ask.header("authorization", token.reveal())?;
        ask.secrets.push(token.reveal());
    }
    wire.http.json::<Answer>(ask).await.map(Keys::from)
}

/// The keys of the instance's role, by the second version of its metadata service.
async fn instance(wire: &Wire<'_>) -> Result<Keys, Error> {
    const WHAT: &str = "EC2 instance metadata";
    let names = ["AWS_EC2_METADATA_SERVICE_ENDPOINT"];
    let base = wire.surroundings.url(&names, INSTANCE_HOST)?;
    let malformed = |_| Error::Variable(names[0].into());
    let url = |path: &str| base.join(path).map_err(malformed);
    let mut ask = Ask::get(WHAT, Way::Near, url("/latest/api/token")?)
        .header("x-aws-ec2-metadata-token-ttl-seconds", INSTANCE_TOKEN_SECONDS)?;
    ask.method = Method::PUT;
    let token = Secret::from(String::from_utf8_lossy(&wire.http.send(ask).await?).into_owned());
    let get = |path: &str| {
        let mut ask = Ask::get(WHAT, Way::Near, url(path)?)
            .header("x-aws-ec2-metadata-token", token.reveal())?;
        ask.secrets.push(token.reveal());
        Ok::<_, Error>(ask)
    };
    let roles = "/latest/meta-data/iam/security-credentials/";
    let role = wire.http.send(get(roles)?).await?;
    let role = String::from_utf8_lossy(&role);
    let role = role.lines().next().unwrap_or_default().trim();
    wire.http.json::<Answer>(get(&format!("{roles}{role}"))?).await.map(Keys::from)
}
