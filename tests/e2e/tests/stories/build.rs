//! What is built, and what the API server makes of it.

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

/// Pushes files and gives what Ready of `k` says once it has refused them for `reason`.
async fn refusal(story: &Story, files: &[(&str, &str)], reason: &str) -> String {
    let digest = story.push("latest", files);
    story.request("OCIRepository", "src", &digest).await;
    let refused = |k: &Value| {
        k["status"]["lastAttemptedRevision"] == format!("latest@{digest}")
            && condition(k, "Ready")["reason"] == reason
    };
    let k = story.wait("Kustomization", "k", reason, refused).await;
    condition(&k, "Ready")["message"].as_str().unwrap().to_owned()
}

/// ks D03: a hidden directory is built like any other; what the source leaves out is not there.
#[tokio::test(flavor = "multi_thread")]
async fn hidden_directories_are_built_unless_the_source_leaves_them_out() {
    let pipeline = "jobs: []\n";
    let left_out = [("cm.yaml", CONFIG_MAP), (".github/ci.yaml", pipeline)];
    let story = synced("hidden", &left_out, json!({})).await;
    let files = [("cm.yaml", CONFIG_MAP), (".hidden/ci.yaml", pipeline)];
    let text = refusal(&story, &files, "BuildFailed").await;
    assert!(text.starts_with("failed to decode Kubernetes YAML from "), "{text}");
    assert!(text.ends_with("/.hidden/ci.yaml: missing Resource metadata"), "{text}");
}

/// ks D05: an object of an overlay that says no apiVersion.
#[tokio::test(flavor = "multi_thread")]
async fn an_overlay_without_an_api_version_is_refused() {
    let story = synced("misspelt", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let bad = CONFIG_MAP.replace("apiVersion", "piVersion");
    let root = "resources: [base, more.yaml]\n";
    let files = [
        ("kustomization.yaml", root),
        ("more.yaml", bad.as_str()),
        ("base/kustomization.yaml", "resources: [cm.yaml]\n"),
        ("base/cm.yaml", CONFIG_MAP),
    ];
    let text = refusal(&story, &files, "BuildFailed").await;
    assert!(text.contains("more.yaml") || text.contains("piVersion"), "{text}");
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// ks E07, E18: a number where a text belongs is refused and named; quotes make it a text. The other
/// labels of the manifest are not lost on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_no_text() {
    let map = |labels: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cm, labels: {{{labels}}}}}\n\
             data: {{id: '{value}'}}\n"
        )
    };
    let good = map("team: a, id: '${q}${n}${q}'", "${t}");
    let variables = json!({"n": "123", "q": "\"", "t": "!!str 123"});
    let spec = json!({"postBuild": {"substitute": variables}});
    let story = synced("digits", &[("cm.yaml", &good)], spec).await;
    let is_whole = async || {
        let cm = story.get("ConfigMap", "cm").await.unwrap();
        assert_eq!(cm["data"]["id"], "123");
        let labels = &cm["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels["id"]), (&json!("a"), &json!("123")));
    };
    is_whole().await;
    let start = format!("ConfigMap/{}/cm ", story.namespace);
    for (bad, field) in
        [(map("team: a", "${n}"), "data.id"), (map("team: a, id: '${n}'", "x"), "metadata.labels")]
    {
        let text = refusal(&story, &[("cm.yaml", &bad)], "ReconciliationFailed").await;
        assert!(text.starts_with(&start) && text.contains(field), "{text}");
        is_whole().await;
    }
}

/// ks G20, G28, G30: what Go's types make of an object is what counts, so that a second run finds
/// nothing to do; what an older way of applying left behind goes once.
#[tokio::test(flavor = "multi_thread")]
async fn objects_are_as_their_types_are_and_stay_so() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replica: 3\n  \
        selector: {matchLabels: {app: d}}\n  template:\n    metadata: {labels: {app: d}}\n    \
        spec: {containers: [{name: c, image: app, ports: [{containerPort: 80}]}]}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: sec}\nstringData: {b: y}\n";
    let story = Story::begin("typed").await;
    let group = format!("{}.test", story.namespace);
    let definition = format!("widgets.{group}");
    let mut crd: Value = serde_json::from_str(&super::apply::definition(&group)).unwrap();
    crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://hook.test/convert", "caBundle": "Cg=="},
    }});
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "v1"},
        "metadata": {"name": "cm", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "kustomize.toolkit.fluxcd.io/checksum": "x", "mine": "x"}}});
    story.apply_as("somebody", &old).await;
    story.push(
        "latest",
        &[
            ("d.yaml", deployment),
            ("sec.yaml", secret),
            ("crd.yaml", &crd.to_string()),
            ("cm.yaml", CONFIG_MAP),
        ],
    );
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    story.wait_event("k", &format!("ConfigMap/{}/cm configured", story.namespace)).await;

    let cm = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(cm["metadata"]["annotations"], json!({"mine": "x"}));
    let d = story.get("Deployment", "d").await.unwrap();
    let container = &d["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&d["spec"]["replica"], &d["spec"]["replicas"]), (&Value::Null, &json!(1)));
    assert_eq!(container["ports"], json!([{"containerPort": 80, "protocol": "TCP"}]));
    let secret = story.get("Secret", "sec").await.unwrap();
    assert_eq!(secret["data"], json!({"b": "eQ=="}));
    let path = "jsonpath={.spec.conversion.webhook.clientConfig}";
    let client = e2e::World::shared().kubectl(&["get", "crd", &definition, "-o", path]);
    assert_eq!(client, r#"{"url":"https://hook.test/convert"}"#);

    story.request("Kustomization", "k", "again").await;
    let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == "again";
    story.wait("Kustomization", "k", "run again", handled).await;
    let events = story.events("k").await;
    let changes = events.iter().filter(|event| event.contains("Normal Progressing"));
    assert_eq!(changes.count(), 1, "{events:?}");
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    for (kind, before) in [("Secret", &secret), ("ConfigMap", &cm)] {
        let name = before["metadata"]["name"].as_str().unwrap();
        assert_eq!(version(&story.get(kind, name).await.unwrap()), version(before), "{kind}");
    }
}
