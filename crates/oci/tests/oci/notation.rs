//! Notation's envelopes, of every kind of key, in both forms, with each thing wrong alone, and the
//! verdict of its own library (`signatures/notation`). Scenarios I11 to I14, security F1 and F3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::verify::notation::InvalidPolicy;
use oci::verify::{Demand, Notation, Signer};
use registry::{Effect, Fault};
use serde_json::{Value, json};

use crate::Bench;
use crate::cosign::{file, flaws, recorded, verify};

const SIGNATURE: &str = "application/vnd.cncf.notary.signature";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Where the table's images are.
const PLACE: &str = "registry.example.com/team/app";

fn table() -> Vec<Value> {
    serde_json::from_str(&file("notation.json")).unwrap()
}

fn case(name: &str) -> Value {
    table().into_iter().find(|case| case["name"] == name).unwrap()
}

/// Adds the signature of a case to what refers to the image.
async fn sign(bench: &Bench, case: &Value) {
    let digest = bench.resolve("v1").await.unwrap().digest.to_string();
    let envelope = STANDARD.decode(case["envelope"].as_str().unwrap()).unwrap();
    let kind = case["mediaType"].as_str().unwrap();
    let layer = bench.registry.push_blob("team/app", kind, &envelope);
    let config = bench.registry.push_blob("team/app", SIGNATURE, b"{}");
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
        "layers": [layer], "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1}});
    bench.registry.push_manifest("team/app", "", MANIFEST, manifest.to_string());
}

async fn signed(case: &Value) -> Bench {
    let bench = recorded("unsigned").await;
    sign(&bench, case).await;
    bench
}

/// What a case demands, of the place where the bench's image is.
fn demand(bench: &Bench, case: &Value) -> Result<Demand, InvalidPolicy> {
    let place = format!("{}/team/app", bench.registry.host());
    let policy = case["policy"].to_string().replace(PLACE, &place);
    let certificates = case["certificates"].as_array().unwrap().iter();
    let certificates = certificates.map(|pem| pem.as_str().unwrap().into());
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    Notation::new(policy.as_bytes(), certificates, now).map(Demand::Notation)
}

/// The verdict in the words of the table.
async fn verdict(case: &Value) -> String {
    let bench = signed(case).await;
    let place = format!("{}/team/app", bench.registry.host());
    let demand = match demand(&bench, case) {
        Ok(demand) => demand,
        Err(error) => return error.to_string().replace(&place, PLACE),
    };
    match verify(&bench, &demand).await {
        Ok(Signer::Accepted) => "verified".into(),
        Ok(signer) => {
            assert_eq!(signer, Signer::Ignored);
            "ignored".into()
        }
        Err(error) => match error.flaws() {
            [] => error.to_string().replace(&place, PLACE),
            [flaw] => flaw.problem.to_string(),
            several => panic!("{several:?}"),
        },
    }
}

#[tokio::test]
async fn the_verdicts_and_their_texts_are_those_of_the_reference() {
    let table = table();
    for case in &table {
        let (name, reference) = (case["name"].as_str().unwrap(), &case["reference"]);
        let found = verdict(case).await;
        assert_eq!(found, reference.as_str().unwrap(), "{name}");
    }
    assert_eq!(table.len(), 129);
}

/// Scenario I11: what the real notation wrote, found by the referrers API and by the fallback tag.
#[tokio::test]
async fn what_notation_itself_signs_is_understood() {
    for form in ["jws", "cose"] {
        let bench = recorded(&format!("notation-{form}")).await;
        let policy = case("jws: the identity")["policy"].to_string();
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let notation =
            Notation::new(policy.as_bytes(), [file("keys/notation.crt").into()], now).unwrap();
        let demand = Demand::Notation(notation);
        assert_eq!(verify(&bench, &demand).await.unwrap(), Signer::Accepted, "{form}");
        let refused = Effect::Error(404, "NOT_FOUND");
        bench.registry.misbehave(Fault::new("GET", "/referrers/", 9, refused));
        assert_eq!(verify(&bench, &demand).await.unwrap(), Signer::Accepted, "{form}");
    }
}

#[tokio::test]
async fn what_is_not_signed_is_not_trusted() {
    let bench = recorded("unsigned").await;
    let demand = demand(&bench, &case("jws: as it should be")).unwrap();
    let error = verify(&bench, &demand).await.unwrap_err();
    let digest = bench.resolve("v1").await.unwrap().digest;
    let image = format!("{}/team/app@{digest}", bench.registry.host());
    let expected = format!(
        "no signature is associated with \"{image}\", make sure the artifact was signed \
         successfully"
    );
    assert_eq!(error.to_string(), expected);
}

/// Security F1, CVE-2023-33957: three signatures are looked at, and one good one is enough.
#[tokio::test]
async fn endless_signatures_are_not_looked_at() {
    let good = case("jws: as it should be");
    let bench = signed(&good).await;
    let demand = demand(&bench, &good).unwrap();
    sign(&bench, &case("jws: another image")).await;
    verify(&bench, &demand).await.unwrap();
    let bench = signed(&case("jws: another image")).await;
    for bad in ["another size", "another media type", "a changed payload", "three certificates"] {
        sign(&bench, &case(&format!("jws: {bad}"))).await;
    }
    let error = verify(&bench, &demand).await.unwrap_err();
    let expected = "signature evaluation stopped. \
                    The configured limit of 3 signatures to verify per artifact exceeded";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.flaws().len(), 3);
}

#[tokio::test]
async fn every_signature_is_named_with_what_is_wrong_with_it() {
    let bench = signed(&case("jws: another image")).await;
    sign(&bench, &case("cose: a changed payload")).await;
    let demand = demand(&bench, &case("jws: another image")).unwrap();
    let error = verify(&bench, &demand).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("signature verification failed\nfailed to verify signature with"));
    assert!(text.contains(", content descriptor mismatch"), "{text}");
    assert!(text.contains(", signature is invalid. Error: verification error"), "{text}");
    assert_eq!(flaws(verify(&bench, &demand).await).len(), 2);
}

/// Security F5.
#[tokio::test]
async fn a_signature_that_is_not_given_fails_the_image() {
    let case = case("cose: as it should be");
    let bench = signed(&case).await;
    let demand = demand(&bench, &case).unwrap();
    bench.registry.misbehave(Fault::new("GET", "/blobs/", 9, Effect::Error(404, "BLOB_UNKNOWN")));
    let text = verify(&bench, &demand).await.unwrap_err().to_string();
    assert!(text.starts_with("unable to retrieve digital signature with digest \""), "{text}");
    assert!(text.ends_with("BLOB_UNKNOWN: as asked"), "{text}");
}

/// Certificates come in DER as well.
#[tokio::test]
async fn certificates_may_be_binary() {
    let case = case("cose: as it should be");
    let bench = signed(&case).await;
    let text = case["certificates"][0].as_str().unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let notation = Notation::new(case["policy"].to_string().as_bytes(), [der], now).unwrap();
    verify(&bench, &Demand::Notation(notation)).await.unwrap();
}
