//! From a push to running objects, and on to the next push.

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

pub(crate) const CONFIG_MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {key: v1}\n";
pub(crate) const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: sec}\nstringData: {token: canary-5b1f9c}\n";

/// A story in which a source follows `tag`, and what stands under it has been applied by `k`.
pub(crate) async fn synced(name: &str, files: &[(&str, &str)], spec: Value) -> Story {
    let story = Story::begin(name).await;
    story.push("latest", files);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", spec)).await;
    story.wait_ready("OCIRepository", "src").await;
    story.wait_ready("Kustomization", "k").await;
    story
}

/// Pushes `latest` anew, asks for it, and waits until `k` has applied it.
pub(crate) async fn roll_out(story: &Story, files: &[(&str, &str)]) -> Value {
    let digest = story.push("latest", files);
    story.request("OCIRepository", "src", &digest).await;
    story
        .wait("Kustomization", "k", "rolled out", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
                && condition(k, "Ready")["status"] == "True"
        })
        .await
}

/// Every text is one of those that are wanted, in their order; some of these may be missing.
pub(crate) fn in_order(told: &[String], wanted: &[String]) {
    let mut rest = wanted.iter();
    for text in told {
        assert!(rest.any(|step| step == text), "{text:?} has no place there: {told:#?}");
    }
}

/// ks A01, A02, A05; oci A01, A02.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_stored_applied_and_reported() {
    let story = Story::begin("sync").await;
    let digest = story.push("v1", &[("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)]);
    story.apply(&story.source(json!({"ref": {"tag": "v1"}}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    let revision = format!("v1@{digest}");
    let artifact = &source["status"]["artifact"];
    assert_eq!(artifact["revision"], revision);
    let ns = &story.namespace;
    let path = format!("ocirepository/{ns}/src/{digest}.tar.gz");
    assert_eq!(artifact["path"], path);
    assert!(artifact["url"].as_str().unwrap().ends_with(&path));
    assert!(source["status"]["url"].as_str().unwrap().ends_with("/src/latest.tar.gz"));
    let ready = format!("stored artifact for digest '{revision}'");
    assert_eq!(condition(&source, "Ready")["message"], ready);
    assert_eq!(condition(&source, "ArtifactInStorage")["message"], ready);

    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(k["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    assert_eq!(condition(&k, "Ready")["message"], format!("Applied revision: {revision}"));
    assert_eq!(condition(&k, "Reconciling"), Value::Null);
    assert_eq!(inventory(&k), [format!("{ns}_cm__ConfigMap"), format!("{ns}_sec__Secret")]);
    assert_eq!(k["status"]["lastAttemptedRevision"], revision);
    assert_eq!(k["status"]["history"][0]["lastReconciledStatus"], "ReconciliationSucceeded");
    assert_eq!(k["status"]["history"][0]["metadata"]["revision"], revision);
    let cm = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(cm["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"], "k");
    assert_eq!(cm["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/namespace"], *ns);
    let created = format!("ConfigMap/{ns}/cm created\nSecret/{ns}/sec created");
    story.wait_event("k", &format!("Normal Progressing {created}")).await;
    story.wait_event("k", "Normal ReconciliationSucceeded Reconciliation finished in ").await;
    story
        .wait_event(
            "src",
            &format!("Normal NewArtifact stored artifact with revision '{revision}'"),
        )
        .await;
}

/// ks A03: on its way to the first revision an object says nothing that the contract does not name,
/// in the contract's order, and is not said to be Ready. Steps may be left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_the_first_revision_is_told_in_the_contracts_words() {
    let story = Story::begin("told").await;
    let digest = story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    let is_ready = |k: &Value| condition(k, "Ready")["status"] == "True";
    let states = story.told(&story.kustomization("k", json!({})), is_ready).await;
    let (last, before) = states.split_last().unwrap();
    assert_eq!(condition(last, "Reconciling"), Value::Null);
    let mut told: Vec<String> = Vec::new();
    for state in before {
        let reconciling = condition(state, "Reconciling");
        let Some(text) = reconciling["message"].as_str() else { continue };
        let ready = condition(state, "Ready");
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("Unknown"), &json!("Progressing"))
        );
        assert_eq!(ready["message"], "Reconciliation in progress");
        told.push(text.to_owned());
    }
    told.dedup();
    assert!(!told.is_empty());
    let wanted = ["Fetching manifests", "Building manifests", "Detecting drift"]
        .map(|doing| format!("{doing} for revision latest@{digest} with a timeout of 30s"));
    in_order(&told, &wanted);
}

/// ks A04, A05, G21: a run that changes nothing writes nothing to the objects.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_runs_at_once_and_writes_no_object() {
    let story = synced("noop", &[("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)], json!({})).await;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    let before =
        [story.get("ConfigMap", "cm").await.unwrap(), story.get("Secret", "sec").await.unwrap()];
    story.request("Kustomization", "k", "x1").await;
    let k = story
        .wait("Kustomization", "k", "handled", |k| k["status"]["lastHandledReconcileAt"] == "x1")
        .await;
    assert_eq!(condition(&k, "Ready")["status"], "True");
    assert_eq!(k["status"]["history"][0]["totalReconciliations"], 2);
    assert_eq!(version(&story.get("ConfigMap", "cm").await.unwrap()), version(&before[0]));
    assert_eq!(version(&story.get("Secret", "sec").await.unwrap()), version(&before[1]));
    let events = story.events("k").await;
    assert_eq!(
        events.iter().filter(|event| event.contains("Progressing")).count(),
        1,
        "{events:?}"
    );
}

/// ks B06, A07: a new revision runs without waiting for an interval.
#[tokio::test(flavor = "multi_thread")]
async fn new_revisions_roll_out_and_the_history_remembers_five() {
    let story = synced("history", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    for version in 2..=7 {
        let text = CONFIG_MAP.replace("v1}", &format!("v{version}}}"));
        let k = roll_out(&story, &[("cm.yaml", &text)]).await;
        assert_eq!(k["status"]["history"][0]["totalReconciliations"], 1);
    }
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(k["status"]["history"].as_array().unwrap().len(), 5);
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v7");
    story.wait_event("k", &format!("ConfigMap/{}/cm configured", story.namespace)).await;
}

/// The interval alone is enough: the clock is moved, nothing is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_interval_notices_a_new_artifact_and_drift() {
    let story = synced("interval", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story.patch("ConfigMap", "cm", json!({"data": {"key": "drifted"}})).await;
    let digest = story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.clock.advance(std::time::Duration::from_secs(600));
    story
        .wait("Kustomization", "k", "at the new revision", |k| {
            k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
        })
        .await;
    story.patch("ConfigMap", "cm", json!({"data": {"key": "drifted"}})).await;
    story.clock.advance(std::time::Duration::from_secs(600));
    story.wait("ConfigMap", "cm", "corrected", |cm| cm["data"]["key"] == "v2").await;
}

/// ks A11: what happens while suspended is made up for.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_object_waits_and_catches_up() {
    let story = synced("suspend", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story.patch("Kustomization", "k", json!({"spec": {"suspend": true}})).await;
    let digest = story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.request("OCIRepository", "src", "r2").await;
    story
        .wait("OCIRepository", "src", "at r2", |src| {
            src["status"]["artifact"]["revision"] == format!("latest@{digest}")
        })
        .await;
    story.request("Kustomization", "k", "asked").await;
    story
        .wait("Kustomization", "k", "answered", |k| {
            k["status"]["lastHandledReconcileAt"] == "asked"
        })
        .await;
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v1");
    story.patch("Kustomization", "k", json!({"spec": {"suspend": false}})).await;
    story.wait("ConfigMap", "cm", "at v2", |cm| cm["data"]["key"] == "v2").await;
}

/// ks B01, B02, B10: what is said of a source that is not there yet, and that its coming is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_source_is_named_and_its_coming_wakes() {
    let story = Story::begin_with("late", &["--no-cross-namespace-refs"]).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    let k = story.wait_failed("Kustomization", "k", "ArtifactFailed").await;
    let text = "OCIRepository.source.toolkit.fluxcd.io \"src\" not found";
    assert_eq!(condition(&k, "Ready")["message"], text);
    story.apply(&story.source(json!({"ref": {"tag": "missing"}}))).await;
    story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    story.request("Kustomization", "k", "again").await;
    story
        .wait("Kustomization", "k", "waiting for an artifact", |k| {
            condition(k, "Ready")["message"] == "Source artifact not found, retrying in 30s"
        })
        .await;
    assert_eq!(story.events("k").await, [""; 0]);
    story.push("missing", &[("cm.yaml", CONFIG_MAP)]);
    story.request("OCIRepository", "src", "again").await;
    story.wait_ready("Kustomization", "k").await;
    let other = json!({"sourceRef": {"namespace": "elsewhere"}});
    story.apply(&story.kustomization("denied", other)).await;
    let denied = story.wait_failed("Kustomization", "denied", "AccessDenied").await;
    let text =
        "can't access 'OCIRepository/elsewhere/src', cross-namespace references have been blocked";
    assert_eq!(condition(&denied, "Stalled")["message"], text);
    // Not the spec is to blame: it may be allowed one day.
    assert_eq!(denied["status"]["observedGeneration"], -1);
}

/// ks B03, B04: an artifact is what its address, revision and digest say, whoever wrote them.
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_what_its_status_says() {
    let story = synced("edited", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story.patch("OCIRepository", "src", json!({"spec": {"suspend": true}})).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    let artifact = source["status"]["artifact"].clone();
    let offer = async |artifact: Value| {
        story.patch_status("OCIRepository", "src", json!({"artifact": artifact})).await;
    };
    let says = async |text: &str| {
        let says = |k: &Value| condition(k, "Ready")["message"] == text;
        story.wait("Kustomization", "k", text, says).await
    };
    let gone = format!("{}.gone", artifact["url"].as_str().unwrap());
    offer(json!({"revision": "edited@sha256:1", "url": gone})).await;
    let k = says("Source is not ready, artifact not found, retrying in 30s").await;
    let text = "Fetching manifests for revision edited@sha256:1 with a timeout of 30s";
    assert_eq!(condition(&k, "Reconciling")["message"], text);
    assert_eq!(condition(&k, "Reconciling")["reason"], "ProgressingWithRetry");

    offer(json!({"url": artifact["url"]})).await;
    story.clock.advance(std::time::Duration::from_secs(30));
    says("Applied revision: edited@sha256:1").await;

    let zeros = format!("sha256:{}", "0".repeat(64));
    offer(json!({"revision": "edited@sha256:2", "digest": zeros})).await;
    says(&format!(
        "failed to verify archive: computed digest doesn't match provided '{zeros}' (check whether \
         file size exceeds max download size)"
    ))
    .await;
}

/// ks B12, D04, D05: errors of the build leave what is applied alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_says_why_and_touches_nothing() {
    let story = synced("build", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let applied = story.get("Kustomization", "k").await.unwrap()["status"].clone();
    story.push("latest", &[("cm.yaml", "kind: ConfigMap\nmetadata: {name: cm}\n")]);
    story.request("OCIRepository", "src", "bad").await;
    let k = story.wait_failed("Kustomization", "k", "BuildFailed").await;
    assert_eq!(condition(&k, "Reconciling")["reason"], "ProgressingWithRetry");
    assert_eq!(k["status"]["lastAppliedRevision"], applied["lastAppliedRevision"]);
    assert_eq!(k["status"]["inventory"], applied["inventory"]);
    story.wait_event("k", "Warning BuildFailed").await;
    story.apply(&story.kustomization("lost", json!({"path": "./missing"}))).await;
    let lost = story.wait_failed("Kustomization", "lost", "ArtifactFailed").await;
    let text = "kustomization path not found: stat ./missing: no such file or directory";
    assert_eq!(condition(&lost, "Ready")["message"], text);
    assert_eq!(lost["status"]["lastAttemptedRevision"], Value::Null);
    roll_out(&story, &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v3}"))]).await;
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v3");
}
