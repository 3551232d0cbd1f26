//! Whose rights count.

use e2e::{CANARY, Story, World, condition};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

async fn allow(story: &Story, account: &str) {
    let meta = |name: &str| json!({"name": name});
    story
        .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(account)}))
        .await;
    story
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta(account),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": story.namespace}],
        }))
        .await;
}

/// ks K01, K02, K03, J06: the default account has no rights, the named one has them in its own
/// namespace only; without its account nothing is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn objects_are_applied_as_the_account_that_is_named() {
    let story = Story::begin_with("tenant", &["--default-service-account=default"]).await;
    let ns = story.namespace.clone();
    let foreign = CONFIG_MAP.replace("name: cm", "name: cm, namespace: default");
    story.push("latest", &[("own/cm.yaml", CONFIG_MAP), ("foreign/cm.yaml", &foreign)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"path": "./own"}))).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("ConfigMap/{ns}/cm dry-run failed (Forbidden): ")), "{text}");
    assert!(text.contains(&format!("system:serviceaccount:{ns}:default")), "{text}");
    allow(&story, "tenant").await;
    story.patch("Kustomization", "k", json!({"spec": {"serviceAccountName": "tenant"}})).await;
    story.wait_ready("Kustomization", "k").await;
    let forged = json!({"path": "./own", "serviceAccountName": "x:admin", "namePrefix": "x-"});
    story.apply(&story.kustomization("forged", forged)).await;
    let forged = story.wait_failed("Kustomization", "forged", "ReconciliationFailed").await;
    let text = condition(&forged, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("invalid service account name \"x:admin\""), "{text}");
    let spec =
        json!({"path": "./foreign", "targetNamespace": null, "serviceAccountName": "tenant"});
    story.apply(&story.kustomization("foreign", spec)).await;
    let foreign = story.wait_failed("Kustomization", "foreign", "ReconciliationFailed").await;
    let text = condition(&foreign, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("ConfigMap/default/cm dry-run failed (Forbidden): "), "{text}");
    story.delete("ServiceAccount", "tenant").await;
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    story
        .wait_event(
            "k",
            &format!(
                "Warning ReconciliationSucceeded unable to prune objects: \nConfigMap/{ns}/cm"
            ),
        )
        .await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
}

/// ks E01, E02, E03, E04, K07: variables come from the spec and from what it refers to, read with
/// the operator's rights.
#[tokio::test(flavor = "multi_thread")]
async fn variables_are_substituted_in_order() {
    let story = Story::begin("variables").await;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: out}\ndata: {a: \"${a}\", b: \"${b}\", c: \"${c:=fallback}\"}\n";
    story.push("latest", &[("cm.yaml", map)]);
    story.apply(&story.source(json!({}))).await;
    let data = |kind: &str, key: &str, data: Value| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "vars"}, key: data});
    story.apply(&data("ConfigMap", "data", json!({"a": "map", "b": "map"}))).await;
    let from = json!([
        {"kind": "ConfigMap", "name": "vars"},
        {"kind": "Secret", "name": "vars"},
        {"kind": "Secret", "name": "none", "optional": true},
    ]);
    let spec = json!({"postBuild": {"substitute": {"a": "spec"}, "substituteFrom": from}});
    story.apply(&story.kustomization("k", spec)).await;
    let k = story.wait_failed("Kustomization", "k", "BuildFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(
        text.contains("substitute from 'Secret/vars' error: secrets \"vars\" not found"),
        "{text}"
    );
    story.apply(&data("Secret", "stringData", json!({"b": format!("{CANARY}\n")}))).await;
    story.request("Kustomization", "k", "now").await;
    story.wait_ready("Kustomization", "k").await;
    let out = story.get("ConfigMap", "out").await.unwrap();
    assert_eq!(out["data"], json!({"a": "spec", "b": CANARY, "c": "fallback"}));
    let missing = map.replace("name: out", "name: out2").replace("${a}", "${missing}");
    story.push("latest", &[("cm.yaml", &missing)]);
    story.request("OCIRepository", "src", "missing").await;
    let k = story.wait_failed("Kustomization", "k", "BuildFailed").await;
    let text = "post build failed for 'ConfigMap.v1.[noGrp]/out2': envsubst error: variable substitution \
                failed: variable not set (strict mode): \"missing\"";
    assert_eq!(condition(&k, "Ready")["message"], text);
}

/// The operator's rights are those of `config/rbac` and no more: it cannot even list secrets by
/// its own role.
#[test]
fn the_role_of_the_operator_is_small() {
    let role = World::shared().kubectl(&["get", "clusterrole", "sluice-controller", "-o", "json"]);
    let role: Value = serde_json::from_str(&role).unwrap();
    for rule in role["rules"].as_array().unwrap() {
        let has = |key: &str, value: &str| rule[key].as_array().unwrap().contains(&json!(value));
        assert!(!has("verbs", "*") && !has("resources", "*") && !has("apiGroups", "*"), "{rule}");
        assert!(!(has("resources", "secrets") && has("verbs", "list")), "{rule}");
    }
}
