//! STS, ECR, and what is around a process on AWS.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use serde_json::json;

use crate::asked::{Asked, agree, is_account_token, refuse};
use crate::known::{CONTAINER_TOKEN, KEY_ID, KEY_SECRET, KEY_SESSION, PASSWORD, ROLE};

const INSTANCE_TOKEN: &str = "canary-instance-token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(crate) fn answer(asked: &Asked) -> Option<Response> {
    let labels: Vec<_> = asked.host.split('.').collect();
    Some(match (labels.as_slice(), asked.path.as_str()) {
        (["sts", region, "amazonaws", "com"], "/") => assume(asked, region),
        (["api", service @ ("ecr" | "ecr-public"), region, "amazonaws", "com"], "/") => {
            login(asked, service, region)
        }
        (["169", "254", "170", "2"], "/container") => container(asked),
        (["169", "254", "169", "254"], path) if path.starts_with("/latest/") => instance(asked),
        _ => return None,
    })
}

fn assume(asked: &Asked, region: &str) -> Response {
    let token = asked.field("WebIdentityToken");
    let proven = match asked.field("Action").as_str() {
        "AssumeRoleWithWebIdentity" => is_account_token(&token, "sts.amazonaws.com"),
        "AssumeRole" => check_signature(asked, "sts", region).is_ok(),
        _ => false,
    };
    let known = proven
        && asked.field("Version") == "2011-06-15"
        && asked.field("RoleArn") == ROLE
        && (2..=64).contains(&asked.field("RoleSessionName").len());
    if !known {
        let text = format!(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized: {token}\
             </Message></Error></ErrorResponse>"
        );
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <SessionToken>{KEY_SESSION}</SessionToken><SecretAccessKey>{KEY_SECRET}</SecretAccessKey>\
         <Expiration>{}</Expiration><AccessKeyId>{KEY_ID}</AccessKeyId></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        asked.ends()
    )
    .into_response()
}

fn keys(asked: &Asked) -> Response {
    agree(&json!({
        "Code": "Success",
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": KEY_SECRET,
        "Token": KEY_SESSION,
        "Expiration": asked.ends(),
    }))
}

fn container(asked: &Asked) -> Response {
    if asked.header("authorization") == CONTAINER_TOKEN {
        return keys(asked);
    }
    refuse(401, &json!({"message": "who are you?"}))
}

fn instance(asked: &Asked) -> Response {
    if asked.path == "/latest/api/token" {
        let life = asked.header("x-aws-ec2-metadata-token-ttl-seconds");
        if asked.method == "PUT" && life.parse::<u32>().is_ok() {
            return INSTANCE_TOKEN.into_response();
        }
        return refuse(400, &json!({}));
    }
    if asked.header("x-aws-ec2-metadata-token") != INSTANCE_TOKEN {
        return refuse(401, &json!({}));
    }
    match asked.path.strip_prefix(ROLES) {
        Some("") => "node-role\n".into_response(),
        Some("node-role") => keys(asked),
        _ => refuse(404, &json!({})),
    }
}

fn login(asked: &Asked, service: &str, region: &str) -> Response {
    let (target, public) = match service {
        "ecr" => ("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", false),
        _ => ("SpencerFrontendService.GetAuthorizationToken", true),
    };
    if let Err(problem) = check_signature(asked, service, region) {
        // As the real one does, it shows what it made of the request.
        let message = format!("{problem}: {:?}", asked.headers);
        return refuse(403, &json!({"__type": "SignatureDoesNotMatch", "message": message}));
    }
    if asked.header("x-amz-target") != target || asked.json() != json!({}) {
        return refuse(400, &json!({"__type": "UnknownOperationException"}));
    }
    let token = STANDARD.encode(format!("AWS:{PASSWORD}-{region}"));
    let data = json!({"authorizationToken": token, "expiresAt": asked.ends().as_second()});
    let data = if public { data } else { json!([data]) };
    agree(&json!({"authorizationData": data}))
}

/// Signature version 4, worked out anew from what arrived.
pub(crate) fn check_signature(asked: &Asked, service: &str, region: &str) -> Result<(), String> {
    let header = asked.header("authorization");
    let rest = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("no signature")?;
    let mut parts = std::collections::BTreeMap::new();
    for part in rest.split(", ") {
        let (name, value) = part.split_once('=').ok_or("malformed signature")?;
        parts.insert(name, value);
    }
    let get = |name: &str| parts.get(name).copied().ok_or(format!("no {name}"));
    let time = asked.header("x-amz-date");
    let date = time.get(..8).ok_or("no date")?;
    let place = format!("{date}/{region}/{service}/aws4_request");
    if get("Credential")? != format!("{KEY_ID}/{place}") {
        return Err("other credential".into());
    }
    let names = get("SignedHeaders")?;
    let signed: Vec<_> = names.split(';').collect();
    for (name, _) in asked.headers.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
        if !signed.contains(&name.as_str()) {
            return Err(format!("{name} is not signed"));
        }
    }
    if !signed.contains(&"host") || asked.header("x-amz-security-token") != KEY_SESSION {
        return Err("no host or session".into());
    }
    let lines: Vec<_> =
        signed.iter().map(|name| format!("{name}:{}", asked.header(name))).collect();
    let lines = lines.join("\n") + "\n";
    let sha = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
    let canonical =
        [&asked.method, &asked.path, &asked.query, &lines, names, &sha(&asked.body)].join("\n");
    let expected = signature(time, &place, &sha(canonical.as_bytes()));
    if get("Signature")? == expected { Ok(()) } else { Err("other signature".into()) }
}

fn signature(time: &str, place: &str, hash: &str) -> String {
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{hash}");
    let mut key = format!("AWS4{KEY_SECRET}").into_bytes();
    for part in place.split('/').chain([text.as_str()]) {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
        key = mac.as_ref().to_vec();
    }
    hex::encode(key)
}

/// The signature of an address, worked out anew from what arrived: with exactly these headers, for a
/// quarter of an hour at most.
pub(crate) fn check_presigned(
    asked: &Asked,
    service: &str,
    region: &str,
    headers: &[&str],
) -> Result<(), String> {
    let (signed, given) = asked.query.rsplit_once("&X-Amz-Signature=").ok_or("no signature")?;
    let time = asked.parameter("X-Amz-Date");
    let date = time.get(..8).ok_or("no date")?;
    let place = format!("{date}/{region}/{service}/aws4_request");
    let seconds: u32 = asked.parameter("X-Amz-Expires").parse().map_err(|_| "no end")?;
    let is_ours = asked.parameter("X-Amz-Credential") == format!("{KEY_ID}/{place}")
        && asked.parameter("X-Amz-Security-Token") == KEY_SESSION
        && asked.parameter("X-Amz-SignedHeaders") == headers.join(";")
        && asked.parameter("Action") == "GetCallerIdentity"
        && seconds <= 900;
    if !is_ours {
        return Err("other question".into());
    }
    let mut pairs: Vec<_> = signed.split('&').collect();
    pairs.sort_unstable();
    let line = |name: &&str| format!("{name}:{}\n", asked.header(name));
    let lines: String = headers.iter().map(line).collect();
    let sha = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
    let (query, names) = (pairs.join("&"), headers.join(";"));
    let canonical = ["GET", &asked.path, &query, &lines, &names, &sha(&asked.body)].join("\n");
    let expected = signature(&time, &place, &sha(canonical.as_bytes()));
    if given == expected { Ok(()) } else { Err("other signature".into()) }
}
