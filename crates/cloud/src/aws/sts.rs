//! Keys of a role, for a token of somebody whom it trusts.

use jiff::Timestamp;

use super::{Keys, domain};
use crate::clouds::Wire;
use crate::error::Error;
use crate::http::{Ask, element};
use crate::secret::Secret;

const WHAT: &str = "STS AssumeRoleWithWebIdentity";
/// STS takes no longer session names.
const SESSION_CHARS_MAX: usize = 64;

/// Exchanges a token for keys of a role, under a session's name.
pub(crate) async fn assume(
    wire: &Wire<'_>,
    region: &str,
    (role, session): (&str, &str),
    token: &Secret,
) -> Result<Keys, Error> {
    let usual = format!("https://sts.{region}.{}/", domain(region));
    let url = wire.surroundings.url(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"], &usual)?;
    let session: String = session.chars().take(SESSION_CHARS_MAX).collect();
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("WebIdentityToken", token.reveal()),
    ];
    let ask = Ask::form(WHAT, url, &fields, vec![token.reveal()]);
    let answer = wire.http.send(ask).await?;
    let text = String::from_utf8_lossy(&answer);
    keys(&text).ok_or_else(|| Error::Malformed {
        what: WHAT.into(),
        problem: "the answer is not what it should be",
    })
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
