//! Entra ID, managed identities, and the token exchange of registries.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::asked::{Asked, agree, is_account_token, refuse, signed_claims};
use crate::known::{BEARER, CLIENT, CLIENT_PASSWORD, PASSWORD, TENANT};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) fn answer(asked: &Asked) -> Option<Response> {
    let tenant = format!("/{TENANT}/oauth2/v2.0/token");
    Some(match (asked.host.as_str(), asked.path.as_str()) {
        ("login.microsoftonline.com" | "login.example.com", path) if path == tenant => token(asked),
        ("169.254.169.254", "/metadata/identity/oauth2/token") => managed(asked),
        (host, "/oauth2/exchange") if host.ends_with(".azurecr.io") => exchange(asked),
        _ => return None,
    })
}

fn token(asked: &Asked) -> Response {
    let assertion = asked.field("client_assertion");
    let proven = if assertion.is_empty() {
        asked.field("client_secret") == CLIENT_PASSWORD
    } else {
        asked.field("client_assertion_type") == ASSERTION
            && (is_account_token(&assertion, "api://AzureADTokenExchange")
                || is_application(asked, &assertion))
    };
    let known = asked.field("client_id") == CLIENT
        && asked.field("grant_type") == "client_credentials"
        && asked.field("scope").ends_with("/.default");
    if !known || !proven {
        let secret = asked.field("client_secret");
        let text = format!("AADSTS70021: no match for {assertion}{secret}");
        return refuse(401, &json!({"error": "invalid_client", "error_description": text}));
    }
    let scope = asked.field("scope");
    agree(&json!({"access_token": format!("{BEARER}{scope}"), "expires_in": asked.life_seconds}))
}

/// Whether the application says so itself, by its certificate.
fn is_application(asked: &Asked, assertion: &str) -> bool {
    let audience = format!("https://{}{}", asked.host, asked.path);
    signed_claims(assertion).is_some_and(|claims| {
        claims["iss"] == CLIENT && claims["sub"] == CLIENT && claims["aud"] == audience
    })
}

fn managed(asked: &Asked) -> Response {
    let id = asked.parameter("client_id");
    let known = asked.header("metadata") == "true"
        && asked.parameter("api-version") == "2018-02-01"
        && (id.is_empty() || id == CLIENT);
    if !known {
        return refuse(400, &json!({"error": "invalid_request"}));
    }
    let token = format!("{BEARER}{}/.default", asked.parameter("resource"));
    agree(&json!({"access_token": token, "expires_in": asked.life_seconds.to_string()}))
}

fn exchange(asked: &Asked) -> Response {
    let bearer = format!("{BEARER}https://containerregistry.azure.net/.default");
    let known = asked.field("grant_type") == "access_token"
        && asked.field("service") == asked.host
        && asked.field("access_token") == bearer;
    if !known {
        return refuse(401, &json!({"errors": [{"code": "UNAUTHORIZED"}]}));
    }
    let claims = json!({"exp": asked.ends().as_second()}).to_string();
    let token = format!("{PASSWORD}.{}.signature", URL_SAFE_NO_PAD.encode(claims));
    agree(&json!({"refresh_token": token}))
}
