//! Taking over from Flux: what it left is adopted as it is (kustomization.md, 19).

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

/// The manager of what Flux writes into a Kustomization's status and finalizers.
const STATUS_MANAGER: &str = "gotk-kustomize-controller";

/// What the artifact holds: numbers that are texts to nobody, plain Secrets, defaults left out,
/// fields that no kind knows.
const FILES: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {key: v1}
---
apiVersion: v1
kind: Secret
metadata: {name: plain}
stringData: {word: canary-5b1f9c}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: runner
      containers:
      - name: web
        image: registry.test/web:1
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: 0.1, memory: 64Mi}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '@daily'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: registry.test/c:1}]}}}}
";

/// The objects as Flux applies them: normalised, in the namespace, with its labels.
fn applied(namespace: &str) -> Vec<Value> {
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": "v1"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain"},
            "data": {"word": "Y2FuYXJ5LTViMWY5Yw=="}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"serviceAccountName": "runner", "containers": [{
                    "name": "web", "image": "registry.test/web:1",
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": {
            "schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "c", "image": "registry.test/c:1"}]}}}}}}),
    ];
    let label = |mut object: Value| {
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["labels"] = json!({"kustomize.toolkit.fluxcd.io/name": "k",
            "kustomize.toolkit.fluxcd.io/namespace": namespace});
        object
    };
    objects.into_iter().map(label).collect()
}

fn kind(object: &Value) -> String {
    let (api_version, kind) =
        (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    if api_version == "v1" { kind.to_owned() } else { format!("{api_version}/{kind}") }
}

fn id(namespace: &str, object: &Value) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let name = object["metadata"]["name"].as_str().unwrap();
    let kind = object["kind"].as_str().unwrap();
    json!({"id": format!("{namespace}_{name}_{group}_{kind}"), "v": version})
}

/// What would move if anybody wrote to the objects: versions, and where controllers report, what is
/// not their report.
async fn written(story: &Story, objects: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for object in objects {
        let live = story.get(&kind(object), object["metadata"]["name"].as_str().unwrap()).await;
        let metadata = &live.unwrap()["metadata"];
        let entries = metadata["managedFields"].as_array().unwrap().iter();
        let own: Vec<&Value> = entries.filter(|entry| entry["subresource"].is_null()).collect();
        let version = match metadata["generation"].clone() {
            Value::Null => metadata["resourceVersion"].clone(),
            generation => generation,
        };
        all.push(json!([kind(object), version, own]));
    }
    all
}

/// A Kustomization with the status that Flux left is taken over: every object stays as it is, down to
/// its version; inventory and history are kept and go on.
#[tokio::test(flavor = "multi_thread")]
async fn what_flux_left_is_adopted_untouched() {
    let mut story = Story::begin("migrated").await;
    let digest = story.push("latest", &[("all.yaml", FILES)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    story.stop_operator().await;
    let (ns, revision) = (story.namespace.clone(), format!("latest@{digest}"));
    let objects = applied(&ns);
    for object in &objects {
        story.apply_as("kustomize-controller", object).await;
    }
    story.apply(&story.kustomization("k", json!({}))).await;
    let held = json!({"metadata": {"finalizers": ["finalizers.fluxcd.io"]}});
    story.patch_as(STATUS_MANAGER, "Kustomization", "k", held).await;
    let then = "2026-01-01T00:00:00Z";
    let entries: Vec<Value> = objects.iter().map(|object| id(&ns, object)).collect();
    let status = json!({
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded",
            "message": format!("Applied revision: {revision}"), "observedGeneration": 1, "lastTransitionTime": then}],
        "inventory": {"entries": entries},
        "lastAppliedRevision": revision, "lastAttemptedRevision": revision,
        "history": [{"digest": "sha256:00", "firstReconciled": then, "lastReconciled": then,
            "lastReconciledDuration": "1s", "lastReconciledStatus": "ReconciliationSucceeded",
            "totalReconciliations": 41, "metadata": {"revision": revision}}],
    });
    story.patch_status_as(STATUS_MANAGER, "Kustomization", "k", status).await;
    let before = written(&story, &objects).await;
    let old = story.get("Kustomization", "k").await.unwrap();

    story.start_operator().await;
    let ran = |k: &Value| {
        let history = k["status"]["history"].as_array();
        history.into_iter().flatten().any(|past| past["lastReconciled"] != then)
    };
    let k = story.wait("Kustomization", "k", "run by us", ran).await;
    assert_eq!(written(&story, &objects).await, before);
    assert_eq!(inventory(&k).len(), objects.len());
    assert_eq!(condition(&k, "Ready"), condition(&old, "Ready"));
    assert_eq!(k["status"]["lastAppliedRevision"], revision);
    let counts: Vec<_> = k["status"]["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|past| past["totalReconciliations"].as_i64().unwrap())
        .collect();
    assert!(counts.contains(&41) || counts == [42], "the history goes on: {counts:?}");
    let told = story.events("k").await;
    assert!(
        !told.iter().any(|event| event.contains("configured") || event.contains("created")),
        "{told:#?}"
    );

    // It is ours now: what leaves the source is removed.
    story.push("latest", &[("all.yaml", FILES.split_once("---\n").unwrap().1)]);
    story.request("OCIRepository", "src", "less").await;
    story.wait_gone("ConfigMap", "settings").await;
}
