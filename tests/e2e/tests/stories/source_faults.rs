//! What goes wrong between an OCIRepository and its registry: the condition, the event, the retry,
//! and that the last good artifact stays.

use std::time::Duration;

use e2e::{CANARY, Story, condition};
use registry::{Effect, Fault, Guard, Registry, Setup};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap_or_default().to_owned()
}

/// oci C02, C03, C04: an address that is none is not retried, until it changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_address_stalls_until_it_is_mended() {
    let story = Story::begin("address").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let url = format!("{}:v1", story.registry.url("app"));
    story.apply(&story.source(json!({"url": url}))).await;
    let source = story.wait_failed("OCIRepository", "src", "URLInvalid").await;
    let text = format!("URL validation failed for '{url}': ");
    assert!(message(&source).starts_with(&text), "{}", message(&source));
    for kind in ["Stalled", "FetchFailed"] {
        assert_eq!(condition(&source, kind)["message"], message(&source), "{kind}");
    }
    assert_eq!(condition(&source, "Reconciling"), Value::Null);
    assert_eq!(source["status"]["observedGeneration"], 1);
    story.request("OCIRepository", "src", "again").await;
    story
        .wait("OCIRepository", "src", "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == "again"
        })
        .await;
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
}

/// oci C08, C11, C12, B19, B20, B24, C06: what does not exist or does not parse is retried with
/// backoff, and the last good artifact stays.
#[tokio::test(flavor = "multi_thread")]
async fn missing_tags_and_bad_ranges_keep_the_last_artifact() {
    let story = synced("missing", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let artifact = story.get("OCIRepository", "src").await.unwrap()["status"]["artifact"].clone();
    let url = story.registry.url("app");
    let tag = format!("failed to determine the artifact tag for '{url}': ");
    let cases = [
        (json!({"tag": "6.1.0"}), "OCIArtifactPullFailed", "MANIFEST_UNKNOWN".to_owned()),
        (
            json!({"semver": "<= 6.1.0"}),
            "ReadOperationFailed",
            format!("{tag}no match found for semver: <= 6.1.0"),
        ),
        (
            json!({"semver": "not a range"}),
            "ReadOperationFailed",
            format!("{tag}semver 'not a range' parse error: improper constraint: "),
        ),
        (
            json!({"semver": "*", "semverFilter": "("}),
            "ReadOperationFailed",
            "error parsing regexp".to_owned(),
        ),
        (
            json!({"digest": "invalid"}),
            "OCIArtifactPullFailed",
            "failed to determine artifact digest: cannot parse hash: \"invalid\"".to_owned(),
        ),
    ];
    for (reference, reason, text) in cases {
        story.apply(&story.source(json!({"ref": reference}))).await;
        let source = story
            .wait("OCIRepository", "src", &text, |s| {
                message(s).contains(&text) && condition(s, "FetchFailed")["reason"] == reason
            })
            .await;
        assert_eq!(source["status"]["artifact"], artifact);
        assert_eq!(condition(&source, "Stalled"), Value::Null);
        assert_eq!(condition(&source, "Reconciling")["reason"], "ProgressingWithRetry");
        assert_eq!(condition(&source, "ArtifactInStorage")["status"], "True");
        assert_ne!(source["status"]["observedGeneration"], source["metadata"]["generation"]);
        story.wait_event("src", &format!("Warning {reason} ")).await;
    }
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    story.wait_event("src", "Normal Succeeded stored artifact with revision").await;
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v1");
}

/// oci E16, E18, E19, E21, E22, F09: faults of the registry.
#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_registry_are_named_and_overcome() {
    let story = synced("faults", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let digest = story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.registry.misbehave(Fault::new("GET", "/blobs/", 100, Effect::Truncate));
    story.request("OCIRepository", "src", "cut").await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactLayerOperationFailed").await;
    let text = message(&source);
    assert!(text.starts_with("failed to extract layer contents from artifact: "), "{text}");
    assert!(source["status"]["artifact"]["revision"] != format!("latest@{digest}"));
    assert_eq!(condition(&source, "ArtifactOutdated")["reason"], "NewRevision");
    let spool = std::fs::read_dir(story.storage().join(".unfinished")).unwrap();
    assert_eq!(spool.count(), 0, "something unfinished stays");
    story.registry.calm();
    story.clock.advance(Duration::from_secs(900));
    story
        .wait("Kustomization", "k", "rolled out", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
        })
        .await;
}

/// oci D01, D02, D03, D04, D05, D06, D13: credentials from secrets and accounts.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_secrets_and_accounts() {
    let mut story = Story::begin("auth").await;
    let guard = Guard::Basic("user".into(), CANARY.into());
    story.registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let ns = story.namespace.clone();
    story.apply(&story.source(json!({}))).await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    assert!(
        message(&source).starts_with("failed to determine artifact digest: "),
        "{}",
        message(&source)
    );
    story.apply(&story.source(json!({"secretRef": {"name": "regcred"}}))).await;
    let source = story.wait_failed("OCIRepository", "src", "AuthenticationFailed").await;
    let text = format!(
        "failed to get credential: failed to get secret '{ns}/regcred': secrets \"regcred\" not found"
    );
    assert_eq!(message(&source), text);
    story.wait_event("src", "Normal AuthenticationFailed auth secret 'regcred' not found").await;
    let secret = |password: &str| {
        let auths =
            json!({"auths": {story.registry.host(): {"username": "user", "password": password}}});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred"},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auths.to_string()}})
    };
    story.apply(&secret(&format!("not {CANARY}"))).await;
    story.clock.advance(Duration::from_secs(900));
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    assert!(message(&source).contains("UNAUTHORIZED"), "{}", message(&source));
    story.apply(&secret(CANARY)).await;
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
    story.apply(&story.source(json!({"serviceAccountName": "puller"}))).await;
    let source = story.wait_failed("OCIRepository", "src", "AuthenticationFailed").await;
    let text = format!("failed to get credential: serviceaccount '{ns}/puller' not found");
    assert_eq!(message(&source), text);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "puller"},
        "imagePullSecrets": [{"name": "regcred"}]});
    story.apply(&account).await;
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
}

/// oci 18.1: a registry that hangs is given up at the timeout, and blocks nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_registry_is_given_up_at_the_timeout() {
    let story = Story::begin("hang").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.registry.misbehave(Fault::new("HEAD", "/manifests/", 100, Effect::Hang));
    story.apply(&story.source(json!({"timeout": "30s"}))).await;
    let asked = || story.registry.log().iter().any(|entry| entry.method == "HEAD");
    let began = std::time::Instant::now();
    while !asked() && began.elapsed() < Duration::from_secs(30) {
        // Polls, with a deadline: the registry tells nobody that it was asked.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    story.clock.advance(Duration::from_secs(31));
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    assert_eq!(message(&source), "failed to determine artifact digest: context deadline exceeded");
}
