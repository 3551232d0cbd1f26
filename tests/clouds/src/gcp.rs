//! The metadata server, token exchange and service accounts of Google Cloud.

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::asked::{Asked, agree, is_account_token, refuse, signed_claims};
use crate::known::{BEARER, EMAIL, PROVIDER};

/// What stands in for a scope in a token that is good for acting as somebody else only.
const EXCHANGED: &str = "exchange";

pub(crate) fn answer(asked: &Asked) -> Option<Response> {
    let metadata = asked.path.strip_prefix("/computeMetadata/v1/");
    let account = format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    Some(match (asked.host.as_str(), asked.path.as_str(), metadata) {
        ("169.254.169.254" | "metadata.example.com", _, Some(path)) => around(asked, path),
        ("sts.googleapis.com", "/v1/token", _) => exchange(asked),
        ("oauth2.googleapis.com", "/token", _) => by_key(asked),
        ("iamcredentials.googleapis.com", path, _) if path == account => act_as(asked),
        _ => return None,
    })
}

fn around(asked: &Asked, path: &str) -> Response {
    if asked.header("metadata-flavor") != "Google" {
        return refuse(403, &json!({}));
    }
    match path {
        "instance/service-accounts/default/token" => {
            token(asked, &asked.parameter("scopes").replace(',', " "))
        }
        "project/project-id" => "project".into_response(),
        "instance/attributes/cluster-location" => "europe-west1".into_response(),
        "instance/attributes/cluster-name" => "cluster\n".into_response(),
        _ => refuse(404, &json!({})),
    }
}

fn token(asked: &Asked, scope: &str) -> Response {
    agree(&json!({"access_token": format!("{BEARER}{scope}"), "expires_in": asked.life_seconds}))
}

fn exchange(asked: &Asked) -> Response {
    let (audience, subject) = (asked.field("audience"), asked.field("subject_token"));
    let provider = format!("//iam.googleapis.com/{PROVIDER}");
    let cluster = "identitynamespace:project.svc.id.goog:https://container.googleapis.com/v1/\
                   projects/project/locations/europe-west1/clusters/cluster";
    let trusted = (audience == provider && is_account_token(&subject, &provider))
        || (audience == cluster && is_account_token(&subject, "project.svc.id.goog"));
    let well_formed = asked.field("grant_type")
        == "urn:ietf:params:oauth:grant-type:token-exchange"
        && asked.field("requested_token_type") == "urn:ietf:params:oauth:token-type:access_token"
        && asked.field("subject_token_type") == "urn:ietf:params:oauth:token-type:jwt";
    if !trusted || !well_formed {
        let text = format!("The given credential is rejected: {subject}");
        return refuse(400, &json!({"error": "invalid_grant", "error_description": text}));
    }
    let scope = asked.field("scope");
    // Whoever asks for one scope only is about to act as somebody else.
    token(asked, if scope.contains(' ') { &scope } else { EXCHANGED })
}

/// A token for whoever has the service account's key.
fn by_key(asked: &Asked) -> Response {
    let claims = signed_claims(&asked.field("assertion")).unwrap_or_default();
    let known = asked.field("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        && claims["iss"] == EMAIL
        && claims["aud"] == "https://oauth2.googleapis.com/token";
    match claims["scope"].as_str() {
        Some(scope) if known => token(asked, scope),
        _ => refuse(401, &json!({"error": "invalid_grant"})),
    }
}

fn act_as(asked: &Asked) -> Response {
    let body: Value = asked.json();
    if asked.header("authorization") != format!("Bearer {BEARER}{EXCHANGED}") {
        return refuse(403, &json!({"error": {"status": "PERMISSION_DENIED", "message": "no"}}));
    }
    let scopes: Vec<_> =
        body["scope"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let token = format!("{BEARER}{}", scopes.join(" "));
    agree(&json!({"accessToken": token, "expireTime": asked.ends()}))
}
