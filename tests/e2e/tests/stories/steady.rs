//! A Kustomization that runs: what does not wake it, what it survives, what its deletion needs.

use std::time::Duration;

use e2e::{World, condition, inventory};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, SECRET, synced};

/// ks B08, G22: a change of the source's conditions is no reason to run; finalizers, owners and
/// foreign labels of a live object are no drift.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_change_writes_nothing() {
    let story = synced("steady", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let runs = |k: &Value| k["status"]["history"][0]["totalReconciliations"].as_i64().unwrap();
    let first = runs(&story.get("Kustomization", "k").await.unwrap());
    story.request("OCIRepository", "src", "flip").await;
    story
        .wait("OCIRepository", "src", "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == "flip"
        })
        .await;
    let metadata = json!({"finalizers": ["e2e.test/hold"], "labels": {"mine": "x"}});
    story.patch("ConfigMap", "cm", json!({"metadata": metadata})).await;
    let before = story.get("ConfigMap", "cm").await.unwrap();
    story.request("Kustomization", "k", "run").await;
    let k = story
        .wait("Kustomization", "k", "handled", |k| k["status"]["lastHandledReconcileAt"] == "run")
        .await;
    // One more, if the watch told of the patch after the run had begun.
    assert!((first + 1..=first + 2).contains(&runs(&k)), "{k:#}");
    let after = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    story.patch("ConfigMap", "cm", json!({"metadata": {"finalizers": null}})).await;
}

/// ks B09, J03: a source that is gone is said at the next interval; nothing of it is touched.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_source_touches_nothing() {
    let story = synced("sourceless", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story.delete("OCIRepository", "src").await;
    story.wait_gone("OCIRepository", "src").await;
    story.clock.advance(Duration::from_secs(600));
    let k = story.wait_failed("Kustomization", "k", "ArtifactFailed").await;
    assert_eq!(inventory(&k), [format!("{}_cm__ConfigMap", story.namespace)]);
    assert!(story.get("ConfigMap", "cm").await.is_some());
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_none());
}

/// ks L15: a spec that is edited while its own run waits counts at once, and nothing of the edit is
/// lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_during_a_run_is_acted_on_at_once() {
    let story = synced("edited", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let check = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "namespace": story.namespace}]);
    story
        .patch("Kustomization", "k", json!({"spec": {"healthChecks": check, "timeout": "10m"}}))
        .await;
    story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
    story
        .patch("Kustomization", "k", json!({"spec": {"healthChecks": null, "suspend": false}}))
        .await;
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(k["status"]["observedGeneration"], 3);
    assert_eq!(k["spec"]["timeout"], "10m");
    let cause = format!("triggered by Kustomization/{}/k", story.namespace);
    story.wait_event("k", &cause).await;
}

/// ks H07, J08: a deletion that is refused is said, tried again, and forgets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deletion_is_tried_again() {
    let story = synced("held", &[("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)], json!({})).await;
    let ns = story.namespace.clone();
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": ns},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                "operations": ["DELETE"], "resources": ["secrets"]}]},
            "validations": [{"expression": "false", "message": "held by policy"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": ns},
        "spec": {"policyName": ns, "validationActions": ["Deny"], "matchResources":
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}}}},
    });
    story.apply_cluster_wide(&policy).await;
    story.apply_cluster_wide(&binding).await;
    let denied = async || {
        let args = ["-n", &ns, "delete", "secret", "sec", "--dry-run=server"];
        !World::shared().try_kubectl(&args)
    };
    e2e::until("the policy is in force", denied).await;
    story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.request("OCIRepository", "src", "less").await;
    let k = story.wait_failed("Kustomization", "k", "PruneFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with(&format!("delete failed, errors: Secret/{ns}/sec delete failed: ")),
        "{text}"
    );
    assert!(text.contains("held by policy"), "{text}");
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v2");
    assert_eq!(inventory(&k), [format!("{ns}_cm__ConfigMap"), format!("{ns}_sec__Secret")]);
    story.delete("Kustomization", "k").await;
    story.wait_event("k", "Warning PruneFailed pruning for deleted resource failed").await;
    assert!(story.get("Kustomization", "k").await.is_some());
    World::shared().kubectl(&[
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        &ns,
    ]);
    let allowed = async || {
        // The operator may have been faster.
        let args = ["-n", &ns, "delete", "secret", "sec", "--dry-run=server", "--ignore-not-found"];
        World::shared().try_kubectl(&args)
    };
    e2e::until("the policy is lifted", allowed).await;
    story.clock.advance(Duration::from_secs(900));
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("Secret", "sec").await.is_none());
}

/// ks D02, D07, D09, D10, D11, D12, D14, D16: what the spec adds to a build reaches the cluster, and
/// leaves it when the spec drops it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_spec_adds_reaches_the_cluster_and_leaves_it() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {app: d}}\n  \
        template:\n    metadata: {labels: {app: d}}\n    spec: {containers: [{name: c, image: app}], volumes: \
        [{name: v, configMap: {name: cm}}]}\n";
    let files = [
        (
            "app/kustomization.yaml",
            "resources: [cm.yaml, d.yaml]\nimages: [{name: app, newTag: \"1\"}]\n",
        ),
        ("app/cm.yaml", CONFIG_MAP),
        ("app/d.yaml", deployment),
        ("app/unlisted.yaml", SECRET),
        (
            "c/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [sec.yaml]\n",
        ),
        ("c/sec.yaml", SECRET),
    ];
    let spec = json!({
        "path": "./app", "namePrefix": "p-", "nameSuffix": "-s",
        "commonMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "images": [{"name": "app", "newName": "r/app"}],
        "components": ["../c", "../missing"], "ignoreMissingComponents": true,
        "buildMetadata": ["originAnnotations"],
        "patches": [{"patch": "[{\"op\": \"add\", \"path\": \"/data/more\", \"value\": \"x\"}]",
            "target": {"kind": "ConfigMap"}}],
    });
    let story = synced("composed", &files, spec).await;
    let d = story.get("Deployment", "p-d-s").await.unwrap();
    let pod = &d["spec"]["template"];
    assert_eq!(pod["spec"]["containers"][0]["image"], "r/app:1");
    assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], "p-cm-s");
    assert_eq!(d["metadata"]["labels"]["a"], "b");
    assert_eq!(pod["metadata"]["labels"], json!({"app": "d"}));
    let cm = story.get("ConfigMap", "p-cm-s").await.unwrap();
    assert_eq!(cm["data"], json!({"key": "v1", "more": "x"}));
    assert!(cm["metadata"]["annotations"]["config.kubernetes.io/origin"].is_string());
    assert!(story.get("Secret", "p-sec-s").await.is_some());
    let none = json!({"spec": {"namePrefix": null, "nameSuffix": null, "commonMetadata": null,
        "components": null, "buildMetadata": null, "patches": null, "images": null}});
    story.patch("Kustomization", "k", none).await;
    story.wait_ready("Kustomization", "k").await;
    let cm = story.get("ConfigMap", "cm").await.unwrap();
    assert_eq!(cm["data"], json!({"key": "v1"}));
    assert_eq!(cm["metadata"]["annotations"].get("c"), None);
    for (kind, name) in [("ConfigMap", "p-cm-s"), ("Deployment", "p-d-s"), ("Secret", "p-sec-s")] {
        story.wait_gone(kind, name).await;
    }
    let twice = [("a.yaml", CONFIG_MAP), ("b.yaml", CONFIG_MAP)];
    story.push("latest", &twice);
    story.patch("Kustomization", "k", json!({"spec": {"path": "./"}})).await;
    story.request("OCIRepository", "src", "twice").await;
    let k = story
        .wait("Kustomization", "k", "told of the duplicate", |k| {
            condition(k, "Ready")["message"]
                .as_str()
                .unwrap_or_default()
                .contains("already registered id")
        })
        .await;
    assert_eq!(condition(&k, "Ready")["reason"], "BuildFailed");
}

/// ks C04, C05: a dependency on another source is judged without revisions; one whose spec has moved
/// on is not ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_of_another_source_is_judged_by_itself() {
    let story = synced("sources", &[("cm.yaml", CONFIG_MAP)], json!({"namePrefix": "k-"})).await;
    let mut other = story.source(json!({}));
    other["metadata"]["name"] = json!("other");
    story.apply(&other).await;
    let spec =
        json!({"sourceRef": {"name": "other"}, "namePrefix": "d-", "dependsOn": [{"name": "k"}]});
    story.apply(&story.kustomization("d", spec)).await;
    story.wait_ready("Kustomization", "d").await;
    let missing = json!({"spec": {"kubeConfig": {"configMapRef": {"name": "x"}}}});
    story.patch("Kustomization", "k", missing).await;
    story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    story.request("Kustomization", "d", "judge").await;
    let d = story.wait_failed("Kustomization", "d", "DependencyNotReady").await;
    let text = format!("dependency '{}/k' is not ready", story.namespace);
    assert_eq!(condition(&d, "Ready")["message"], text);
    story.patch("Kustomization", "k", json!({"spec": {"kubeConfig": null}})).await;
    story.wait_ready("Kustomization", "d").await;
}
