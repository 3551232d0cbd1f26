//! Health: what is awaited, for how long, and that waiting holds nobody up.

use std::time::Duration;

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, roll_out, synced};

/// A Deployment whose pods behave as `mode` says (the fake node's annotation).
pub(crate) fn deployment(name: &str, mode: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}, \
         annotations: {{fakenode.test/mode: {mode}}}}}\n    spec: {{containers: [{{name: c, image: \"registry.test/c:1\"}}]}}\n"
    )
}

pub(crate) fn job(mode: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: j}}\nspec:\n  backoffLimit: 0\n  template:\n    \
         metadata: {{annotations: {{fakenode.test/mode: {mode}}}}}\n    spec: {{restartPolicy: Never, containers: \
         [{{name: c, image: \"registry.test/c:1\"}}]}}\n"
    )
}

/// ks I01, I04: the clock is not moved: readiness itself ends the wait.
#[tokio::test(flavor = "multi_thread")]
async fn everything_applied_is_awaited_and_said_once() {
    let story = Story::begin("wait").await;
    story.push("latest", &[("d.yaml", &deployment("d", "ready")), ("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    let k = story.wait_ready("Kustomization", "k").await;
    let text = condition(&k, "Healthy")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Health check passed in "), "{text}");
    assert_eq!(condition(&k, "Healthy")["reason"], "Succeeded");
    let d = story.get("Deployment", "d").await.unwrap();
    assert_eq!(d["status"]["availableReplicas"], 1);
    story.request("Kustomization", "k", "again").await;
    story
        .wait("Kustomization", "k", "handled", |k| k["status"]["lastHandledReconcileAt"] == "again")
        .await;
    let events = story.events("k").await;
    assert_eq!(events.iter().filter(|event| event.contains("Health check passed")).count(), 1);
    story.patch("Kustomization", "k", json!({"spec": {"wait": false}})).await;
    story.wait("Kustomization", "k", "unawaited", |k| condition(k, "Healthy") == Value::Null).await;
}

/// ks I02, I03: a check that never passes ends at its timeout; the inventory is the new one, the
/// applied revision the old one. Then the object comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_never_passes_times_out_and_recovers() {
    let story = Story::begin("timeout").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let ns = story.namespace.clone();
    let check =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "does-not-exist", "namespace": ns});
    story.apply(&story.kustomization("k", json!({"healthChecks": [check]}))).await;
    let k = story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
    let text = condition(&k, "Reconciling")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Running health checks for revision latest@"), "{text}");
    assert!(text.ends_with(" with a timeout of 30s"), "{text}");
    assert_eq!(condition(&k, "Healthy")["message"], text);
    story.clock.advance(Duration::from_secs(30));
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    let text = format!("timeout waiting for: [ConfigMap/{ns}/does-not-exist status: 'NotFound']");
    assert_eq!(condition(&k, "Healthy")["message"], text);
    let ready = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    // Half a minute by the clock that was moved, and what the machine took.
    assert!(ready.starts_with("health check failed after 3"), "{ready}");
    assert!(ready.contains("s: timeout waiting for: ["), "{ready}");
    assert_eq!(inventory(&k), [format!("{ns}_cm__ConfigMap")]);
    assert_eq!(k["status"]["lastAppliedRevision"], Value::Null);
    assert_eq!(k["status"]["history"][0]["lastReconciledStatus"], "HealthCheckFailed");
    story.wait_event("k", "Warning HealthCheckFailed health check failed after 3").await;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "does-not-exist"}});
    story.clock.advance(Duration::from_secs(5));
    story
        .wait("Kustomization", "k", "checking again", |k| {
            condition(k, "Healthy")["status"] == "Unknown"
        })
        .await;
    story.apply(&map).await;
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(condition(&k, "Healthy")["status"], "True");
}

/// ks I05: a failed Job ends the wait early.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_fails_fast() {
    let story = Story::begin("job").await;
    story.push("latest", &[("j.yaml", &job("fail"))]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true}))).await;
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    let ns = &story.namespace;
    let text = format!("failed early due to stalled resources: [Job/{ns}/j status: 'Failed']");
    assert_eq!(condition(&k, "Healthy")["message"], text);
}

/// ks I06, I07, I14: what counts as current at once.
#[tokio::test(flavor = "multi_thread")]
async fn suspended_jobs_cron_jobs_and_itself_do_not_block() {
    let story = Story::begin("current").await;
    let suspended =
        job("pending").replace("spec:\n  backoffLimit", "spec:\n  suspend: true\n  backoffLimit");
    let vanishing = job("ready")
        .replace("name: j}", "name: gone}")
        .replace("spec:\n  backoffLimit", "spec:\n  ttlSecondsAfterFinished: 0\n  backoffLimit");
    let balancer = "apiVersion: v1\nkind: Service\nmetadata: {name: lb}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n";
    let itself = story.kustomization("k", json!({"wait": true}));
    let files = [
        ("j.yaml", suspended.as_str()),
        ("gone.yaml", &vanishing),
        ("lb.yaml", balancer),
        ("k.yaml", &itself.to_string()),
    ];
    story.push("latest", &files);
    story.apply(&story.source(json!({}))).await;
    story.apply(&itself).await;
    story.wait_ready("Kustomization", "k").await;
}

/// ks I15 and W3: with one slot and four waiting Kustomizations, another one still runs, and each of
/// the four goes on when what it waits for comes.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_holds_no_slot() {
    let story = Story::begin_with("slots", &["--concurrent=1"]).await;
    story.push(
        "latest",
        &[("never/d.yaml", &deployment("d", "pending")), ("cm/cm.yaml", CONFIG_MAP)],
    );
    story.apply(&story.source(json!({}))).await;
    for i in 0..4 {
        let spec = json!({"path": "./never", "wait": true, "timeout": "10m", "namePrefix": format!("n{i}-")});
        story.apply(&story.kustomization(&format!("n{i}"), spec)).await;
    }
    for i in 0..4 {
        let name = format!("n{i}");
        story
            .wait("Kustomization", &name, "checking", |k| {
                condition(k, "Healthy")["status"] == "Unknown"
            })
            .await;
    }
    story.apply(&story.kustomization("k", json!({"path": "./cm"}))).await;
    story.wait_ready("Kustomization", "k").await;
    for i in 0..4 {
        let metadata = json!({"annotations": {"fakenode.test/mode": "ready"}});
        let template = json!({"spec": {"template": {"metadata": metadata}}});
        story.patch("Deployment", &format!("n{i}-d"), template).await;
    }
    for i in 0..4 {
        story.wait_ready("Kustomization", &format!("n{i}")).await;
    }
}

/// ks I16: a new revision ends a check that will never pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_supersedes_a_running_check() {
    let story = Story::begin("supersede").await;
    story.push("latest", &[("d.yaml", &deployment("d", "pending"))]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true, "timeout": "10m"}))).await;
    story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
    let k = roll_out(&story, &[("d.yaml", &deployment("d", "ready"))]).await;
    let cause = format!("New reconciliation triggered by OCIRepository/{}/src", story.namespace);
    let text = cause.replace("New r", "Health checks canceled due to new r");
    story.wait_event("k", &format!("Normal HealthCheckCanceled {text}")).await;
    assert_eq!(k["status"]["history"].as_array().unwrap().len(), 1);
}

/// ks I10: custom kinds by their conditions.
#[tokio::test(flavor = "multi_thread")]
async fn custom_kinds_are_judged_by_their_conditions() {
    let story = synced("custom", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let inner = json!({"path": "./none"});
    story.apply(&story.kustomization("inner", inner)).await;
    story.wait_failed("Kustomization", "inner", "ArtifactFailed").await;
    let check = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "name": "inner", "namespace": story.namespace});
    story
        .apply(&story.kustomization("outer", json!({"healthChecks": [check], "namePrefix": "o-"})))
        .await;
    story
        .wait("Kustomization", "outer", "checking", |k| {
            condition(k, "Healthy")["status"] == "Unknown"
        })
        .await;
    story
        .patch("Kustomization", "inner", json!({"spec": {"path": "./", "namePrefix": "i-"}}))
        .await;
    story.wait_ready("Kustomization", "outer").await;
}
