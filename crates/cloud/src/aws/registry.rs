//! Logins of ECR.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::sign::{Scope, sign};
use super::{Keys, domain};
use crate::clouds::Wire;
use crate::error::Error;
use crate::http::Ask;
use crate::registry::Login;
use crate::secret::Secret;

/// What the reference takes for a registry of AWS, as messages show it. It looks for it anywhere in
/// a host; a login of ours is for hosts that are AWS's to their end.
const PATTERN: &str = concat!(
    r"([0-9+]*).dkr[.-]ecr(?:-fips)?\.([^/.]*)\.(amazonaws\.com[.cn]*|amazonaws\.eu",
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)"
);
const HOST_PATTERN: &str = concat!(
    r"^[0-9]+\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|amazonaws\.eu",
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)$"
);
const PUBLIC_HOST: &str = "public.ecr.aws";
/// The one region that gives logins of the public registry.
const PUBLIC_REGION: &str = "us-east-1";

/// A registry of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    pub(crate) region: String,
    is_public: bool,
}

/// Reads the region out of a host.
pub(crate) fn parse_registry(host: &str) -> Result<Registry, Error> {
    if host == PUBLIC_HOST {
        return Ok(Registry { region: PUBLIC_REGION.into(), is_public: true });
    }
    let invalid = || {
        let (cloud, pattern) = ("AWS", PATTERN.into());
        Error::Registry { cloud, host: host.into(), pattern }
    };
    let pattern = Regex::new(HOST_PATTERN).map_err(|_| invalid())?;
    let found = pattern.captures(host).ok_or_else(invalid)?;
    Ok(Registry { region: found[1].to_owned(), is_public: false })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    authorization_token: Secret,
    expires_at: f64,
}

/// Exchanges keys for a login.
pub(crate) async fn login(
    wire: &Wire<'_>,
    registry: &Registry,
    keys: &Keys,
) -> Result<Login, Error> {
    const WHAT: &str = "ECR GetAuthorizationToken";
    let region = &registry.region;
    let (usual, target, names, service) = if registry.is_public {
        (
            format!("https://api.ecr-public.{region}.amazonaws.com/"),
            "SpencerFrontendService.GetAuthorizationToken",
            ["AWS_ENDPOINT_URL_ECR_PUBLIC", "AWS_ENDPOINT_URL"],
            "ecr-public",
        )
    } else {
        (
            format!("https://api.ecr.{region}.{}/", domain(region)),
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            ["AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"],
            "ecr",
        )
    };
    let url = wire.surroundings.url(&names, &usual)?;
    let media_type = "application/x-amz-json-1.1";
    let mut ask = Ask::post(WHAT, url, media_type, b"{}".to_vec(), keys.secrets());
    ask.headers.insert("x-amz-target", HeaderValue::from_static(target));
    sign(&mut ask, keys, Scope { region, service }, wire.now)?;
    let answer: Value = wire.http.json(ask).await?;
    let malformed = |problem| Error::Malformed { what: WHAT.into(), problem };
    let data = answer.get("authorizationData");
    let data = if registry.is_public { data } else { data.and_then(|data| data.get(0)) };
    let data = data.ok_or_else(|| malformed("no authorization data returned"))?;
    let data = Data::deserialize(data).map_err(|_| malformed("authorization data is malformed"))?;
    let text = STANDARD.decode(data.authorization_token.reveal()).ok();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::from);
    let pair = text.as_ref().and_then(|text| text.reveal().split_once(':'));
    let (username, password) =
        pair.ok_or_else(|| malformed("invalid authorization token format"))?;
    #[expect(clippy::cast_possible_truncation, reason = "a time is far below what is cut")]
    let ends = Timestamp::from_second(data.expires_at as i64)
        .map_err(|_| malformed("authorization data is malformed"))?;
    Ok(Login { username: username.into(), password: password.to_owned().into(), ends })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(host: &str) -> String {
        parse_registry(host).map_or_else(|error| error.to_string(), |registry| registry.region)
    }

    #[test]
    fn the_region_is_in_the_host() {
        for (host, expected) in [
            ("012345678901.dkr.ecr.us-east-1.amazonaws.com", "us-east-1"),
            ("012345678901.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
            ("012345678901.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("public.ecr.aws", "us-east-1"),
        ] {
            assert_eq!(region(host), expected);
        }
        for host in [
            "gcr.io",
            "dkr.ecr",
            "127.0.0.1:5000",
            "x.public.ecr.aws",
            "1.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "1.dkr.ecr.us-east-1.amazonaws.com:5000",
            "1.dkr.ecr.us@east.amazonaws.com",
        ] {
            let expected = format!("invalid AWS registry: '{host}'. must match {PATTERN}");
            assert_eq!(region(host), expected);
        }
    }
}
