//! Signatures that the real cosign made (`signatures/remake.sh`). Security F1 and F6.

use std::path::Path;

use base64::Engine as _;
use oci::image::LayerSelector;
use oci::verify::{Demand, PublicKey, Signer, Unverified};
use oci::{Pin, Select};
use registry::{Effect, Fault, Registry};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use crate::Bench;

const KINDS: [&str; 5] = ["p256", "p384", "p521", "rsa", "ed25519"];

pub(crate) fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn keys(kinds: &[&str]) -> Demand {
    let key = |kind: &&str| {
        let name = format!("{kind}.pub");
        let key = PublicKey::from_pem(file(&format!("keys/{name}")).as_bytes()).unwrap();
        (name, key)
    };
    Demand::CosignKeys(kinds.iter().map(key).collect())
}

/// A bench whose repository `team/app` is the recorded one.
pub(crate) async fn recorded(case: &str) -> Bench {
    let bench = Bench::open().await;
    bench.registry.push_recorded("team/app", &file(&format!("{case}.json")));
    bench
}

pub(crate) async fn verify(bench: &Bench, demand: &Demand) -> Result<Signer, Unverified> {
    let pin = bench.resolve("v1").await.unwrap();
    verify_pin(bench, pin, demand).await
}

async fn verify_pin(bench: &Bench, pin: Pin, demand: &Demand) -> Result<Signer, Unverified> {
    bench.client.verify(&bench.reference(), pin, demand).await.map(|trusted| trusted.by())
}

/// What is wrong with each signature.
pub(crate) fn flaws(result: Result<Signer, Unverified>) -> Vec<String> {
    result.unwrap_err().flaws().iter().map(ToString::to_string).collect()
}

fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Replaces a manifest's body, by its tag.
fn change(registry: &Registry, case: &str, tag_ending: &str, edit: impl Fn(&mut Value)) {
    let recorded: Value = serde_json::from_str(&file(&format!("{case}.json"))).unwrap();
    let manifests = recorded["manifests"].as_array().unwrap();
    let found = manifests.iter().find(|m| m["tag"].as_str().unwrap().ends_with(tag_ending));
    let part = |key: &str| found.unwrap()[key].as_str().unwrap();
    let mut body = serde_json::from_str(part("body")).unwrap();
    edit(&mut body);
    registry.push_manifest("team/app", part("tag"), part("mediaType"), body.to_string());
}

/// Scenario I01: every kind of key that cosign makes or takes, as tag and as bundle.
///
/// The exception are Ed25519 keys of cosign from 2.5 on: it signs over a hash (Ed25519ph), which
/// neither it nor the reference verifies afterwards. Those of before are in the tests of `key.rs`.
#[tokio::test]
async fn every_kind_of_key_is_understood() {
    for kind in KINDS {
        for form in ["tag", "bundle"] {
            let bench = recorded(&format!("{form}-{kind}")).await;
            let found = verify(&bench, &keys(&[kind])).await.ok();
            let expected = kind != "ed25519";
            assert_eq!(found, expected.then_some(Signer::Accepted), "{form} {kind}");
        }
    }
}

/// Scenario I15: bundles are found by the referrers API and by the fallback tag.
#[tokio::test]
async fn bundles_are_found_where_registries_do_not_list_referrers() {
    let bench = recorded("bundle-p256").await;
    let refused = Effect::Error(404, "NOT_FOUND");
    bench.registry.misbehave(Fault::new("GET", "/referrers/", 9, refused));
    verify(&bench, &keys(&["p256"])).await.unwrap();
    let tag = "/manifests/sha256-";
    assert!(bench.registry.take_log().iter().any(|line| line.contains(tag)));
}

/// Scenario I02.
#[tokio::test]
async fn what_is_not_signed_is_not_trusted() {
    let bench = recorded("unsigned").await;
    let pin = bench.resolve("v1").await.unwrap();
    let error = verify(&bench, &keys(&["p256"])).await.unwrap_err();
    let image = format!("{}/team/app@{}", bench.registry.host(), pin.digest);
    assert_eq!(error.to_string(), format!("no matching signatures were found for '{image}'"));
    assert!(error.flaws().is_empty());
}

/// Scenario I03.
#[tokio::test]
async fn one_of_several_keys_is_enough_and_none_is_not() {
    for form in ["tag", "bundle"] {
        let bench = recorded(&format!("{form}-p256")).await;
        verify(&bench, &keys(&["rsa", "p384", "p256"])).await.unwrap();
        let result = verify(&bench, &keys(&["rsa", "p384"])).await;
        let flaws = flaws(result);
        assert_eq!(flaws.len(), 1);
        assert!(flaws[0].ends_with(": not made by rsa.pub, p384.pub"), "{flaws:?}");
        assert!(flaws[0].starts_with("sha256"), "{flaws:?}");
        verify(&bench, &keys(&[])).await.unwrap_err();
    }
}

/// Security E4: what a tag stands for is not looked up again.
#[tokio::test]
async fn a_tag_that_moves_is_not_followed() {
    let bench = recorded("tag-p256").await;
    let pin = bench.resolve("v1").await.unwrap();
    let other = bench.registry.push_files("team/app", "v1", &[("evil.yaml", b"x: 1")]);
    bench.registry.take_log();
    verify_pin(&bench, pin.clone(), &keys(&["p256"])).await.unwrap();
    let log = bench.registry.take_log();
    assert!(log.iter().all(|line| !line.contains("/manifests/v1") && !line.contains(&other)));
    let trusted = bench.client.verify(&bench.reference(), pin, &keys(&["p256"])).await.unwrap();
    let image = bench.client.pull(&bench.reference(), &trusted).await.unwrap();
    image.layer(&LayerSelector::default()).unwrap();
    let moved = Select::Tag("v1".into());
    let moved = bench.client.resolve(&bench.reference(), &moved).await.unwrap();
    verify_pin(&bench, moved, &keys(&["p256"])).await.unwrap_err();
}

/// Security F1: a good signature of another image is none of this one.
#[tokio::test]
async fn a_signature_of_another_image_does_not_count() {
    let bench = recorded("tag-p256").await;
    let signed = bench.resolve("v1").await.unwrap().digest.to_string();
    let other = bench.registry.push_files("team/app", "v1", &[("evil.yaml", b"x: 1")]);
    let recorded: Value = serde_json::from_str(&file("tag-p256.json")).unwrap();
    let manifests = recorded["manifests"].as_array().unwrap();
    let signature = manifests.iter().find(|m| m["tag"] == signature_tag(&signed)).unwrap();
    let body = signature["body"].as_str().unwrap().to_owned();
    let media_type = signature["mediaType"].as_str().unwrap();
    bench.registry.push_manifest("team/app", &signature_tag(&other), media_type, body);
    let flaws = flaws(verify(&bench, &keys(&["p256"])).await);
    assert!(flaws[0].ends_with(&format!(": made for another artifact: {signed}")), "{flaws:?}");
}

#[tokio::test]
async fn a_bundle_of_another_image_does_not_count() {
    let bench = recorded("bundle-p256").await;
    let signed = bench.resolve("v1").await.unwrap().digest;
    let other = bench.registry.push_files("team/app", "v1", &[("evil.yaml", b"x: 1")]);
    let recorded: Value = serde_json::from_str(&file("bundle-p256.json")).unwrap();
    let manifests = recorded["manifests"].as_array().unwrap();
    let bundle = manifests.iter().find(|m| m["body"].as_str().unwrap().contains("\"subject\""));
    let mut body: Value = serde_json::from_str(bundle.unwrap()["body"].as_str().unwrap()).unwrap();
    body["subject"]["digest"] = json!(other);
    let media_type = bundle.unwrap()["mediaType"].as_str().unwrap();
    bench.registry.push_manifest("team/app", "", media_type, body.to_string());
    let flaws = flaws(verify(&bench, &keys(&["p256"])).await);
    let expected = format!(": made for another artifact: {}", signed.hex());
    assert!(flaws[0].ends_with(&expected), "{flaws:?}");
}

/// Security F1: one good signature among bad ones is enough; a changed one is none.
#[tokio::test]
async fn a_good_signature_counts_beside_bad_ones() {
    let bench = recorded("tag-p256").await;
    let bad = "dev.cosignproject.cosign/signature";
    change(&bench.registry, "tag-p256", ".sig", |body| {
        let good = body["layers"][0].clone();
        let mut wrong = good.clone();
        wrong["annotations"][bad] = json!("AAAA");
        let mut malformed = good.clone();
        malformed["annotations"][bad] = json!("?");
        body["layers"] = json!([wrong, malformed, good]);
    });
    verify(&bench, &keys(&["p256"])).await.unwrap();
    let found = flaws(verify(&bench, &keys(&["rsa"])).await);
    assert_eq!(found.len(), 3);
    assert!(found[1].contains(", signature 2: annotation dev.cosignproject.cosign/signature: "));
}

/// Security F6: where there is a bundle, older signatures are not looked at, as in the reference.
#[tokio::test]
async fn a_bundle_that_does_not_fit_is_not_made_up_for_by_an_older_signature() {
    let bench = recorded("tag-p256").await;
    verify(&bench, &keys(&["p256"])).await.unwrap();
    bench.registry.push_recorded("team/app", &file("bundle-rsa.json"));
    verify(&bench, &keys(&["p256"])).await.unwrap_err();
    verify(&bench, &keys(&["rsa"])).await.unwrap();
}

/// Security F1: endless signatures and payloads are refused before they are read.
#[tokio::test]
async fn signatures_are_bounded() {
    let bench = recorded("tag-p256").await;
    change(&bench.registry, "tag-p256", ".sig", |body| {
        body["layers"] = json!(vec![body["layers"][0].clone(); 1001]);
    });
    let text = verify(&bench, &keys(&["p256"])).await.unwrap_err().to_string();
    assert!(text.ends_with(".sig is larger than 1000 signatures"), "{text}");
    let bench = recorded("tag-p256").await;
    change(&bench.registry, "tag-p256", ".sig", |body| {
        body["layers"][0]["size"] = json!(1_000_000_000);
    });
    let found = flaws(verify(&bench, &keys(&["p256"])).await);
    assert!(found[0].contains(" is larger than 1048576 bytes"), "{found:?}");
    assert!(!bench.registry.take_log().iter().any(|line| line.contains("/blobs/")));
}

/// Security F6: a bundle that signs no statement counts as one, and as a bad one.
#[tokio::test]
async fn a_bundle_without_a_statement_is_a_bad_bundle() {
    let bench = recorded("tag-p256").await;
    let digest = bench.resolve("v1").await.unwrap().digest.to_string();
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = json!({"mediaType": kind, "messageSignature": {"signature": "AAAA"}});
    let layer = bench.registry.push_blob("team/app", kind, bundle.to_string().as_bytes());
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let body = json!({"schemaVersion": 2, "mediaType": manifest, "layers": [layer],
        "subject": {"digest": digest}});
    bench.registry.push_manifest("team/app", "", manifest, body.to_string());
    let found = flaws(verify(&bench, &keys(&["p256"])).await);
    assert!(found[0].ends_with(": bundle does not contain a DSSE envelope"), "{found:?}");
}

/// A signature's own words do not fill conditions and events.
#[tokio::test]
async fn long_problems_are_cut() {
    let bench = recorded("tag-p256").await;
    let long = json!({"critical": {"image": {"docker-manifest-digest": "x".repeat(100_000)}}});
    let payload = long.to_string();
    let pair = ring_pair();
    let signature = pair.sign(&ring::rand::SystemRandom::new(), payload.as_bytes()).unwrap();
    let part = bench.registry.push_blob("team/app", "", payload.as_bytes());
    change(&bench.registry, "tag-p256", ".sig", |body| {
        let mut layer = part.clone();
        let text = base64::engine::general_purpose::STANDARD.encode(signature);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": text});
        body["layers"] = json!([layer]);
    });
    let found = flaws(verify(&bench, &keys(&["p256"])).await);
    assert!(found[0].contains("made for another artifact: xxx"), "{found:?}");
    assert!(found[0].len() < 1200 && found[0].ends_with("..."), "{}", found[0].len());
}

/// The key that signed the fixtures.
fn ring_pair() -> EcdsaKeyPair {
    let key = pem::parse(file("keys/p256.pem")).unwrap();
    let random = ring::rand::SystemRandom::new();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.contents(), &random).unwrap()
}

/// Security F5: a registry that does not answer is not the same as no signature.
#[tokio::test]
async fn a_registry_that_fails_is_named() {
    let bench = recorded("tag-p256").await;
    let pin = bench.resolve("v1").await.unwrap();
    bench.registry.misbehave(Fault::new("", "sha256-", 9, Effect::Error(403, "DENIED")));
    let error = verify_pin(&bench, pin.clone(), &keys(&["p256"])).await.unwrap_err();
    assert!(error.to_string().ends_with("DENIED: as asked"), "{error}");
    bench.registry.calm();
    let flip = Effect::Flip;
    bench.registry.misbehave(Fault::new("GET", "/blobs/", 1, flip));
    let found = flaws(verify_pin(&bench, pin, &keys(&["p256"])).await);
    assert!(found[0].contains("not readable: error verifying sha256 checksum"), "{found:?}");
}

#[test]
fn what_is_no_key_says_so() {
    let check = |text: &str, expected: &str| {
        assert_eq!(PublicKey::from_pem(text.as_bytes()).unwrap_err().to_string(), expected);
    };
    check("no key", "PEM decoding failed");
    let private = file("keys/p256.pem");
    let text = "unknown Public key PEM file type: PRIVATE KEY. \
                Are you passing the correct public key?";
    check(&private, text);
    let empty = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert!(PublicKey::from_pem(empty.as_bytes()).unwrap_err().to_string().starts_with("x509: "));
}
