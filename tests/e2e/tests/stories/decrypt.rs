//! Kustomization: decryption by SOPS. The documents are those of `crates/sops/tests/documents`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clouds::{Imitation, known};
use controller::Surroundings;
use e2e::{Story, condition, inventory};
use manifest::yaml;
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

fn document(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/sops/tests/documents");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

async fn secret(story: &Story, name: &str, data: &Value) {
    let metadata = json!({"name": name});
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
    story.apply(&secret).await;
}

/// A secret of these key files.
async fn keys(story: &Story, name: &str, files: &[&str]) {
    let data = files.iter().map(|file| (*file, document(&format!("keys/{file}"))));
    secret(story, name, &json!(data.collect::<BTreeMap<_, _>>())).await;
}

fn decryption(secret: &str) -> Value {
    json!({"decryption": {"provider": "sops", "secretRef": {"name": secret}}})
}

/// A Kustomization of a folder.
async fn apply(story: &Story, name: &str, path: &str, spec: Value) {
    let mut spec = spec;
    spec["path"] = path.into();
    story.apply(&story.kustomization(name, spec)).await;
}

fn text(secret: &Value, key: &str) -> String {
    let data = secret["data"][key].as_str().unwrap();
    String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()
}

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap().to_owned()
}

const GENERATOR: &str = "
secretGenerator:
- name: generated
  files: [values.yaml, .dockerconfigjson=pull]
  envs: [vars.env]
generatorOptions: {disableNameSuffixHash: true}
patches: [{path: patch.yaml, target: {kind: ConfigMap}}]
resources: [cm.yaml]
";

/// ks F01, F02, F03, F04: secrets reach the cluster in plain, whoever's key it is and whatever file
/// they are in; the second run changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn encrypted_secrets_reach_the_cluster_in_plain() {
    let story = Story::begin("decrypt").await;
    let encrypted = |name: &str| document(&format!("encrypted/{name}"));
    let named = |name: &str, text: &str| text.replace("name: s\n", &format!("name: {name}\n"));
    story.push(
        "latest",
        &[
            ("age/secret.yaml", &named("age", &encrypted("regex.yaml"))),
            ("files/kustomization.yaml", GENERATOR),
            ("files/values.yaml", &encrypted("values.yaml")),
            ("files/pull", &encrypted("pull.dockerconfigjson")),
            ("files/vars.env", &encrypted("db.env")),
            ("files/patch.yaml", &encrypted("patch.yaml")),
            ("files/cm.yaml", CONFIG_MAP),
            ("pgp/kustomization.yaml", "secretGenerator: [{name: pgp, files: [rsa.yaml, ecc.yaml, hybrid.yaml]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n"),
            ("pgp/rsa.yaml", &encrypted("rsa.yaml")),
            ("pgp/ecc.yaml", &encrypted("ecc.yaml")),
            ("pgp/hybrid.yaml", &encrypted("hybrid.yaml")),
        ],
    );
    keys(&story, "one", &["one.agekey"]).await;
    keys(&story, "all", &["rsa.asc", "ecc.asc", "hybrid.agekey", "two.agekey"]).await;
    story.apply(&story.source(json!({}))).await;
    apply(&story, "age", "./age", decryption("one")).await;
    apply(&story, "files", "./files", decryption("one")).await;
    apply(&story, "pgp", "./pgp", decryption("all")).await;
    for name in ["age", "files", "pgp"] {
        story.wait_ready("Kustomization", name).await;
    }
    let age = story.get("Secret", "age").await.unwrap();
    assert_eq!(text(&age, "user"), "admin");
    assert_eq!(text(&age, "multi"), "line one\n  line two\n\nline four\n");
    assert_eq!(age["sops"], Value::Null);
    let generated = story.get("Secret", "generated").await.unwrap();
    assert_eq!(text(&generated, "values.yaml"), document("expected/values.yaml"));
    assert_eq!(text(&generated, ".dockerconfigjson"), document("expected/pull.dockerconfigjson"));
    assert_eq!(text(&generated, "PASSWORD"), "s3cr3t \"x\"");
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["patched"], "yes");
    let pgp = story.get("Secret", "pgp").await.unwrap();
    for key in ["rsa.yaml", "ecc.yaml", "hybrid.yaml"] {
        assert_eq!(text(&pgp, key), document("expected/secret.yaml"), "{key}");
    }
    let version = age["metadata"]["resourceVersion"].clone();
    story.request("Kustomization", "age", "again").await;
    story
        .wait("Kustomization", "age", "handled", |k| {
            k["status"]["lastHandledReconcileAt"] == "again"
        })
        .await;
    let age = story.get("Secret", "age").await.unwrap();
    assert_eq!(age["metadata"]["resourceVersion"], version);
    let events = story.events("age").await;
    assert_eq!(events.iter().filter(|event| event.contains("Secret/")).count(), 1, "{events:#?}");
}

/// ks F05, F06, F07, F08: what cannot be decrypted is not applied, and said without its bytes.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_encrypted_is_not_applied() {
    let story = Story::begin("sealed").await;
    let encrypted = document("encrypted/regex.yaml");
    let disabled = encrypted.replace(
        "metadata:\n    name: s",
        "metadata:\n    name: off\n    annotations: {kustomize.toolkit.fluxcd.io/decrypt: Disabled}",
    );
    story.push("latest", &[("on/s.yaml", &encrypted), ("off/s.yaml", &disabled)]);
    keys(&story, "two", &["two.agekey"]).await;
    secret(&story, "garbage", &json!({"a.agekey": "AGE-SECRET-KEY-1GAGBCANARY"})).await;
    story.apply(&story.source(json!({}))).await;
    let ns = story.namespace.clone();
    for (name, path, spec) in [
        ("nobody", "./on", json!({})),
        ("disabled", "./off", json!({})),
        ("missing", "./on", decryption("nope")),
        ("wrong", "./on", decryption("two")),
        ("garbage", "./on", decryption("garbage")),
        ("none", "./on", json!({"decryption": {"provider": "sops"}})),
    ] {
        apply(&story, name, path, spec).await;
    }
    let nobody = story.wait_failed("Kustomization", "nobody", "ReconciliationFailed").await;
    let expected = format!(
        "Secret/{ns}/s is SOPS encrypted, configuring decryption is required for this secret to be \
         reconciled"
    );
    assert_eq!(message(&nobody), expected);
    assert_eq!(inventory(&nobody), [""; 0]);
    let missing = story.wait_failed("Kustomization", "missing", "BuildFailed").await;
    assert_eq!(message(&missing), "secrets \"nope\" not found");
    let begin = format!(
        "decryption failed for 'Secret.v1.[noGrp]/s': failed to decrypt and format '{ns}/s' Secret \
         data: cannot get sops data key: Failed to get the data key required to decrypt the SOPS \
         file.\n\nGroup 0: FAILED\n  age1"
    );
    for (name, problem) in [
        (
            "wrong",
            "- | failed to create reader for decrypting sops data key with\n      | age: identity",
        ),
        ("none", "- | failed to load age identities. Did not find keys in\n"),
    ] {
        let text = message(&story.wait_failed("Kustomization", name, "BuildFailed").await);
        assert!(text.starts_with(&begin) && text.contains(problem), "{text}");
        assert!(!text.contains("ENC["), "{text}");
    }
    let garbage = story.wait_failed("Kustomization", "garbage", "BuildFailed").await;
    let expected = format!(
        "failed to import 'a.agekey' data from sops decryption Secret '{ns}/garbage': failed to \
         parse and add to age identities: malformed secret key: invalid character data part: s[3]=98"
    );
    assert_eq!(message(&garbage), expected);
    assert_eq!(story.get("Secret", "s").await, None);
    story.wait_ready("Kustomization", "disabled").await;
    let off = story.get("Secret", "off").await.unwrap();
    assert!(text(&off, "user").starts_with("ENC["), "passed on as it is");
}

/// ks F09, F12: the operator's own identities where a spec names none; and no account without the
/// gate.
#[tokio::test(flavor = "multi_thread")]
async fn the_operators_identities_are_used_where_none_are_named() {
    let mut story = Story::begin("globalkey").await;
    story.push("latest", &[("s.yaml", &document("encrypted/regex.yaml"))]);
    keys(&story, "global", &["one.agekey", "rsa.asc"]).await;
    keys(&story, "two", &["two.agekey"]).await;
    story.stop_operator().await;
    story.set_flags(&["--sops-age-secret=global"]);
    story.start_operator().await;
    story.apply(&story.source(json!({}))).await;
    apply(&story, "k", ".", json!({"decryption": {"provider": "sops"}})).await;
    story.wait_ready("Kustomization", "k").await;
    assert_eq!(text(&story.get("Secret", "s").await.unwrap(), "user"), "admin");
    story.patch("Kustomization", "k", json!({"spec": decryption("two")})).await;
    let text = message(&story.wait_failed("Kustomization", "k", "BuildFailed").await);
    assert!(text.starts_with("decryption failed for 'Secret.v1.[noGrp]/s'"), "{text}");
    let gate = json!({"decryption": {"provider": "sops", "serviceAccountName": "x"}});
    apply(&story, "gate", ".", gate).await;
    let gate = story.wait_failed("Kustomization", "gate", "FeatureGateDisabled").await;
    let expected = "to use spec.decryption.serviceAccountName for decryption authentication please \
                    enable the ObjectLevelWorkloadIdentity feature gate in the controller";
    assert_eq!(message(&gate), expected);
    assert_eq!(condition(&gate, "Stalled")["message"], expected);
    assert_eq!(gate["status"]["observedGeneration"], -1);
}

/// An encrypted Secret whose data key a key service wrapped instead of age: `key` makes what the
/// document says of it from what was wrapped.
fn rewrapped(name: &str, kind: &str, key: impl Fn(&[u8]) -> Value) -> String {
    let text = document("encrypted/regex.yaml").replace("name: s\n", &format!("name: {name}\n"));
    let mut identities = sops::age::Identities::default();
    identities.add(&document("keys/one.agekey")).unwrap();
    let wrapped = sops::wrapped(text.as_bytes(), sops::Format::Yaml).unwrap();
    let data_key = identities.unwrap(&wrapped.groups[0][0].wrapped).unwrap();
    let mut secret: Value = yaml::read_one(&text).unwrap().into();
    let metadata = secret["sops"].as_object_mut().unwrap();
    metadata.remove("age");
    let wrapped = [known::WRAPPED.as_bytes(), data_key.as_slice()].concat();
    metadata.insert(kind.into(), json!([key(&wrapped)]));
    yaml::to_string(&secret.into())
}

fn aws(wrapped: &[u8]) -> Value {
    let context = json!({"purpose": known::KMS_PURPOSE});
    json!({"arn": known::KMS_KEY, "enc": STANDARD.encode(wrapped), "context": context})
}

fn gcp(wrapped: &[u8]) -> Value {
    json!({"resource_id": known::GCP_KEY, "enc": STANDARD.encode(wrapped)})
}

fn azure(wrapped: &[u8]) -> Value {
    let enc = URL_SAFE_NO_PAD.encode(wrapped);
    json!({"vault_url": known::AZURE_VAULT, "name": "shop", "version": "1", "enc": enc})
}

fn vault(wrapped: &[u8]) -> Value {
    let enc = format!("vault:v1:{}", STANDARD.encode(wrapped));
    let (address, path) = (known::VAULT, "sops/transit");
    json!({"vault_address": address, "engine_path": path, "key_name": "shop", "enc": enc})
}

/// Key services are asked as the account of the spec, or with the credentials of its Secret; their
/// refusals are told as any other key's.
#[tokio::test(flavor = "multi_thread")]
async fn key_services_unwrap_for_the_account_of_the_spec() {
    let imitation = Imitation::start().await;
    let mut story = Story::begin("keyservice").await;
    story.push(
        "latest",
        &[
            ("clouds/aws.yaml", &rewrapped("aws", "kms", aws)),
            ("clouds/gcp.yaml", &rewrapped("gcp", "gcp_kms", gcp)),
            ("clouds/azure.yaml", &rewrapped("azure", "azure_kv", azure)),
            ("vault/s.yaml", &rewrapped("vault", "hc_vault", vault)),
            ("aws/s.yaml", &rewrapped("given", "kms", aws)),
        ],
    );
    story.stop_operator().await;
    let off = [("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())];
    let around = Surroundings::new(off).by_way_of(imitation.address().parse().unwrap());
    story.set_surroundings(around);
    story.set_flags(&[
        "--feature-gates=ObjectLevelWorkloadIdentity=true",
        "--sops-vault-configmap=vaults",
    ]);
    story.start_operator().await;
    let annotations = json!({
        "eks.amazonaws.com/role-arn": known::ROLE,
        "gcp.auth.fluxcd.io/workload-identity-provider": known::PROVIDER,
        "azure.workload.identity/tenant-id": known::TENANT,
        "azure.workload.identity/client-id": known::CLIENT,
    });
    let metadata = json!({"name": "shop", "annotations": annotations});
    story.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await;
    let instances =
        json!({"instances": [{"address": known::VAULT, "loginPath": "auth/cluster/login"}]});
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vaults"},
            "data": {"config.yaml": instances.to_string()},
        }))
        .await;
    let given = format!(
        "aws_access_key_id: {}\naws_secret_access_key: {}\naws_session_token: {}\n",
        known::KEY_ID,
        known::KEY_SECRET,
        known::KEY_SESSION
    );
    secret(&story, "given", &json!({"sops.aws-kms": given})).await;
    secret(&story, "token", &json!({"sops.vault-token": known::VAULT_TOKEN})).await;
    story.apply(&story.source(json!({}))).await;
    let account = json!({"decryption": {"provider": "sops", "serviceAccountName": "shop"}});
    apply(&story, "clouds", "./clouds", account.clone()).await;
    apply(&story, "vault", "./vault", account).await;
    apply(&story, "given", "./aws", decryption("given")).await;
    for name in ["clouds", "vault", "given"] {
        story.wait_ready("Kustomization", name).await;
    }
    for name in ["aws", "gcp", "azure", "vault", "given"] {
        let secret = story.get("Secret", name).await.unwrap();
        assert_eq!(text(&secret, "user"), "admin", "{name}");
    }
    apply(&story, "token", "./vault", decryption("token")).await;
    story.wait_ready("Kustomization", "token").await;
    apply(&story, "refused", "./clouds", decryption("token")).await;
    let refused = message(&story.wait_failed("Kustomization", "refused", "BuildFailed").await);
    let key = format!("  {}|purpose:{}: FAILED\n    - | ", known::KMS_KEY, known::KMS_PURPOSE);
    assert!(refused.contains(&key), "{refused}");
    assert!(!refused.contains("canary"), "{refused}");
}
