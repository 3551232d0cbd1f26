//! Key services: they unwrap what they wrapped, for whoever may (kustomization.md, 8).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

pub use crate::aws::Keys as AwsKeys;
use crate::aws::sign::{Scope, sign};
pub use crate::azure::Application as AzureApplication;
use crate::clouds::{Clouds, Token};
use crate::error::Error;
use crate::http::Ask;
use crate::secret::Secret;
use crate::who::Who;
use crate::{aws, gcp};

/// Whose credentials a service is shown: those that are given, else those of an identity.
pub struct Asker<'a, C> {
    /// Credentials of a Secret.
    pub given: Option<&'a C>,
    /// Who asks without.
    pub who: &'a Who,
}

/// A key of AWS KMS.
pub struct AwsKey<'a> {
    /// Its ARN, which holds its region.
    pub arn: &'a str,
    /// The role that may use it; empty when the asker may.
    pub role: &'a str,
    /// What it is told beside the ciphertext.
    pub context: &'a [(String, String)],
}

/// A key of Azure Key Vault.
pub struct AzureKey<'a> {
    /// The vault.
    pub vault_url: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its version; the newest when empty.
    pub version: &'a str,
}

const ARN_PATTERN: &str = r"^arn:aws[\w-]*:kms:[a-z0-9-]+:[0-9]+:(key|alias)/.+$";
/// Where vaults are, and what tokens for them are for. Nobody else is shown a token: the address
/// stands in a document.
const VAULTS: [(&str, &str); 5] = [
    (".vault.azure.net", "https://vault.azure.net/.default"),
    (".vault.azure.cn", "https://vault.azure.cn/.default"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"),
    (".vault.microsoftazure.de", "https://vault.microsoftazure.de/.default"),
    (".managedhsm.azure.net", "https://managedhsm.azure.net/.default"),
];
const GCP_PATTERN: &str =
    "^projects/[^/?#]+/locations/[^/?#]+/keyRings/[^/?#]+/cryptoKeys/[^/?#]+$";

#[derive(Deserialize)]
struct AwsAnswer {
    #[serde(rename = "Plaintext")]
    plaintext: Secret,
}

#[derive(Deserialize)]
struct GcpAnswer {
    plaintext: Secret,
}

#[derive(Deserialize)]
struct AzureAnswer {
    value: Secret,
}

fn malformed(what: &'static str, problem: &'static str) -> Error {
    Error::Malformed { what: what.into(), problem }
}

impl Clouds {
    /// What a key of AWS KMS wrapped, in base64.
    pub async fn aws_unwrap(
        &self,
        asker: Asker<'_, AwsKeys>,
        key: &AwsKey<'_>,
        wrapped: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        const WHAT: &str = "AWS KMS Decrypt";
        if !aws::matches(ARN_PATTERN, key.arn) {
            return Err(malformed(WHAT, "no valid ARN"));
        }
        let region = key.arn.split(':').nth(3).unwrap_or_default();
        let mut keys = match asker.given {
            Some(keys) => keys.clone(),
            None => self.aws(asker.who, region).await?,
        };
        let wire = self.wire();
        if !key.role.is_empty() {
            keys = aws::take_role(&wire, region, key.role, &keys).await?;
        }
        let usual = format!("https://kms.{region}.{}/", aws::domain(region));
        let url = wire.surroundings.url(&["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"], &usual)?;
        let context: serde_json::Map<_, _> =
            key.context.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let mut body = json!({"KeyId": key.arn, "CiphertextBlob": wrapped});
        if !context.is_empty() {
            body["EncryptionContext"] = context.into();
        }
        let secrets = keys.secrets();
        let media_type = "application/x-amz-json-1.1";
        let mut ask = Ask::post(WHAT, url, media_type, body.to_string().into_bytes(), secrets);
        ask.headers.insert("x-amz-target", HeaderValue::from_static("TrentService.Decrypt"));
        sign(&mut ask, &keys, Scope { region, service: "kms" }, wire.now)?;
        let answer: AwsAnswer = wire.http.json(ask).await?;
        decoded(WHAT, STANDARD.decode(answer.plaintext.reveal()))
    }

    /// What a key of Google Cloud KMS wrapped, in base64; `given` is a service account's key in
    /// JSON.
    pub async fn gcp_unwrap(
        &self,
        asker: Asker<'_, Secret>,
        resource: &str,
        wrapped: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        const WHAT: &str = "GCP KMS decrypt";
        if !aws::matches(GCP_PATTERN, resource) {
            return Err(malformed(WHAT, "no valid resource"));
        }
        let wire = self.wire();
        let bearer = match asker.given {
            Some(document) => gcp::from_document(&wire, document).await?,
            None => self.gcp(asker.who).await?,
        };
        let address = format!("https://cloudkms.googleapis.com/v1/{resource}:decrypt");
        let url = Url::parse(&address).map_err(|_| malformed(WHAT, "no valid resource"))?;
        let body = json!({"ciphertext": wrapped});
        let ask = with_bearer(Ask::json(WHAT, url, &body, vec![bearer.value.reveal()]), &bearer)?;
        let answer: GcpAnswer = wire.http.json(ask).await?;
        decoded(WHAT, STANDARD.decode(answer.plaintext.reveal()))
    }

    /// What a key of Azure Key Vault wrapped, in base64 as addresses have it.
    pub async fn azure_unwrap(
        &self,
        asker: Asker<'_, AzureApplication>,
        key: &AzureKey<'_>,
        wrapped: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        const WHAT: &str = "Azure Key Vault decrypt";
        let invalid = || malformed(WHAT, "no valid vault");
        let mut url = Url::parse(key.vault_url).map_err(|_| invalid())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let known = VAULTS.iter().find(|(suffix, _)| host.ends_with(suffix));
        let (_, scope) = known.filter(|_| url.scheme() == "https").ok_or_else(invalid)?;
        let wire = self.wire();
        let bearer = match asker.given {
            Some(application) => application.token(&wire, scope).await?,
            None => self.azure(asker.who, scope).await?,
        };
        let path = ["keys", key.name, key.version, "decrypt"];
        let path = path.iter().filter(|part| !part.is_empty());
        url.path_segments_mut().map_err(|()| invalid())?.clear().extend(path);
        url.query_pairs_mut().clear().append_pair("api-version", "7.4");
        let body = json!({"alg": "RSA-OAEP-256", "value": wrapped});
        let ask = with_bearer(Ask::json(WHAT, url, &body, vec![bearer.value.reveal()]), &bearer)?;
        let answer: AzureAnswer = wire.http.json(ask).await?;
        decoded(WHAT, URL_SAFE_NO_PAD.decode(answer.value.reveal()))
    }
}

fn with_bearer<'a>(ask: Ask<'a>, bearer: &Token) -> Result<Ask<'a>, Error> {
    let header = Zeroizing::new(format!("Bearer {}", bearer.value.reveal()));
    ask.header("authorization", &header)
}

fn decoded(
    what: &'static str,
    bytes: Result<Vec<u8>, base64::DecodeError>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    bytes.map(Zeroizing::new).map_err(|_| malformed(what, "the answer is not what it should be"))
}
