//! What a tenant may try, and as whom it is then tried (security.md, 4.3).

use e2e::recorder::{Asked, Recorder};
use e2e::{Story, World, condition, inventory};
use serde_json::{Value, json};

use super::identity::allow;
use super::sync::{CONFIG_MAP, roll_out, synced};

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap().to_owned()
}

/// Writes about objects that are not the operator's own business: status, finalizers, events.
fn writes(recorder: &Recorder) -> Vec<Asked> {
    let own = ["/kustomizations/", "/ocirepositories/", "/events"];
    let reads = ["GET", "LIST", "WATCH"];
    let is_theirs = |asked: &Asked| {
        !reads.contains(&asked.verb) && !own.iter().any(|own| asked.path.contains(own))
    };
    recorder.take().into_iter().filter(is_theirs).collect()
}

/// C2: a name that no account can have is refused before anything is sent; a name of an account that
/// is not there is sent, as that account.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_account_has_are_never_sent() {
    let (story, recorder) = Story::overheard("names", &[]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    recorder.take();
    let other = format!("{}:default", story.namespace);
    let hostile =
        ["system:masters", "a b", " ", "kube-system:default", &other, "A", "é", "x\n", "a/b"];
    for (nth, name) in hostile.iter().enumerate() {
        let k = format!("k{nth}");
        story.apply(&story.kustomization(&k, json!({"serviceAccountName": name}))).await;
        let k = story.wait_failed("Kustomization", &k, "ReconciliationFailed").await;
        let begin = format!("invalid service account name {name:?}: ");
        assert!(message(&k).starts_with(&begin), "{}", message(&k));
    }
    assert_eq!(writes(&recorder), []);
    let asked = json!({"serviceAccountName": "nobody"});
    story.apply(&story.kustomization("gone", asked)).await;
    let gone = story.wait_failed("Kustomization", "gone", "ReconciliationFailed").await;
    assert!(message(&gone).contains("dry-run failed (Forbidden)"), "{}", message(&gone));
    let user = format!("system:serviceaccount:{}:nobody", story.namespace);
    let sent = writes(&recorder);
    assert!(
        !sent.is_empty() && sent.iter().all(|asked| asked.user.as_ref() == Some(&user)),
        "{sent:#?}"
    );
    assert_eq!(story.get("ConfigMap", "cm").await, None);
}

/// What an account with all rights in the namespace `ns` may still not apply, each with a name.
fn beyond_rights(ns: &str) -> Vec<(&'static str, String)> {
    let rbac = "apiVersion: rbac.authorization.k8s.io/v1";
    let rule = "{apiGroups: [''], resources: [users], verbs: [impersonate]}";
    let meta = format!("metadata: {{name: {ns}}}");
    vec![
        ("namespace", format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}-x}}\n")),
        (
            "level",
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}, labels: \
             {{pod-security.kubernetes.io/enforce: privileged}}}}\n"
            ),
        ),
        ("role", format!("{rbac}\nkind: ClusterRole\n{meta}\nrules: [{rule}]\n")),
        (
            "escalation",
            format!(
                "{rbac}\nkind: Role\nmetadata: {{name: x, namespace: {ns}}}\nrules: [{rule}]\n"
            ),
        ),
        (
            "binding",
            format!(
                "{rbac}\nkind: ClusterRoleBinding\n{meta}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, \
             kind: ClusterRole, name: cluster-admin}}\nsubjects: [{{kind: ServiceAccount, name: tenant, \
             namespace: {ns}}}]\n"
            ),
        ),
        ("theirs", CONFIG_MAP.replace("name: cm", "name: cm, namespace: kube-system")),
        (
            "operator",
            format!(
                "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: sluice-controller, namespace: \
             sluice-system, labels: {{ns: {ns}}}}}\n"
            ),
        ),
        (
            "definition",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: \
             {name: kustomizations.kustomize.toolkit.fluxcd.io, labels: {x: stolen}}\n"
                .to_owned(),
        ),
    ]
}

/// C4, C9: what the account may not do is not done, neither as it nor as the operator; the set says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_may_not_do_is_not_done() {
    let (story, recorder) = Story::overheard("rights", &[]).await;
    let ns = story.namespace.clone();
    let hostile = beyond_rights(&ns);
    let paths: Vec<_> = hostile.iter().map(|(name, _)| format!("{name}/a.yaml")).collect();
    let files: Vec<_> = paths
        .iter()
        .zip(&hostile)
        .map(|(path, (_, text))| (path.as_str(), text.as_str()))
        .collect();
    story.push("latest", &files);
    allow(&story, "tenant").await;
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    recorder.take();
    for (name, _) in &hostile {
        let spec = json!({"path": format!("./{name}"), "serviceAccountName": "tenant",
            "targetNamespace": null, "force": true});
        story.apply(&story.kustomization(name, spec)).await;
        let k = story.wait_failed("Kustomization", name, "ReconciliationFailed").await;
        let text = message(&k).to_lowercase();
        assert!(text.contains("forbidden"), "{name}: {text}");
    }
    let user = format!("system:serviceaccount:{ns}:tenant");
    let sent = writes(&recorder);
    assert!(!sent.is_empty());
    for asked in sent {
        assert_eq!(asked.user.as_ref(), Some(&user), "{asked}");
        assert_eq!(asked.verb, "DRYRUN", "{asked}");
    }
    let namespace = World::shared().kubectl(&["get", "namespace", &ns, "-o", "json"]);
    assert!(!namespace.contains("pod-security"), "{namespace}");
    assert!(!World::shared().try_kubectl(&["get", "namespace", &format!("{ns}-x")]));
}

/// C5: references to other namespaces are refused under every setting, after a restart and after a
/// change of labels. Everything else that a spec names has no namespace to begin with.
#[tokio::test(flavor = "multi_thread")]
async fn references_stay_in_their_namespace() {
    const LOCK: &str = "--no-cross-namespace-refs";
    let theirs = synced("theirs", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let mut story = Story::begin_with("locked", &[LOCK]).await;
    let other = theirs.namespace.clone();
    let spec = json!({"sourceRef": {"kind": "OCIRepository", "name": "src", "namespace": other}});
    let mut object = story.kustomization("k", spec);
    object["metadata"]["labels"] = json!({"team": "a"});
    let text = format!(
        "can't access 'OCIRepository/{other}/src', cross-namespace references have been blocked"
    );
    let refused = async |story: &Story, team: &str| {
        story.request("Kustomization", "k", team).await;
        let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == team;
        let k = story.wait("Kustomization", "k", team, handled).await;
        let ready = condition(&k, "Ready");
        assert_eq!((&ready["reason"], &ready["message"]), (&json!("AccessDenied"), &json!(text)));
        assert_eq!(condition(&k, "Stalled")["status"], "True");
        assert_eq!(k["status"]["inventory"], Value::Null);
    };
    story.apply(&object).await;
    refused(&story, "selected").await;
    for (team, flags) in [
        ("a", &[LOCK, "--concurrent=1"][..]),
        ("b", &[LOCK, "--default-service-account=default"]),
        ("c", &[LOCK, "--feature-gates=DirectSourceFetch=true"]),
        ("d", &[LOCK, "--feature-gates=AdditiveCELDependencyCheck=true,ExternalArtifact=true"]),
    ] {
        story.stop_operator().await;
        story.set_flags(flags);
        let labels = json!({"metadata": {"labels": {"team": team}}});
        story.patch("Kustomization", "k", labels).await;
        story.start_operator().await;
        refused(&story, &format!("restarted-{team}")).await;
    }
    assert_eq!(story.get("ConfigMap", "cm").await, None);
}

/// C7: what only a server may say is not believed of a manifest, and owners that somebody forged
/// delete nothing of ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_is_not_taken_from_a_manifest() {
    let forged = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: forged\n  uid: 00000000-0000-0000-0000-000000000001\n  \
        resourceVersion: \"1\"\n  generation: 7\n  creationTimestamp: \"2001-01-01T00:00:00Z\"\n  \
        managedFields: [{manager: kubectl, operation: Update, apiVersion: v1, fieldsType: FieldsV1, \
        fieldsV1: {\"f:data\": {}}}]\ndata: {key: v1}\nstatus: {phase: Forged}\n";
    let name = "n".repeat(253);
    let long =
        CONFIG_MAP.replace("name: cm", &format!("name: {name}, labels: {{a: {}}}", "l".repeat(63)));
    let twins =
        ["cm", "с\u{43c}"].map(|name| CONFIG_MAP.replace("name: cm", &format!("name: {name}")));
    let story = synced("forged", &[("long.yaml", &long)], json!({})).await;
    assert!(story.get("ConfigMap", &name).await.is_some());
    let tell = async |files: &[(&str, &str)]| {
        let digest = story.push("latest", files);
        story.request("OCIRepository", "src", &digest).await;
        let tried = |k: &Value| {
            k["status"]["lastAttemptedRevision"] == format!("latest@{digest}")
                && condition(k, "Ready")["status"] != "Unknown"
        };
        let k = story.wait("Kustomization", "k", "tried", tried).await;
        (condition(&k, "Ready")["status"] == "True", message(&k), inventory(&k))
    };
    let (_, text, ids) = tell(&[("long.yaml", &long), ("f.yaml", forged)]).await;
    let live = story.get("ConfigMap", "forged").await;
    if let Some(live) = &live {
        assert_ne!(live["metadata"]["uid"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(live["status"], Value::Null);
    } else {
        let begin = format!("ConfigMap/{}/forged dry-run failed", story.namespace);
        assert!(text.starts_with(&begin), "{text}");
    }
    assert!(ids.iter().any(|id| id.contains(&name)), "{ids:?}");
    // Letters that only look alike are no name.
    let (ready, text, _) =
        tell(&[("long.yaml", &long), ("one.yaml", &twins[0]), ("two.yaml", &twins[1])]).await;
    assert!(!ready && text.contains("Invalid"), "{text}");

    // An owner that is not there makes the server delete an object; it is made again, and nothing else
    // of ours goes.
    roll_out(&story, &[("long.yaml", &long), ("cm.yaml", CONFIG_MAP)]).await;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "none",
        "uid": "00000000-0000-0000-0000-000000000002"});
    story.patch("ConfigMap", "cm", json!({"metadata": {"ownerReferences": [owner]}})).await;
    story.request("Kustomization", "k", "again").await;
    story
        .wait("Kustomization", "k", "handled", |k| k["status"]["lastHandledReconcileAt"] == "again")
        .await;
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(inventory(&k).len(), 2);
    assert!(story.get("ConfigMap", &name).await.is_some());
}

/// C6: of two that claim an object the last one wins, neither fights before its time, and who lost it
/// does not delete it.
#[tokio::test(flavor = "multi_thread")]
async fn two_owners_do_not_fight() {
    let story = synced("owners", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let patch = "- {op: replace, path: /data/key, value: v2}\n";
    let patches = json!([{"patch": patch, "target": {"kind": "ConfigMap"}}]);
    story.apply(&story.kustomization("k2", json!({"patches": patches}))).await;
    story.wait_ready("Kustomization", "k2").await;
    let live = async || story.get("ConfigMap", "cm").await.unwrap();
    let ran = async |k: &str, token: &str| {
        story.request("Kustomization", k, token).await;
        let handled = |k: &Value| {
            k["status"]["lastHandledReconcileAt"] == token
                && condition(k, "Ready")["status"] == "True"
        };
        story.wait("Kustomization", k, token, handled).await;
    };
    let theirs = live().await;
    assert_eq!(theirs["data"]["key"], "v2");
    ran("k2", "again").await;
    assert_eq!(live().await["metadata"]["resourceVersion"], theirs["metadata"]["resourceVersion"]);
    ran("k", "back").await;
    let ours = live().await;
    assert_eq!(ours["data"]["key"], "v1");
    story.delete("Kustomization", "k2").await;
    story.wait_gone("Kustomization", "k2").await;
    assert_eq!(live().await["metadata"]["resourceVersion"], ours["metadata"]["resourceVersion"]);
}
