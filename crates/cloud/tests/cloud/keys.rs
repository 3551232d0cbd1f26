//! Key services, for every way to an identity.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloud::keys::{Asker, AwsKey, AwsKeys, AzureApplication, AzureKey};
use cloud::vault::{VaultKey, VaultLogin};
use cloud::who::{Account, Identity};
use cloud::{Secret, Who};
use clouds::{Imitation, known};
use zeroize::Zeroizing;

use crate::scene::{account, clouds, explain, who};

const PLAIN: &[u8] = b"canary data key of thirty-two by";

fn wrapped() -> Vec<u8> {
    [known::WRAPPED.as_bytes(), PLAIN].concat()
}

/// `-`, or why it was not unwrapped; that shows nothing.
fn shown(unwrapped: Result<Zeroizing<Vec<u8>>, cloud::Error>) -> String {
    let text = match unwrapped {
        Ok(plain) => {
            assert_eq!(*plain, PLAIN);
            return "-".into();
        }
        Err(error) => explain(&error),
    };
    assert!(!text.contains("canary"), "{text}");
    text
}

fn as_account(who: &Who) -> &Account {
    match &who.identity {
        Identity::Account(account) => account,
        Identity::Ambient => unreachable!("it is an account's"),
    }
}

#[tokio::test]
async fn aws_unwraps_for_given_keys_accounts_and_roles() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let text = STANDARD.encode(wrapped());
    let context = [("purpose".to_owned(), known::KMS_PURPOSE.to_owned())];
    let secret = |text: &str| Secret::from(text.to_owned());
    let given = AwsKeys::new(
        known::KEY_ID.into(),
        secret(known::KEY_SECRET),
        Some(secret(known::KEY_SESSION)),
    );
    let shop = account("shop", &[("eks.amazonaws.com/role-arn", known::ROLE)]);
    let ambient = who(Identity::Ambient);
    let kms = "POST kms.eu-central-1.amazonaws.com/";
    let sts = "POST sts.eu-central-1.amazonaws.com/";
    for (given, who, role, requests) in [
        (Some(&given), &ambient, "", vec![kms]),
        (None, &shop, "", vec![sts, kms]),
        (Some(&given), &ambient, known::ROLE, vec![sts, kms]),
    ] {
        let before = imitation.log().len();
        let key = AwsKey { arn: known::KMS_KEY, role, context: &context };
        let asker = Asker { given, who };
        assert_eq!(shown(clouds.aws_unwrap(asker, &key, &text).await), "-");
        assert_eq!(imitation.log()[before..], requests);
    }
    let asker = || Asker { given: Some(&given), who: &ambient };
    let other = AwsKey { arn: known::KMS_KEY, role: "", context: &[] };
    let refused = shown(clouds.aws_unwrap(asker(), &other, &text).await);
    assert_eq!(refused, "AWS KMS Decrypt: status 400: InvalidCiphertextException: no");
    let before = imitation.log().len();
    for arn in ["", "arn:aws:kms:eu.evil.example/:1:key/x", "arn:aws:s3:::x"] {
        let key = AwsKey { arn, role: "", context: &[] };
        let refused = shown(clouds.aws_unwrap(asker(), &key, &text).await);
        assert_eq!(refused, "AWS KMS Decrypt: no valid ARN");
    }
    assert_eq!(imitation.log().len(), before);
}

#[tokio::test]
async fn google_unwraps_for_processes_and_accounts() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let text = STANDARD.encode(wrapped());
    let provider = ("gcp.auth.fluxcd.io/workload-identity-provider", known::PROVIDER);
    for who in [who(Identity::Ambient), account("direct", &[provider])] {
        let asker = Asker { given: None, who: &who };
        assert_eq!(shown(clouds.gcp_unwrap(asker, known::GCP_KEY, &text).await), "-");
    }
    let ambient = who(Identity::Ambient);
    let (key, _) = known::CLIENT_PEM.split_at(known::CLIENT_PEM.find("-----BEGIN CERT").unwrap());
    let document = serde_json::json!({
        "type": "service_account", "client_email": known::EMAIL, "private_key": key,
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    let given = Secret::from(document.to_string());
    let asker = Asker { given: Some(&given), who: &who(Identity::Ambient) };
    assert_eq!(shown(clouds.gcp_unwrap(asker, known::GCP_KEY, &text).await), "-");
    assert!(imitation.log().contains(&"POST oauth2.googleapis.com/token".to_owned()));
    let refuse = async |given: Option<&Secret>, resource: &str| {
        let asker = Asker { given, who: &ambient };
        shown(clouds.gcp_unwrap(asker, resource, &text).await)
    };
    assert_eq!(refuse(None, "projects/x/../y").await, "GCP KMS decrypt: no valid resource");
    let given = Secret::from("{\"type\": \"canary\"}".to_owned());
    let problem = "Google credentials: neither a service account's key nor an external account";
    assert_eq!(refuse(Some(&given), known::GCP_KEY).await, problem);
}

#[tokio::test]
async fn azure_unwraps_for_applications_and_accounts_and_in_its_own_vaults() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let text = URL_SAFE_NO_PAD.encode(wrapped());
    let (tenant, client) = (known::TENANT.to_owned(), known::CLIENT.to_owned());
    let password = known::CLIENT_PASSWORD.to_owned().into();
    let pem = known::CLIENT_PEM.to_owned().into();
    let certified =
        AzureApplication::Certificate { tenant: tenant.clone(), client: client.clone(), pem };
    let application = AzureApplication::Password { tenant, client: client.clone(), password };
    let managed = AzureApplication::Managed { client };
    let annotations = [
        ("azure.workload.identity/tenant-id", known::TENANT),
        ("azure.workload.identity/client-id", known::CLIENT),
    ];
    let (ambient, shop) = (who(Identity::Ambient), account("shop", &annotations));
    let key = |vault_url| AzureKey { vault_url, name: "shop", version: "1" };
    for (given, who) in [
        (Some(&application), &ambient),
        (Some(&certified), &ambient),
        (Some(&managed), &ambient),
        (None, &ambient),
        (None, &shop),
    ] {
        let asker = Asker { given, who };
        let unwrapped = clouds.azure_unwrap(asker, &key(known::AZURE_VAULT), &text).await;
        assert_eq!(shown(unwrapped), "-");
    }
    let before = imitation.log().len();
    for vault in ["https://vault.evil.example", "http://shop.vault.azure.net", "canary", ""] {
        let asker = Asker { given: Some(&application), who: &ambient };
        let refused = shown(clouds.azure_unwrap(asker, &key(vault), &text).await);
        assert_eq!(refused, "Azure Key Vault decrypt: no valid vault", "{vault}");
    }
    assert_eq!(imitation.log().len(), before, "nobody is shown a token");
}

#[tokio::test]
async fn vault_unwraps_for_tokens_and_accounts() {
    let imitation = Imitation::start().await;
    let variables =
        [("VAULT_ADDR", "https://vault.example.com/"), ("VAULT_TOKEN", known::VAULT_TOKEN)];
    let clouds = clouds(&imitation, &variables);
    let text = format!("vault:v1:{}", STANDARD.encode(wrapped()));
    let key = VaultKey { address: known::VAULT, engine_path: "sops/transit", name: "shop" };
    let own = clouds.vault_token(known::VAULT).unwrap();
    let shop = account("shop", &[]);
    let path = "auth/cluster/login";
    for login in [VaultLogin::Token(&own), VaultLogin::Account(as_account(&shop), path)] {
        assert_eq!(shown(clouds.vault_unwrap(login, &key, &text).await), "-");
    }
    let log = [
        "POST vault.example.com/v1/sops/transit/decrypt/shop",
        "POST vault.example.com/v1/auth/cluster/login",
        "POST vault.example.com/v1/sops/transit/decrypt/shop",
    ];
    assert_eq!(imitation.log(), log);
    let other = account("other", &[]);
    let login = VaultLogin::Account(as_account(&other), path);
    let refused = shown(clouds.vault_unwrap(login, &key, &text).await);
    assert!(refused.starts_with("Vault login: status 403"), "{refused}");
    // The operator's token is for its own server, whatever a document says.
    assert_eq!(clouds.vault_token("https://vault.evil.example"), None);
    let before = imitation.log().len();
    for address in ["file:///etc", "canary", ""] {
        let key = VaultKey { address, ..key };
        let refused = shown(clouds.vault_unwrap(VaultLogin::Token(&own), &key, &text).await);
        assert_eq!(refused, "Vault: no valid address");
    }
    let key = VaultKey { engine_path: "../sys", ..key };
    let refused = shown(clouds.vault_unwrap(VaultLogin::Token(&own), &key, &text).await);
    assert_eq!(refused, "Vault: no valid address");
    assert_eq!(imitation.log().len(), before);
}
