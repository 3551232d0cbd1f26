//! Who may come in.

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::CANARY;
use crate::answer::{Asked, KINDS, refuse, refuse_with};
use crate::server::Guard;
use crate::state::State;

/// Whether a request carries credentials or a token that is valid.
pub(crate) fn authorised(state: &State, asked: &Asked) -> bool {
    let header = asked.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match &state.guard {
        Guard::Open => header.is_some(),
        Guard::Basic(user, password) => header == Some(&basic(user, password)),
        Guard::Bearer(..) => header
            .and_then(|header| header.strip_prefix("Bearer "))
            .is_some_and(|token| state.held().tokens.contains(token)),
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Says how to authorise.
pub(crate) fn challenge(state: &State, path: &str) -> Response {
    let mut name = path;
    for kind in KINDS {
        name = name.split_once(kind).map_or(name, |(name, _)| name);
    }
    let detail = json!([{"Type": "repository", "Class": "", "Name": name, "Action": "pull"}]);
    let mut response = refuse_with(401, "UNAUTHORIZED", "authentication required", &detail);
    let text = match &state.guard {
        Guard::Bearer(..) => format!(
            "Bearer realm=\"{}/token\",service=\"registry\",scope=\"repository:{name}:pull\"",
            state.base
        ),
        _ => "Basic realm=\"registry\"".into(),
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, text.parse().unwrap());
    response
}

/// Gives a token to who knows the password, or shows it as a refresh token.
pub(crate) fn token(state: &State, asked: &Asked) -> Response {
    let Guard::Bearer(user, password) = &state.guard else {
        return refuse(404, "NOT_FOUND", "no token service");
    };
    let header = asked.headers.get(header::AUTHORIZATION);
    let by_password = header.is_some_and(|header| header == basic(user, password).as_str());
    let form = String::from_utf8_lossy(&asked.body);
    let by_refresh = asked.method == Method::POST
        && form.split('&').any(|pair| pair == format!("refresh_token={password}"));
    if !by_password && !by_refresh {
        return refuse(401, "UNAUTHORIZED", "wrong credentials");
    }
    let mut held = state.held();
    held.issued += 1;
    let token = format!("{CANARY}-{}", held.issued);
    held.tokens.insert(token.clone());
    json!({"token": token, "expires_in": state.token_life_seconds}).to_string().into_response()
}
