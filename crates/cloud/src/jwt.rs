//! JSON web tokens: signing our own, reading when another's ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::Secret;

/// How long an application's word about itself is good.
const ASSERTION_SECONDS: i64 = 600;

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

/// Says who an application is, signed by the key of its certificate; both are PEM.
pub(crate) fn by_certificate(
    document: &Secret,
    client: &str,
    audience: &str,
    now: Timestamp,
) -> Result<Secret, Error> {
    let malformed = |problem| Error::Malformed { what: "client certificate".into(), problem };
    let blocks = pem::parse_many(document.reveal()).map_err(|_| malformed("it is no PEM"))?;
    let find = |tag: &str| blocks.iter().find(|block| block.tag().ends_with(tag));
    let certificate = find("CERTIFICATE").ok_or_else(|| malformed("there is no certificate"))?;
    let key = find("PRIVATE KEY").ok_or_else(|| malformed("there is no private key"))?;
    // A name for the certificate, which is how the service finds it.
    let print = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.contents());
    let header = json!({"alg": "RS256", "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(print)});
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| malformed("there is no randomness"))?;
    let claims = json!({
        "aud": audience,
        "iss": client,
        "sub": client,
        "jti": URL_SAFE_NO_PAD.encode(id),
        "nbf": now.as_second(),
        "exp": now.as_second() + ASSERTION_SECONDS,
    });
    let key = Zeroizing::new(pem::encode(key));
    sign(&key, &header, &claims)
}

/// When a token ends, by its own word; nobody is trusted for it.
pub(crate) fn ends(token: &str) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}
