//! Expressions of the user: who is ready, and who is healthy.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

/// Makes `d`, which can never be ready, and `k` that depends on it, both with the label `v`.
async fn depending(story: &Story, labels: [&str; 2], expression: &str) {
    let mut d = story.kustomization("d", json!({"path": "./none"}));
    d["metadata"]["labels"] = json!({"v": labels[0]});
    story.apply(&d).await;
    story.wait_failed("Kustomization", "d", "ArtifactFailed").await;
    let dependency = json!([{"name": "d", "readyExpr": expression}]);
    let mut b = story.kustomization("b", json!({"dependsOn": dependency, "namePrefix": "b-"}));
    b["metadata"]["labels"] = json!({"v": labels[1]});
    story.apply(&b).await;
}

const SAME_LABEL: &str = "dep.metadata.labels['v'] == self.metadata.labels['v']";

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap_or_default().to_owned()
}

/// ks C07, C09: the expression stands in for the built-in rules, and what it looks at wakes.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_says_when_a_dependency_is_ready() {
    let story = synced("ready-expr", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    depending(&story, ["1", "2"], SAME_LABEL).await;
    let b = story.wait_failed("Kustomization", "b", "DependencyNotReady").await;
    let ns = &story.namespace;
    let text = format!("dependency '{ns}/d' is not ready according to readyExpr eval");
    assert_eq!(message(&b), text);
    story.patch("Kustomization", "d", json!({"metadata": {"labels": {"v": null, "w": "1"}}})).await;
    let text = format!("failed to evaluate the CEL expression '{SAME_LABEL}': no such key: v");
    story.wait("Kustomization", "b", "told of the key", |b| message(b) == text).await;
    story.patch("Kustomization", "d", json!({"metadata": {"labels": {"v": "2"}}})).await;
    story.wait_ready("Kustomization", "b").await;
    assert!(story.get("ConfigMap", "b-cm").await.is_some());
    let d = story.get("Kustomization", "d").await.unwrap();
    assert_eq!(condition(&d, "Ready")["status"], "False");
}

/// ks C08: with the gate, the built-in rules hold as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_adds_the_expression_to_the_built_in_rules() {
    let flags = ["--feature-gates=AdditiveCELDependencyCheck=true"];
    let story = Story::begin_with("ready-expr-gate", &flags).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    depending(&story, ["1", "1"], SAME_LABEL).await;
    let b = story.wait_failed("Kustomization", "b", "DependencyNotReady").await;
    assert_eq!(message(&b), format!("dependency '{}/d' is not ready", story.namespace));
}

/// ks C10: what is no expression stalls, is told once with the revision, and can be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_readiness_that_is_no_expression_stalls() {
    let story = synced("ready-expr-bad", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    depending(&story, ["1", "1"], "self.").await;
    let b = story.wait_failed("Kustomization", "b", "InvalidCELExpression").await;
    let start = "Reconciliation failed terminally due to configuration error: terminal error: failed \
                 to evaluate dependency d: failed to parse the CEL expression 'self.': ERROR: ";
    assert!(message(&b).starts_with(start), "{}", message(&b));
    assert_eq!(condition(&b, "Stalled")["message"], message(&b));
    assert_eq!(condition(&b, "Reconciling"), Value::Null);
    assert_eq!(b["status"]["observedGeneration"], b["metadata"]["generation"]);
    story.wait_event("b", "Warning InvalidCELExpression").await;
    let facts = story.event_annotations("b", "failed terminally").await;
    assert!(facts["kustomize.toolkit.fluxcd.io/revision"].is_string(), "{facts}");
    let dynamic = json!([{"name": "d", "readyExpr": "dep.status"}]);
    story.patch("Kustomization", "b", json!({"spec": {"dependsOn": dynamic}})).await;
    let text = "CEL expression output type mismatch: expected bool, got dyn";
    story.wait("Kustomization", "b", "told of the type", |b| message(b).ends_with(text)).await;
    story.delete("Kustomization", "b").await;
    story.wait_gone("Kustomization", "b").await;
}

fn checks(list: &Value) -> Value {
    json!({"wait": true, "healthCheckExprs": list})
}

/// ks I11: what cannot be evaluated is unknown until the time is over; then it can.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_by_expression_outranks_what_is_built_in() {
    let story = Story::begin("health-expr").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let check =
        |current: &str| json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]);
    story.apply(&story.kustomization("k", checks(&check("has(data.foo.bar)")))).await;
    story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
    story.clock.advance(Duration::from_secs(30));
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    let text = format!(
        "timeout waiting for: [ConfigMap/{}/cm status: 'Unknown': failed to evaluate the CEL \
         expression 'has(data.foo.bar)': no such key: foo]",
        story.namespace
    );
    assert_eq!(condition(&k, "Healthy")["message"], text);
    let spec = checks(&check("data.key == 'v1'"));
    story.patch("Kustomization", "k", json!({"spec": spec})).await;
    story.wait_ready("Kustomization", "k").await;
}

/// ks I12, W16: an expression for a whole group, and one for a kind that has rules of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_kind_is_asked_before_its_group() {
    let story = Story::begin("health-group").await;
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  suspend: true\n  template:\n    \
               spec: {restartPolicy: Never, containers: [{name: c, image: \"registry.test/c:1\"}]}\n";
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec:\n  schedule: \"0 0 1 1 *\"\n  \
                jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: \
                [{name: c, image: \"registry.test/c:1\"}]}}}}\n";
    story.push("latest", &[("j.yaml", job), ("c.yaml", cron)]);
    story.apply(&story.source(json!({}))).await;
    let whole = json!({"apiVersion": "batch/v1", "current": "true", "failed": "kind == 'Job'"});
    story.apply(&story.kustomization("k", checks(&json!([whole])))).await;
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    let ns = &story.namespace;
    let text = format!("failed early due to stalled resources: [Job/{ns}/j status: 'Failed']");
    assert_eq!(condition(&k, "Healthy")["message"], text);
    let exact = json!({"apiVersion": "batch/v1", "kind": "Job", "current": "spec.suspend"});
    story.patch("Kustomization", "k", json!({"spec": checks(&json!([whole, exact]))})).await;
    story.wait_ready("Kustomization", "k").await;
}

/// ks I13: checks that cannot be read stall before anything else is done.
#[tokio::test(flavor = "multi_thread")]
async fn checks_that_are_no_expressions_stall() {
    let story = Story::begin("health-bad").await;
    let check =
        |current: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "current": current});
    story.apply(&story.kustomization("k", checks(&json!([check("a.")])))).await;
    let k = story.wait_failed("Kustomization", "k", "InvalidCELExpression").await;
    let start = "Reconciliation failed terminally due to configuration error: failed to create custom \
                 status evaluator for healthchecks[0]: failed to parse the expression Current: failed \
                 to parse the CEL expression 'a.': ERROR: <input>:1:3: Syntax error: ";
    assert!(message(&k).starts_with(start), "{}", message(&k));
    assert_eq!(condition(&k, "Stalled")["status"], "True");
    assert_eq!(k["status"]["observedGeneration"], 1);
    let twice = checks(&json!([check("true"), check("false")]));
    story.patch("Kustomization", "k", json!({"spec": twice})).await;
    let text = "duplicate custom health check for GroupKind ConfigMap at healthchecks[1]";
    story.wait("Kustomization", "k", "told of the second", |k| message(k).ends_with(text)).await;
}
