//! Health of workloads as far as their pods decide it or tell of it.

use std::time::Duration;

use e2e::{Story, World, condition, settled};
use serde_json::{Value, json};

use super::health::{deployment, job};

/// A StatefulSet whose pod behaves as `mode` says, on a node with these labels.
fn stateful_set(mode: &str, node: &Value) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 1, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}, "annotations": {"fakenode.test/mode": mode}},
                "spec": {"nodeSelector": node, "containers": [{"name": "c", "image": "registry.test/c:1"}]},
            },
        },
    })
    .to_string()
}

async fn waiting(story: &Story) {
    story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
}

/// The text of the health check that failed.
async fn failure(story: &Story) -> String {
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    condition(&k, "Healthy")["message"].as_str().unwrap().to_owned()
}

/// The name of the pod of which `holds`, once it does.
async fn pod(story: &Story, what: &str, holds: impl Fn(&Value) -> bool) -> String {
    let found = || {
        let list = ["-n", story.namespace.as_str(), "get", "pods", "-o", "json"];
        let list: Value = serde_json::from_str(&World::shared().kubectl(&list)).unwrap();
        let found = list["items"].as_array().unwrap().iter().find(|pod| holds(pod));
        found.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
    };
    let missing = || found().is_none().then(|| format!("no pod became {what}"));
    let missing = settled(Duration::from_secs(60), async || Vec::from_iter(missing())).await;
    assert!(missing.is_empty(), "{missing:?}");
    found().unwrap()
}

fn crashes(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
}

/// ks I08: a pod that crashes fails its StatefulSet at once, also when that happens after the wait
/// has begun and the StatefulSet itself says nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_pod_fails_its_stateful_set_early() {
    let story = Story::begin("crash").await;
    story.push("latest", &[("db.yaml", &stateful_set("unready", &json!({})))]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    waiting(&story).await;
    let runs = |pod: &Value| pod["status"]["phase"] == "Running";
    let name = pod(&story, "running", runs).await;
    story.wait("StatefulSet", "db", "settled", |db| db["status"]["updatedReplicas"] == 1).await;
    let waits = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let container = json!({"name": "c", "image": "registry.test/c:1", "imageID": "x", "ready": false,
        "restartCount": 1, "state": waits});
    story.patch_status("Pod", &name, json!({"containerStatuses": [container]})).await;
    let text = format!(
        "failed early due to stalled resources: [StatefulSet/{}/db status: 'Failed']",
        story.namespace
    );
    assert_eq!(failure(&story).await, text);
}

/// ks I08 and decisions.md, causes: a crashing Deployment is waited for until the end; then its pods
/// say why, to whom may read them.
#[tokio::test(flavor = "multi_thread")]
async fn a_pending_workload_is_told_with_what_keeps_its_pods() {
    let story = Story::begin("causes").await;
    let ns = story.namespace.clone();
    let files = [("web.yaml", deployment("web", "crash")), ("j.yaml", job("pending"))];
    story.push("latest", &files.each_ref().map(|(path, text)| (*path, text.as_str())));
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    waiting(&story).await;
    let name = pod(&story, "crashing", crashes).await;
    story.clock.advance(Duration::from_secs(30));
    let of_web = format!("Deployment/{ns}/web status: 'InProgress'");
    let of_job = format!("Job/{ns}/j status: 'InProgress'");
    let because = format!("{of_web}: pod {name}: container c: CrashLoopBackOff");
    assert_eq!(failure(&story).await, format!("timeout waiting for: [{because}, {of_job}]"));

    story.request("Kustomization", "k", "again").await;
    waiting(&story).await;
    story.clock.advance(Duration::from_secs(30));
    failure(&story).await;

    let meta = || json!({"name": "blind"});
    story.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta()})).await;
    let rule = json!({"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["*"]});
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": meta(),
        "rules": [rule]});
    story.apply(&role).await;
    let binding = json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
        "metadata": meta(), "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "blind"},
        "subjects": [{"kind": "ServiceAccount", "name": "blind", "namespace": ns}]});
    story.apply(&binding).await;
    let account = json!({"spec": {"serviceAccountName": "blind"}});
    story.patch("Kustomization", "k", account).await;
    waiting(&story).await;
    story.clock.advance(Duration::from_secs(30));
    assert_eq!(failure(&story).await, format!("timeout waiting for: [{of_web}, {of_job}]"));
    // What controllers reported meanwhile is no drift.
    let events = story.events("k").await;
    assert!(!events.iter().any(|event| event.contains("configured")), "{events:#?}");
}

/// ks I09: pods that find no place are waited for: a node may come.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_a_place_is_waited_for() {
    let story = Story::begin("place").await;
    let label = format!("e2e/{}", story.namespace);
    story.push("latest", &[("db.yaml", &stateful_set("ready", &json!({&label: "yes"})))]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true, "timeout": "2m"}))).await;
    waiting(&story).await;
    let has_none = |pod: &Value| pod["status"]["conditions"][0]["reason"] == "Unschedulable";
    pod(&story, "unschedulable", has_none).await;
    story.clock.advance(Duration::from_secs(40));
    let node = World::shared().kubectl(&["get", "nodes", "-o", "name"]);
    let node = node.lines().next().unwrap();
    World::shared().kubectl(&["label", node, &format!("{label}=yes")]);
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(condition(&k, "Healthy")["status"], "True");
}

/// ks I05: with the gate, what has failed is waited for as long as something else may still become
/// healthy, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn failing_fast_can_be_turned_off() {
    let gate = "--feature-gates=DisableFailFastBehavior=true";
    let story = Story::begin_with("slowly", &[gate]).await;
    let ns = story.namespace.clone();
    let files = [("web.yaml", deployment("web", "pending")), ("j.yaml", job("fail"))];
    story.push("latest", &files.each_ref().map(|(path, text)| (*path, text.as_str())));
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    waiting(&story).await;
    story.wait("Job", "j", "failed", |job| condition(job, "Failed")["status"] == "True").await;
    let failed = format!("Job/{ns}/j status: 'Failed'");
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(condition(&k, "Healthy")["status"], "Unknown");
    let metadata = json!({"annotations": {"fakenode.test/mode": "ready"}});
    let template = json!({"spec": {"template": {"metadata": metadata}}});
    story.patch("Deployment", "web", template).await;
    let text = format!("failed early due to stalled resources: [{failed}]");
    assert_eq!(failure(&story).await, text);

    // The next run makes the Deployment wait again.
    story.clock.advance(Duration::from_secs(5));
    waiting(&story).await;
    story.clock.advance(Duration::from_secs(30));
    let text = format!("timeout waiting for: [Deployment/{ns}/web status: 'InProgress', {failed}]");
    story
        .wait("Kustomization", "k", &text, |k| condition(k, "Healthy")["message"] == text.as_str())
        .await;
}

/// 11.2: a pod of its own that finds no place for a quarter of a minute has failed, although nothing
/// happens to it then.
#[tokio::test(flavor = "multi_thread")]
async fn a_lone_pod_without_a_place_fails_in_time() {
    let story = Story::begin("lone").await;
    let lone = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"nodeSelector": {"e2e/none": "yes"},
            "containers": [{"name": "c", "image": "registry.test/c:1"}]}});
    story.push("latest", &[("p.yaml", &lone.to_string())]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true, "timeout": "10m"}))).await;
    waiting(&story).await;
    let has_none = |pod: &Value| pod["status"]["conditions"][0]["reason"] == "Unschedulable";
    pod(&story, "unschedulable", has_none).await;
    story.clock.advance(Duration::from_secs(16));
    let ns = &story.namespace;
    let text = format!("failed early due to stalled resources: [Pod/{ns}/p status: 'Failed']");
    assert_eq!(failure(&story).await, text);
}
