//! Envelopes in JSON: JWS with one signature (RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::envelope::{
    Envelope, Form, Found, HEADER_AUTHENTIC_TIME, HEADER_EXPIRY, HEADER_SCHEME, HEADER_TIME,
};

pub(super) const MEDIA_TYPE: &str = "application/jose+json";

/// Algorithms, by their names.
pub(super) const ALGORITHMS: [&str; 6] = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

#[derive(Deserialize)]
struct Json {
    payload: String,
    protected: String,
    signature: String,
    header: Unprotected,
}

#[derive(Deserialize)]
struct Unprotected {
    #[serde(default)]
    x5c: Vec<String>,
    #[serde(default, rename = "io.cncf.notary.timestampSignature")]
    timestamp: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, String> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let decode = |what: &str, text: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("{what} error: {error}"))
    };
    let protected: Map<String, Value> =
        serde_json::from_slice(&decode("protected header", &json.protected)?)
            .map_err(|error| format!("jws envelope protected header can't be decoded: {error}"))?;
    let text = |name: &str| protected.get(name).and_then(Value::as_str).unwrap_or_default();
    let algorithm = ALGORITHMS.into_iter().find(|known| *known == text("alg"));
    let certificates = json.header.x5c.iter().map(|text| STANDARD.decode(text));
    Ok(Envelope {
        form: Form::Jws,
        signed: format!("{}.{}", json.protected, json.payload).into_bytes(),
        signature: decode("signature", &json.signature)?,
        algorithm: algorithm.ok_or_else(|| {
            let name = artifact::text::quoted(text("alg"));
            format!("signature algorithm {name} is not supported")
        })?,
        content_type: text("cty").into(),
        payload: decode("payload", &json.payload)?,
        certificates: certificates
            .collect::<Result<_, _>>()
            .map_err(|error| format!("certificate chain: {error}"))?,
        headers: found(&protected)?.check()?,
        is_timestamped: json.header.timestamp.is_some(),
    })
}

fn found(protected: &Map<String, Value>) -> Result<Found, String> {
    let mut found = Found::default();
    for (name, value) in protected {
        match name.as_str() {
            "alg" | "cty" => {}
            "crit" => {
                let names =
                    value.as_array().into_iter().flatten().map(|name| {
                        name.as_str().map(str::to_owned).ok_or("crit header is malformed")
                    });
                found.critical = names.collect::<Result<_, _>>()?;
            }
            HEADER_SCHEME => found.scheme = value.as_str().unwrap_or_default().into(),
            HEADER_TIME => found.time = time(name, value)?,
            HEADER_AUTHENTIC_TIME => found.authentic_time = time(name, value)?,
            HEADER_EXPIRY => found.expiry = time(name, value)?,
            other => found.others.push(other.into()),
        }
    }
    Ok(found)
}

fn time(name: &str, value: &Value) -> Result<Option<Timestamp>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            text.parse().map(Some).map_err(|error| format!("header {name}: {error}"))
        }
        _ => Err(format!("header {name} is no time")),
    }
}
