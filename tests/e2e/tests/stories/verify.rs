//! Stories about signatures. The images were signed by the real tools, once
//! (`crates/oci/tests/signatures/remake.sh`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::{Story, condition};
use serde_json::{Value, json};

/// A recorded repository, and a key.
fn recorded(case: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/oci/tests/signatures");
    std::fs::read_to_string(format!("{folder}/{case}")).unwrap()
}

fn secret(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signers"},
        "stringData": data})
}

fn keys(kinds: &[&str]) -> Value {
    let key = |kind: &&str| (format!("{kind}.pub"), recorded(&format!("keys/{kind}.pub")).into());
    secret(&Value::Object(kinds.iter().map(key).collect()))
}

fn by_keys() -> Value {
    json!({"ref": {"tag": "v1"},
        "verify": {"provider": "cosign", "secretRef": {"name": "signers"}}})
}

/// A story that follows a recorded repository under a demand.
async fn following(name: &str, case: &str, secret: Value, spec: Value) -> Story {
    let story = Story::begin(name).await;
    story.registry.push_recorded("app", &recorded(&format!("{case}.json")));
    if !secret.is_null() {
        story.apply(&secret).await;
    }
    story.apply(&story.source(spec)).await;
    story
}

fn revision(source: &Value) -> &str {
    source["status"]["artifact"]["revision"].as_str().unwrap()
}

/// Waits until the object says that no signature is as demanded, and gives why.
async fn refused(story: &Story) -> String {
    let source = story.wait_failed("OCIRepository", "src", "VerificationError").await;
    let verified = condition(&source, "SourceVerified");
    assert_eq!(
        (&verified["status"], &verified["reason"]),
        (&json!("False"), &json!("VerificationError"))
    );
    assert_eq!(condition(&source, "Ready")["message"], verified["message"]);
    assert_eq!(condition(&source, "FetchFailed"), Value::Null);
    assert_ne!(source["status"]["observedGeneration"], source["metadata"]["generation"]);
    verified["message"].as_str().unwrap().to_owned()
}

fn asks_for_signatures(log: &[String]) -> bool {
    log.iter().any(|line| line.contains("/referrers/") || line.contains("sha256-"))
}

/// oci I01, I06, I07, I08: verified once a revision and generation; the condition goes with the
/// demand.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_verified_once() {
    let story = following("signed", "tag-p256", keys(&["rsa", "p256"]), by_keys()).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let verified = condition(&source, "SourceVerified");
    let text = format!("verified signature of revision {}", revision(&source));
    assert_eq!((&verified["status"], &verified["message"]), (&json!("True"), &json!(text)));
    assert_eq!(
        condition(&source, "Ready")["message"],
        format!("stored artifact for digest '{}'", revision(&source))
    );
    story.registry.take_log();
    story.request("OCIRepository", "src", "again").await;
    let again = story
        .wait("OCIRepository", "src", "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == "again"
        })
        .await;
    let log = story.registry.take_log();
    assert!(!asks_for_signatures(&log), "{log:?}");
    assert_eq!(condition(&again, "SourceVerified"), verified);
    let mut spec = by_keys();
    spec["timeout"] = json!("50s");
    story.apply(&story.source(spec)).await;
    let edited = story.wait_ready("OCIRepository", "src").await;
    let log = story.registry.take_log();
    assert!(
        asks_for_signatures(&log) && !log.iter().any(|line| line.contains("/manifests/sha256:")),
        "{log:?}"
    );
    assert_eq!(
        condition(&edited, "SourceVerified")["observedGeneration"],
        edited["metadata"]["generation"]
    );
    story.apply(&story.source(json!({"ref": {"tag": "v1"}}))).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(condition(&source, "SourceVerified"), Value::Null);
}

/// oci I02, I16: nothing of an unsigned artifact is pulled; a signature mends it without an event.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_is_not_pulled() {
    let story = following("unsigned", "unsigned", keys(&["p256"]), by_keys()).await;
    let text = refused(&story).await;
    let prefix = format!(
        "failed to verify the signature using provider 'cosign': \
         no matching signatures were found for '{}/app@sha256:",
        story.registry.host()
    );
    assert!(text.starts_with(&prefix) && text.ends_with('\''), "{text}");
    let pulled = |line: &String| line.contains("/blobs/") || line.contains("/manifests/sha256:");
    assert!(!story.registry.take_log().iter().any(pulled));
    story.wait_event("src", &format!("Warning VerificationError {text}")).await;
    story.registry.push_recorded("app", &recorded("tag-p256.json"));
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
    let events = story.events("src").await;
    assert!(!events.iter().any(|event| event.contains(" Succeeded ")), "{events:?}");
}

/// oci I03 and security F4: keys that do not fit, and keys that are not there.
#[tokio::test(flavor = "multi_thread")]
async fn other_keys_do_not_fit() {
    let story = following("keys", "bundle-p256", keys(&["rsa", "p384"]), by_keys()).await;
    let text = refused(&story).await;
    assert!(text.contains("no matching signatures were found for"), "{text}");
    story.wait_event("src", "no matching signatures").await;
    let annotations = story.event_annotations("src", "no matching signatures").await;
    let flaws = annotations["sluice.dev/signatures"].as_str().unwrap();
    assert!(
        flaws.starts_with("sha256:") && flaws.ends_with(": not made by p384.pub, rsa.pub"),
        "{flaws}"
    );
    story.apply(&secret(&json!({"a.pub": "no key"}))).await;
    let said = |text: &'static str| {
        move |s: &Value| {
            let message = condition(s, "SourceVerified")["message"].clone();
            message.as_str().is_some_and(|message| message.ends_with(text))
        }
    };
    story.clock.advance(Duration::from_secs(900));
    story.wait("OCIRepository", "src", "refused", said(": PEM decoding failed")).await;
    story.delete("Secret", "signers").await;
    story.clock.advance(Duration::from_secs(900));
    story.wait("OCIRepository", "src", "refused", said(": secrets \"signers\" not found")).await;
    story.apply(&keys(&["p256"])).await;
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
}

/// oci I16 and security F4: a demand that changes is verified anew, and what is stored stays; when
/// the signature fits again, nothing has been repaired that anybody would have to hear of.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_that_is_met_again_is_no_news() {
    let story = following("rotated", "tag-p256", keys(&["p256"]), by_keys()).await;
    let before = story.wait_ready("OCIRepository", "src").await;
    let wrong = recorded("keys/rsa.pub");
    story.apply(&secret(&json!({"p256.pub": wrong}))).await;
    let mut spec = by_keys();
    spec["timeout"] = json!("50s");
    story.apply(&story.source(spec)).await;
    refused(&story).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    story.apply(&keys(&["p256"])).await;
    story.clock.advance(Duration::from_secs(900));
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(condition(&source, "SourceVerified")["status"], "True");
    let events = story.events("src").await;
    let count = |reason: &str| events.iter().filter(|event| event.contains(reason)).count();
    assert_eq!((count(" NewArtifact "), count(" Succeeded ")), (1, 0), "{events:?}");
}

/// oci I09: a tag that moves to something unsigned leaves the old artifact served.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_to_something_unsigned_changes_nothing() {
    let story = following("moved", "tag-p256", keys(&["p256"]), by_keys()).await;
    let before = story.wait_ready("OCIRepository", "src").await;
    story.push("v1", &[("evil.yaml", "kind: ConfigMap")]);
    story.request("OCIRepository", "src", "moved").await;
    let source = story.wait_failed("OCIRepository", "src", "VerificationError").await;
    assert_eq!(condition(&source, "ArtifactOutdated")["reason"], "NewRevision");
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    let url = source["status"]["artifact"]["url"].as_str().unwrap();
    assert_eq!(story.http("GET", url).await.0, 200);
}

/// A case of the imitated Sigstore, pushed as a bundle that refers to the image.
fn push_keyless(story: &Story, name: &str) {
    let table: Value = serde_json::from_str(&recorded("keyless.json")).unwrap();
    let cases = table["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let unsigned: Value = serde_json::from_str(&recorded("unsigned.json")).unwrap();
    let (tag, manifest) = ("v1", "application/vnd.oci.image.manifest.v1+json");
    let image = unsigned["manifests"][0]["body"].as_str().unwrap().to_owned();
    let digest = story.registry.push_manifest("app", tag, manifest, image);
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = case["bundle"].to_string();
    let layer = story.registry.push_blob("app", kind, bundle.as_bytes());
    let body = json!({"schemaVersion": 2, "mediaType": manifest, "layers": [layer],
        "artifactType": kind, "subject": {"mediaType": manifest, "digest": digest, "size": 1}});
    story.registry.push_manifest("app", "", manifest, body.to_string());
}

/// oci I04, I05, I10: signed without keys, by an identity, under a root of one's own.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_of_ones_own_instance_is_enough() {
    let spec = |identities: Value| {
        json!({"ref": {"tag": "v1"}, "verify": {"provider": "cosign",
            "matchOIDCIdentity": identities, "trustedRootSecretRef": {"name": "signers"}}})
    };
    let table: Value = serde_json::from_str(&recorded("keyless.json")).unwrap();
    let nobody = json!([{"issuer": "^nobody$", "subject": "^nobody$"}]);
    let story = following("keyless", "unsigned", Value::Null, spec(nobody.clone())).await;
    let prefix = "failed to verify the signature using provider 'cosign keyless': ";
    let subject = format!("{}/signers", story.namespace);
    let root = format!("{prefix}failed to read trusted root from secret '{subject}': ");
    assert_eq!(refused(&story).await, format!("{root}secrets \"signers\" not found"));
    let said = async |text: String| {
        story.clock.advance(Duration::from_secs(900));
        let says = |s: &Value| condition(s, "SourceVerified")["message"] == text;
        story.wait("OCIRepository", "src", &text, says).await
    };
    story.apply(&secret(&json!({"x": "y"}))).await;
    said(format!("{root}'trusted_root.json' not found in secret '{subject}'")).await;
    story.apply(&secret(&json!({"trusted_root.json": table["root"].to_string()}))).await;
    said(format!("{prefix}no signatures found")).await;
    push_keyless(&story, "bundle: as it should be");
    let identity = "none of the expected identities matched what was in the certificate";
    let got = "got subjects [https://ci.example.com/team/app@refs/heads/main] \
               with issuer https://oidc.example.com";
    said(format!("{prefix}no matching signatures: {identity}, {got}")).await;
    let good = json!({"issuer": "^https://oidc.example.com$", "subject": "team/app@refs/heads/.*"});
    story.apply(&story.source(spec(json!([nobody[0], good])))).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let text = format!("verified signature of revision {}", revision(&source));
    assert_eq!(condition(&source, "SourceVerified")["message"], text);
}

/// A case of notation's table: its signature, and its certificate and policy as a secret.
fn push_notation(story: &Story, name: &str, level: &str) -> Value {
    let table: Value = serde_json::from_str(&recorded("notation.json")).unwrap();
    let case = table.as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let unsigned: Value = serde_json::from_str(&recorded("unsigned.json")).unwrap();
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let image = unsigned["manifests"][0]["body"].as_str().unwrap().to_owned();
    let digest = story.registry.push_manifest("app", "v1", manifest, image);
    let envelope = STANDARD.decode(case["envelope"].as_str().unwrap()).unwrap();
    let layer = story.registry.push_blob("app", case["mediaType"].as_str().unwrap(), &envelope);
    let kind = "application/vnd.cncf.notary.signature";
    let body = json!({"schemaVersion": 2, "mediaType": manifest, "layers": [layer],
        "artifactType": kind, "subject": {"mediaType": manifest, "digest": digest, "size": 1}});
    story.registry.push_manifest("app", "", manifest, body.to_string());
    let mut policy = case["policy"].clone();
    let statement = &mut policy["trustPolicies"][0];
    statement["signatureVerification"]["level"] = json!(level);
    secret(&json!({"trustpolicy.json": policy.to_string(), "root.crt": case["certificates"][0]}))
}

/// oci I11, I13, I14: by notation, under a trust policy of every level.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_policy_decides_how_much_a_signature_counts() {
    let spec = json!({"ref": {"tag": "v1"},
        "verify": {"provider": "notation", "secretRef": {"name": "signers"}}});
    let story = following("notation", "unsigned", Value::Null, json!({"suspend": true})).await;
    let strict = push_notation(&story, "cose: as it should be", "strict");
    story.apply(&strict).await;
    story.apply(&story.source(spec.clone())).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let verified = condition(&source, "SourceVerified");
    let text = format!("verified signature of revision {}", revision(&source));
    assert_eq!((&verified["status"], &verified["message"]), (&json!("True"), &json!(text)));
    for (level, passes) in [("permissive", false), ("audit", true), ("skip", true)] {
        let story = following(level, "unsigned", Value::Null, json!({"suspend": true})).await;
        story.apply(&push_notation(&story, "jws: another identity", level)).await;
        story.apply(&story.source(spec.clone())).await;
        if passes {
            let source = story.wait_ready("OCIRepository", "src").await;
            assert_eq!(condition(&source, "SourceVerified"), Value::Null);
        } else {
            let text = refused(&story).await;
            assert!(text.contains("does not match the X.509 trusted identities"), "{text}");
        }
    }
}

/// oci I12: what a secret has to hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_policy_and_certificates_are_both_needed() {
    let spec = json!({"ref": {"tag": "v1"}, "verify": {"provider": "notation"}});
    let story = following("policy", "unsigned", Value::Null, spec.clone()).await;
    let prefix = "failed to verify the signature using provider 'notation': ";
    let text = refused(&story).await;
    let empty = format!(
        "{prefix}verification secret cannot be empty: '{}/app@sha256:",
        story.registry.host()
    );
    assert!(text.starts_with(&empty), "{text}");
    let mut spec = spec;
    spec["verify"]["secretRef"] = json!({"name": "signers"});
    story.apply(&story.source(spec)).await;
    let subject = format!("{}/signers", story.namespace);
    let json_error = "error occurred while parsing trustpolicy.json: ";
    for (data, expected) in [
        (json!({"x": "y"}), format!("'trustpolicy.json' not found in secret '{subject}'")),
        (json!({"trustpolicy.json": "{"}), json_error.into()),
        (json!({"trustpolicy.json": "{}"}), format!("no certificates found in secret '{subject}'")),
        (
            json!({"trustpolicy.json": "{}", "a.pem": "x"}),
            "trust policy document has empty version, version must be specified".into(),
        ),
    ] {
        story.apply(&secret(&data)).await;
        story.clock.advance(Duration::from_secs(900));
        let says = |s: &Value| {
            let message = condition(s, "SourceVerified")["message"].clone();
            message.as_str().is_some_and(|m| m.starts_with(&format!("{prefix}{expected}")))
        };
        story.wait("OCIRepository", "src", &expected, says).await;
    }
}

/// oci I10, in key mode: a root that is named must be there, although nothing needs it.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_named_must_be_there() {
    let mut spec = by_keys();
    spec["verify"]["trustedRootSecretRef"] = json!({"name": "root"});
    let story = following("root", "tag-p256", keys(&["p256"]), spec).await;
    let namespace = &story.namespace;
    let prefix = format!("failed to read trusted root from secret '{namespace}/root': ");
    let text = refused(&story).await;
    assert!(text.ends_with(&format!("{prefix}secrets \"root\" not found")), "{text}");
}
