//! JSON web tokens: signing our own, reading when another's ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::Value;

use crate::error::Error;
use crate::secret::Secret;

/// Signs claims with an RSA key in PEM (RS256).
pub(crate) fn sign(key: &str, header: &Value, claims: &Value) -> Result<Secret, Error> {
    let malformed = |problem| Error::Malformed { what: "private key".into(), problem };
    let pem = pem::parse(key).map_err(|_| malformed("it is no PEM"))?;
    let pair = match pem.tag() {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(pem.contents()),
        _ => RsaKeyPair::from_pkcs8(pem.contents()),
    };
    let pair = pair.map_err(|_| malformed("it is no RSA key"))?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .map_err(|_| malformed("it does not sign"))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}

/// When a token ends, by its own word; nobody is trusted for it.
pub(crate) fn ends(token: &str) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}
