//! One request, read.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::{Timestamp, ToSpan as _};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    pub(crate) life_seconds: i64,
}

impl Asked {
    pub(crate) fn new(parts: &Parts, body: Bytes, life_seconds: i64) -> Self {
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers: BTreeMap<_, _> =
            parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Self {
            method: parts.method.to_string(),
            host: parts.headers.get(header::HOST).map(text).unwrap_or_default(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
            life_seconds,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A field of a form in the body.
    pub(crate) fn field(&self, name: &str) -> String {
        parameter(&String::from_utf8_lossy(&self.body), name)
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> String {
        parameter(&self.query, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// When what is given now ends.
    pub(crate) fn ends(&self) -> Timestamp {
        Timestamp::now() + self.life_seconds.seconds()
    }
}

fn parameter(text: &str, name: &str) -> String {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| unescape(key) == name).map(|(_, value)| unescape(value)).collect()
}

pub(crate) fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next().unwrap_or(b'x'), bytes.next().unwrap_or(b'x')];
                out.extend(hex::decode(digits).unwrap_or_default());
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a token is one of a ServiceAccount for an audience. Who signed it is the cluster's
/// business; the clouds ask it, and this imitation does not.
pub(crate) fn is_account_token(token: &str, audience: &str) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|c| serde_json::from_slice(&c).ok()).unwrap_or_default();
    let subject = claims["sub"].as_str().unwrap_or_default();
    subject.starts_with("system:serviceaccount:") && claims["aud"] == json!([audience])
}

/// The claims of a token that the application's key signed.
pub(crate) fn signed_claims(token: &str) -> Option<Value> {
    const PUBLIC: &[u8] = include_bytes!("../keys/public.der");
    let (text, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC)
        .verify(text.as_bytes(), &signature)
        .ok()?;
    let claims = URL_SAFE_NO_PAD.decode(text.split_once('.')?.1).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    (claims["exp"].as_i64()? > Timestamp::now().as_second()).then_some(claims)
}

pub(crate) fn refuse(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

pub(crate) fn agree(body: &Value) -> Response {
    body.to_string().into_response()
}
