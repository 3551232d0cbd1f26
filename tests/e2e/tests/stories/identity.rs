//! Whose rights count.

use e2e::{CANARY, Story, World, condition};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

/// Makes an account that may do in the story's namespace what an admin may.
pub(crate) async fn allow(story: &Story, account: &str) {
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

/// ks E16 and W8: what a spec refers to is read once a run, however many objects there are.
#[tokio::test(flavor = "multi_thread")]
async fn variables_are_read_once_a_run() {
    let story = Story::begin("reads").await;
    let map = |i: usize| {
        CONFIG_MAP.replace("name: cm", &format!("name: m{i}")).replace("key: v1", "key: '${a}'")
    };
    let maps: Vec<String> = (0..500).map(map).collect();
    story.push("latest", &[("all.yaml", &maps.join("---\n"))]);
    story.apply(&story.source(json!({}))).await;
    for name in ["one", "two"] {
        let data = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name}, "data": {"a": name}});
        story.apply(&data).await;
    }
    let from = json!([{"kind": "ConfigMap", "name": "one"}, {"kind": "ConfigMap", "name": "two"}]);
    let spec = json!({"postBuild": {"substitute": {"b": "x"}, "substituteFrom": from}});
    story.apply(&story.kustomization("k", spec)).await;
    story.wait_ready("Kustomization", "k").await;
    assert_eq!(story.get("ConfigMap", "m499").await.unwrap()["data"]["key"], "two");
    let reads = async || {
        let url = format!("http://{}/metrics", story.operator().addresses.metrics);
        let text = String::from_utf8(story.http("GET", &url).await.1).unwrap();
        // Answered ones: kinds of sources that are not installed are looked for now and then.
        let line = |l: &&str| {
            l.starts_with("rest_client_requests_total")
                && l.contains("\"GET\"")
                && l.contains("code=\"200\"")
        };
        let counts = text.lines().filter(line).map(|l| l.rsplit_once(' ').unwrap().1);
        counts.map(|count| count.parse::<u64>().unwrap()).sum::<u64>()
    };
    let reads_of_a_run = async |token: &str| {
        let before = reads().await;
        story.request("Kustomization", "k", token).await;
        let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == token;
        let k = story.wait("Kustomization", "k", token, handled).await;
        assert_eq!(condition(&k, "Ready")["status"], "True");
        reads().await - before
    };
    // A watch that begins meanwhile adds reads to one run, not to each.
    let least = async |token: &str| {
        let mut least = u64::MAX;
        for nth in 0..3 {
            least = least.min(reads_of_a_run(&format!("{token}-{nth}")).await);
        }
        least
    };
    let with = least("with").await;
    let own = json!({"postBuild": {"substitute": {"a": "two"}, "substituteFrom": null}});
    story.patch("Kustomization", "k", json!({"spec": own})).await;
    story.wait_ready("Kustomization", "k").await;
    let without = least("without").await;
    assert_eq!(with, without + 2);
}

/// The operator's rights are those of `config/rbac` and no more.
#[test]
fn the_role_of_the_operator_is_small() {
    let role = World::shared().kubectl(&["get", "clusterrole", "sluice-controller", "-o", "json"]);
    let role: Value = serde_json::from_str(&role).unwrap();
    for rule in role["rules"].as_array().unwrap() {
        let has = |key: &str, value: &str| rule[key].as_array().unwrap().contains(&json!(value));
        assert!(!has("verbs", "*") && !has("resources", "*") && !has("apiGroups", "*"), "{rule}");
        let writes = ["create", "update", "patch", "delete"].iter().any(|verb| has("verbs", verb));
        assert!(!(has("resources", "secrets") && writes), "{rule}");
    }
}

/// ks E17: what carries the label wakes whoever refers to it, at every change; nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn labelled_variables_wake_their_users() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: out}\ndata: {a: \"${a:=none}\"}\n";
    let story = Story::begin("watched").await;
    story.push("latest", &[("cm.yaml", map)]);
    story.apply(&story.source(json!({}))).await;
    let vars = |name: &str, a: &str, labels: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels}, "data": {"a": a}})
    };
    let watched = || json!({"reconcile.fluxcd.io/watch": "Enabled"});
    story.apply(&vars("unwatched", "one", json!({}))).await;
    let from = json!([{"kind": "ConfigMap", "name": "unwatched", "optional": true},
        {"kind": "ConfigMap", "name": "watched", "optional": true}]);
    story.apply(&story.kustomization("k", json!({"postBuild": {"substituteFrom": from}}))).await;
    story.wait_ready("Kustomization", "k").await;
    let says = async |a: &str| {
        let wanted = json!({"a": a});
        story.wait("ConfigMap", "out", a, |out| out["data"] == wanted).await;
    };
    says("one").await;
    story.apply(&vars("watched", "two", watched())).await;
    says("two").await;
    story.apply(&vars("watched", "three", watched())).await;
    says("three").await;
    // Had this woken anybody, there would be one run more.
    story.apply(&vars("unwatched", "four", json!({}))).await;
    let runs = story.runs().await;
    story.delete("ConfigMap", "watched").await;
    says("four").await;
    let ran = |runs: &std::collections::BTreeMap<String, u64>| runs.values().sum::<u64>();
    assert_eq!(ran(&story.runs().await), ran(&runs) + 1);
}

pub(super) fn kubeconfig(server: &str, authority: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": token}}],
    })
    .to_string()
}

/// ks K04, K05, J07: the kubeconfig of a Secret says where and as whom; a deletion waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn objects_are_applied_through_a_kubeconfig() {
    let story = Story::begin("remote").await;
    let ns = story.namespace.clone();
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let spec = json!({"kubeConfig": {"secretRef": {"name": "remote"}}});
    story.apply(&story.kustomization("k", spec)).await;
    let message = async |text: &str| {
        story
            .wait("Kustomization", "k", text, |k| {
                condition(k, "Ready")["reason"] == "ReconciliationFailed"
                    && condition(k, "Ready")["message"].as_str().unwrap().contains(text)
            })
            .await
    };
    let text = format!(
        "unable to read KubeConfig secret '{ns}/remote' error: secrets \"remote\" not found"
    );
    let k = message(&text).await;
    assert_eq!(k["status"]["history"], Value::Null);
    story.wait_event("k", &format!("failed to build kube client: {text}")).await;
    let secret = |key: &str, value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": {key: value},
            "metadata": {"name": "remote", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}})
    };
    story.apply(&secret("other", "x")).await;
    message(&format!(
        "KubeConfig secret '{ns}/remote' does not contain a 'value' key with a kubeconfig"
    ))
    .await;
    story.apply(&secret("value.yaml", "garbage")).await;
    message("couldn't get version/kind; json parse error: json: cannot unmarshal string").await;

    // An account without rights, and then with them: the requests are its own.
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "remote"}});
    story.apply(&account).await;
    let token = World::shared().kubectl(&["-n", &ns, "create", "token", "remote"]);
    let (server, authority) = World::shared().address();
    story.apply(&secret("value.yaml", &kubeconfig(&server, &authority, token.trim()))).await;
    message(&format!("User \"system:serviceaccount:{ns}:remote\" cannot patch")).await;
    allow(&story, "remote").await;
    story.request("Kustomization", "k", "allowed").await;
    story.wait_ready("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_some());

    story.delete("Secret", "remote").await;
    message("unable to read KubeConfig secret").await;
    story.delete("Kustomization", "k").await;
    story
        .wait("Kustomization", "k", "held", |k| !k["metadata"]["deletionTimestamp"].is_null())
        .await;
    story.clock.advance(std::time::Duration::from_secs(1));
    assert!(story.get("ConfigMap", "cm").await.is_some());
    story.apply(&secret("value", &kubeconfig(&server, &authority, token.trim()))).await;
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_none());
}
