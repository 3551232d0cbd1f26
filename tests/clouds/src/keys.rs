//! Key services: AWS KMS, Google Cloud KMS, Azure Key Vault and Vault's transit engine.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::asked::{Asked, agree, is_account_token, refuse};
use crate::aws::check_signature;
use crate::known::{
    AZURE_VAULT, BEARER, GCP_KEY, KMS_KEY, KMS_PURPOSE, VAULT, VAULT_TOKEN, WRAPPED,
};

pub(crate) fn answer(asked: &Asked) -> Option<Response> {
    let gcp = format!("/v1/{GCP_KEY}:decrypt");
    let vault = VAULT.strip_prefix("https://").unwrap();
    let azure = AZURE_VAULT.strip_prefix("https://").unwrap();
    Some(match (asked.host.as_str(), asked.path.as_str()) {
        ("kms.eu-central-1.amazonaws.com", "/") => aws(asked),
        ("cloudkms.googleapis.com", path) if path == gcp => google(asked),
        (host, "/keys/shop/1/decrypt") if host == azure => azure_vault(asked),
        (host, "/v1/sops/transit/decrypt/shop") if host == vault => transit(asked),
        (host, "/v1/auth/cluster/login") if host == vault => login(asked),
        _ => return None,
    })
}

/// What was wrapped; the services of the real world do more for it.
fn unwrapped(wrapped: &[u8]) -> Option<&[u8]> {
    wrapped.strip_prefix(WRAPPED.as_bytes())
}

fn aws(asked: &Asked) -> Response {
    if let Err(problem) = check_signature(asked, "kms", "eu-central-1") {
        let message = format!("{problem}: {:?}", asked.headers);
        return refuse(403, &json!({"__type": "SignatureDoesNotMatch", "message": message}));
    }
    let body = asked.json();
    let fits = asked.header("x-amz-target") == "TrentService.Decrypt"
        && body["KeyId"] == KMS_KEY
        && body["EncryptionContext"] == json!({"purpose": KMS_PURPOSE});
    let blob = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap_or_default());
    match (fits, blob.ok().as_deref().and_then(unwrapped)) {
        (true, Some(plain)) => agree(&json!({"Plaintext": STANDARD.encode(plain)})),
        _ => refuse(400, &json!({"__type": "InvalidCiphertextException", "message": "no"})),
    }
}

fn google(asked: &Asked) -> Response {
    let authorised = asked.header("authorization").starts_with(&format!("Bearer {BEARER}"));
    let body = asked.json();
    let blob = STANDARD.decode(body["ciphertext"].as_str().unwrap_or_default());
    match (authorised, blob.ok().as_deref().and_then(unwrapped)) {
        (true, Some(plain)) => agree(&json!({"plaintext": STANDARD.encode(plain)})),
        _ => refuse(403, &json!({"error": {"status": "PERMISSION_DENIED", "message": "no"}})),
    }
}

fn azure_vault(asked: &Asked) -> Response {
    let bearer = format!("Bearer {BEARER}https://vault.azure.net/.default");
    let body = asked.json();
    let fits = asked.header("authorization") == bearer
        && asked.parameter("api-version") == "7.4"
        && body["alg"] == "RSA-OAEP-256";
    let value = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap_or_default());
    match (fits, value.ok().as_deref().and_then(unwrapped)) {
        (true, Some(plain)) => agree(&json!({"value": URL_SAFE_NO_PAD.encode(plain)})),
        _ => refuse(403, &json!({"error": {"code": "Forbidden", "message": "no"}})),
    }
}

fn transit(asked: &Asked) -> Response {
    let body: Value = asked.json();
    let blob = body["ciphertext"].as_str().and_then(|text| text.strip_prefix("vault:v1:"));
    let blob = blob.and_then(|blob| STANDARD.decode(blob).ok());
    match (asked.header("x-vault-token") == VAULT_TOKEN, blob.as_deref().and_then(unwrapped)) {
        (true, Some(plain)) => agree(&json!({"data": {"plaintext": STANDARD.encode(plain)}})),
        _ => refuse(403, &json!({"errors": ["permission denied"]})),
    }
}

fn login(asked: &Asked) -> Response {
    let body = asked.json();
    let known = is_account_token(body["jwt"].as_str().unwrap_or_default(), VAULT)
        && body["role"].as_str().is_some_and(|role| role.ends_with("_shop"));
    if known {
        return agree(&json!({"auth": {"client_token": VAULT_TOKEN}}));
    }
    refuse(403, &json!({"errors": [format!("no role for {}", body["jwt"])]}))
}
