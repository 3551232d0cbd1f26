//! Keys of a role, for a token of somebody whom it trusts.

use jiff::Timestamp;
use reqwest::Url;

use super::sign::{Scope, sign};
use super::{Keys, domain};
use crate::clouds::Wire;
use crate::error::Error;
use crate::http::{Ask, element};
use crate::secret::Secret;

const VERSION: (&str, &str) = ("Version", "2011-06-15");
/// STS takes no longer session names.
const SESSION_CHARS_MAX: usize = 64;

/// Exchanges a token for keys of a role, under a session's name.
pub(crate) async fn assume(
    wire: &Wire<'_>,
    region: &str,
    (role, session): (&str, &str),
    token: &Secret,
) -> Result<Keys, Error> {
    const WHAT: &str = "STS AssumeRoleWithWebIdentity";
    let session: String = session.chars().take(SESSION_CHARS_MAX).collect();
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        VERSION,
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("WebIdentityToken", token.reveal()),
    ];
    let ask = Ask::form(WHAT, endpoint(wire, region)?, &fields, vec![token.reveal()]);
    send(wire, ask).await
}

/// Takes another role, as somebody who may.
pub(crate) async fn take_role(
    wire: &Wire<'_>,
    region: &str,
    role: &str,
    own: &Keys,
) -> Result<Keys, Error> {
    let session = ("RoleSessionName", "sops");
    let fields = [("Action", "AssumeRole"), VERSION, ("RoleArn", role), session];
    let url = endpoint(wire, region)?;
    let mut ask = Ask::form("STS AssumeRole", url, &fields, own.secrets());
    sign(&mut ask, own, Scope { region, service: "sts" }, wire.now)?;
    send(wire, ask).await
}

fn endpoint(wire: &Wire<'_>, region: &str) -> Result<Url, Error> {
    let usual = format!("https://sts.{region}.{}/", domain(region));
    wire.surroundings.url(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"], &usual)
}

async fn send(wire: &Wire<'_>, ask: Ask<'_>) -> Result<Keys, Error> {
    let what = ask.what.to_owned();
    let answer = wire.http.send(ask).await?;
    let problem = "the answer is not what it should be";
    keys(&String::from_utf8_lossy(&answer)).ok_or(Error::Malformed { what, problem })
}

fn keys(xml: &str) -> Option<Keys> {
    let (id, secret) = (element(xml, "AccessKeyId")?, element(xml, "SecretAccessKey")?);
    let session = element(xml, "SessionToken")?;
    let ends: Timestamp = element(xml, "Expiration")?.parse().ok()?;
    Some(Keys {
        id: id.into(),
        secret: secret.to_owned().into(),
        session: Some(session.to_owned().into()),
        ends,
    })
}
