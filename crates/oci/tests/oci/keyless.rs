//! Signatures without keys, of an imitation of Sigstore that breaks each element alone, and cosign's
//! own verdict of each (`signatures/keyless`). Security F2 and F3, scenarios I04, I05 and I10.

use oci::verify::keyless::{Identity, Root};
use oci::verify::{Demand, Keyless, Unverified};
use serde_json::{Value, json};

use crate::Bench;
use crate::cosign::{file, flaws, recorded, verify};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn table() -> Value {
    serde_json::from_str(&file("keyless.json")).unwrap()
}

fn case(table: &Value, name: &str) -> Value {
    let cases = table["cases"].as_array().unwrap();
    cases.iter().find(|case| case["name"] == name).unwrap().clone()
}

/// A repository with the image and one signature of a case.
async fn signed(case: &Value) -> Bench {
    let bench = recorded("unsigned").await;
    let digest = bench.resolve("v1").await.unwrap().digest.to_string();
    if case["bundle"].is_null() {
        let payload = case["payload"].as_str().unwrap().as_bytes();
        let mut layer = bench.registry.push_blob("team/app", PAYLOAD, payload);
        layer["annotations"] = case["annotations"].clone();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer]});
        let tag = format!("{}.sig", digest.replace(':', "-"));
        bench.registry.push_manifest("team/app", &tag, MANIFEST, manifest.to_string());
    } else {
        let bundle = case["bundle"].to_string();
        let layer = bench.registry.push_blob("team/app", BUNDLE, bundle.as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
            "artifactType": BUNDLE,
            "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1}});
        bench.registry.push_manifest("team/app", "", MANIFEST, manifest.to_string());
    }
    bench
}

fn demand(root: &Value, identities: &[(&str, &str)]) -> Demand {
    let identities = identities.iter().map(|(issuer, subject)| Identity::new(issuer, subject));
    let identities = identities.collect::<Result<_, _>>().unwrap();
    let root = root.to_string();
    Demand::CosignKeyless(Keyless::new(Root::Given(root.as_bytes()), identities).unwrap())
}

/// Every element broken alone: the verdict is that of cosign, and the failure says what it is.
#[tokio::test]
async fn the_verdicts_are_those_of_the_reference() {
    let table = table();
    let demand = demand(&table["root"], &[]);
    let mut accepted = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let bench = signed(case).await;
        let result = verify(&bench, &demand).await;
        let name = case["name"].as_str().unwrap();
        let said = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
        assert_eq!(case["reference"] == "", result.is_ok(), "{name}: {said}");
        match result {
            Ok(_) => accepted.push(name.to_owned()),
            Err(_) => assert_eq!(flaws(result).len(), 1, "{name}"),
        }
    }
    let expected = [
        "bundle: as it should be",
        "bundle: a time of an authority for times",
        "bundle: a second version of the log, with a time",
        "tag: as it should be",
    ];
    assert_eq!(accepted, expected);
}

#[tokio::test]
async fn failures_say_which_element_is_broken() {
    let table = table();
    let demand = demand(&table["root"], &[]);
    for (broken, expected) in [
        ("a certificate of another authority", "certificate chain is invalid"),
        ("no timestamp of a certificate log", "invalid signed certificate timestamp"),
        ("a certificate that had ended when it was logged", "certificate"),
        ("an entry whose promise was changed", "invalid inclusion promise"),
        ("an entry of another log", "log"),
        ("a changed signature", "invalid signature"),
    ] {
        for form in ["bundle", "tag"] {
            let bench = signed(&case(&table, &format!("{form}: {broken}"))).await;
            let text = verify(&bench, &demand).await.unwrap_err().to_string();
            assert!(text.starts_with("no matching signatures: "), "{text}");
            assert!(text.contains(expected), "{form}: {broken}: {text}");
        }
    }
}

/// Scenario I04.
#[tokio::test]
async fn what_nobody_signed_is_not_trusted() {
    let bench = recorded("unsigned").await;
    let error = verify(&bench, &demand(&table()["root"], &[])).await.unwrap_err();
    assert!(matches!(error, Unverified::NoSignatures));
    assert_eq!(error.to_string(), "no signatures found");
}

/// Scenario I05; patterns are searched for, not anchored, and a point is any character.
#[tokio::test]
async fn one_of_several_identities_is_enough() {
    let table = table();
    let (subject, issuer) = (table["subject"].as_str().unwrap(), table["issuer"].as_str().unwrap());
    for form in ["bundle", "tag"] {
        let bench = signed(&case(&table, &format!("{form}: as it should be"))).await;
        let root = &table["root"];
        let quoted = regex_quoted(subject);
        for good in [
            &[("^nobody$", ".*"), (issuer, quoted.as_str())][..],
            &[("oidc.example", "refs/heads/main$")],
            &[("", "")],
            &[],
        ] {
            verify(&bench, &demand(root, good)).await.unwrap();
        }
        for bad in [&[(issuer, "refs/heads/main2")][..], &[("^oidc", ".*"), ("nobody", "x")]] {
            let text = verify(&bench, &demand(root, bad)).await.unwrap_err().to_string();
            let expected = format!(
                "no matching signatures: none of the expected identities matched what was in the \
                 certificate, got subjects [{subject}] with issuer {issuer}"
            );
            assert_eq!(text, expected);
        }
    }
    let error = Identity::new("(", "x").unwrap_err();
    let text = artifact::text::explain(&error);
    let expected = "malformed issuer in identity: ( : error parsing regexp: missing closing ): `(`";
    assert_eq!(text, expected);
}

fn regex_quoted(text: &str) -> String {
    format!("^\\Q{text}\\E$")
}

/// Security F3: another instance's root, and the shipped one, do not vouch for this one.
#[tokio::test]
async fn another_root_does_not_vouch() {
    let table = table();
    let bench = signed(&case(&table, "bundle: as it should be")).await;
    verify(&bench, &demand(&table["otherRoot"], &[])).await.unwrap_err();
    let public = Keyless::new(Root::Public, Vec::new()).unwrap();
    verify(&bench, &Demand::CosignKeyless(public)).await.unwrap_err();
}

/// Scenario I10, the part about what the secret holds.
#[test]
fn a_root_that_is_none_says_why() {
    let check = |root: &Value, expected: &str| {
        let text = root.to_string();
        let error = Keyless::new(Root::Given(text.as_bytes()), Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    check(&json!([]), "unable to parse trusted root: ");
    let table = table();
    let mut root = table["root"].clone();
    root["tlogs"][0]["baseUrl"] = json!("");
    let prefix = "unable to extract Rekor URL from trusted root: no transparency log ";
    check(&root, &format!("{prefix}entry with a BaseURL found in trusted root"));
    root["tlogs"] = json!([]);
    check(&root, &format!("{prefix}entries found in trusted root"));
    let mut root = table["root"].clone();
    root["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA");
    check(&root, "unable to parse trusted root: ");
}
