//! Objects that are not as they should be, ours and live ones: the damage stays with them
//! (security.md, 4.4).

use std::time::Duration;

use e2e::recorder::Fault;
use e2e::{Story, condition, inventory, is_ready};
use serde_json::{Value, json};

use super::health::deployment;
use super::sync::{CONFIG_MAP, roll_out, synced};

fn map(name: &str) -> String {
    CONFIG_MAP.replace("name: cm", &format!("name: {name}"))
}

/// D1: an object that no definition would let pass any more fails alone, and visibly; the others go
/// on, and its kind is still listed and watched.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_fails_alone() {
    let (mut story, recorder) = Story::overheard("unread", &[]).await;
    story.stop_operator().await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let annotation = "x".repeat(200_000);
    for (name, spec) in [
        ("duration", json!({"interval": "7m0s"})),
        ("large", json!({"interval": "2562048h"})),
        ("type", json!({"path": "./typed"})),
        ("enum", json!({"deletionPolicy": "Orphan"})),
        ("list", json!({"dependsOn": [{"name": "listed"}]})),
        ("good", json!({"namePrefix": "good-"})),
    ] {
        let mut object = story.kustomization(name, spec);
        object["metadata"]["annotations"] = json!({"example.com/large": annotation});
        story.apply(&object).await;
    }
    let mut source = story.source(json!({"interval": "8m0s"}));
    source["metadata"]["name"] = json!("bad");
    story.apply(&source).await;
    for (text, instead) in [
        ("\"interval\":\"7m0s\"", "\"interval\":\"1e400h\""),
        ("\"path\":\"./typed\"", "\"path\":[12]"),
        ("\"deletionPolicy\":\"Orphan\"", "\"deletionPolicy\":\"Future\",\"future\":{\"a\":1}"),
        ("\"dependsOn\":[{\"name\":\"listed\"}]", "\"dependsOn\":{\"name\":7}"),
        ("\"interval\":\"8m0s\"", "\"interval\":true"),
    ] {
        recorder.lie(text, instead);
    }
    story.start_operator().await;
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("Kustomization", "good").await;
    for name in ["duration", "large", "type", "enum", "list"] {
        let k = story.wait_failed("Kustomization", name, "InvalidSpec").await;
        assert_eq!(condition(&k, "Stalled")["status"], "True", "{name}");
    }
    story.wait_failed("OCIRepository", "bad", "InvalidSpec").await;
    // The kind goes on: what comes later is seen.
    story.apply(&story.kustomization("later", json!({"namePrefix": "later-"}))).await;
    story.wait_ready("Kustomization", "later").await;
    let mended = json!({"spec": {"interval": "9m", "namePrefix": "d-"}});
    story.patch("Kustomization", "duration", mended).await;
    story.wait_ready("Kustomization", "duration").await;
}

/// D2: annotations that mean nothing change nothing, before a restart and after it.
#[tokio::test(flavor = "multi_thread")]
async fn annotations_that_mean_nothing_change_nothing() {
    let key = |name: &str| format!("kustomize.toolkit.fluxcd.io/{name}");
    let noise = ["", "\u{0}", "enabled,disabled", "{}", "IfNotPresentt", "\u{1f9e8}", "-1"];
    let markers = ["reconcile", "ssa", "prune", "force", "substitute", "decrypt", "other"];
    let lines: Vec<_> = noise
        .iter()
        .filter(|text| !text.contains('\0'))
        .zip(markers.iter().cycle())
        .map(|(text, name)| format!("    {}: {}\n", key(name), json!(text)))
        .collect();
    let marked = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: marked\n  annotations:\n{}data: {{key: v1}}\n",
        lines.concat()
    );
    let mut story =
        synced("noise", &[("cm.yaml", CONFIG_MAP), ("m.yaml", &marked)], json!({})).await;
    let ours = ["prune-guard", "prune-allowed", "wait-for-dependents", "rollback-guard", "none"];
    for (nth, text) in noise.iter().filter(|text| !text.contains('\0')).enumerate() {
        let mut annotations = serde_json::Map::new();
        for name in ours {
            annotations.insert(format!("sluice.dev/{name}"), json!(text));
        }
        let token = format!("{text}\u{85}{nth}");
        annotations.insert("reconcile.fluxcd.io/requestedAt".into(), json!(token));
        annotations.insert("kustomize.toolkit.fluxcd.io/ssa".into(), json!(text));
        annotations.insert("event.toolkit.fluxcd.io/".into(), Value::Null);
        story.patch("Kustomization", "k", json!({"metadata": {"annotations": annotations}})).await;
        let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == token && is_ready(k);
        story.wait("Kustomization", "k", &token, handled).await;
    }
    // Rules that cannot be read guard everything, and say so; nothing goes.
    let digest = story.push("latest", &[("m.yaml", &marked)]);
    story.request("OCIRepository", "src", &digest).await;
    let blocked = |k: &Value| condition(k, "sluice.dev/PruneBlocked")["status"] == "True";
    let k = story.wait("Kustomization", "k", "blocked", blocked).await;
    assert!(inventory(&k).contains(&format!("{}_cm__ConfigMap", story.namespace)));
    story.stop_operator().await;
    story.start_operator().await;
    story.request("Kustomization", "k", "restarted").await;
    let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == "restarted";
    story.wait("Kustomization", "k", "restarted", handled).await;
    assert!(story.get("ConfigMap", "cm").await.is_some());
    let none = json!({"metadata": {"annotations": {"sluice.dev/prune-guard": null}}});
    story.patch("Kustomization", "k", none).await;
    story.wait_gone("ConfigMap", "cm").await;
}

/// D4: an expression that costs too much is the failure of its own object.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_without_end_holds_nobody_up() {
    let story = synced("costly", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let list = format!("[{}]", vec!["1"; 1000].join(","));
    let costly = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c > 0)))");
    let dependent = json!({"namePrefix": "a-",
        "dependsOn": [{"name": "k", "readyExpr": format!("{costly} && dep.metadata.name == 'k'")}]});
    story.apply(&story.kustomization("dependent", dependent)).await;
    let check = json!({"namePrefix": "b-", "wait": true, "healthCheckExprs":
        [{"apiVersion": "v1", "kind": "ConfigMap", "current": format!("{costly} && data.key == 'v1'")}]});
    story.apply(&story.kustomization("checked", check)).await;
    let dependent = story.wait_failed("Kustomization", "dependent", "DependencyNotReady").await;
    let text = condition(&dependent, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.ends_with("actual cost limit exceeded"), "{}", &text[text.len() - 100..]);
    let waits = |k: &Value| condition(k, "Healthy")["status"] == "Unknown";
    story.wait("Kustomization", "checked", "waits", waits).await;
    story.request("Kustomization", "k", "meanwhile").await;
    let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == "meanwhile" && is_ready(k);
    story.wait("Kustomization", "k", "handled", handled).await;
    story.clock.advance(Duration::from_secs(31));
    let checked = story.wait_failed("Kustomization", "checked", "HealthCheckFailed").await;
    let text = condition(&checked, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.contains("status: 'Unknown'"), "{}", &text[..200]);
}

/// D6: a group of the API that is out of service is named and waited for; nothing is pruned for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_out_of_service_comes_back() {
    let (story, recorder) = Story::overheard("group", &[]).await;
    let ns = story.namespace.clone();
    let files =
        |mode: &str| [("d.yaml", deployment("d", mode)), ("cm.yaml", CONFIG_MAP.to_owned())];
    let push = |mode: &str| {
        let files = files(mode);
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        story.push("latest", &files)
    };
    push("ready");
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"wait": true, "retryInterval": "1s"}))).await;
    story.wait_ready("Kustomization", "k").await;
    recorder
        .disturb(|asked, _| asked.path.starts_with("/apis/apps/").then_some(Fault::Refused(503)));
    let digest = push("never");
    story.request("OCIRepository", "src", &digest).await;
    e2e::until("it is named", async || {
        story.clock.advance(Duration::from_secs(1));
        let k = story.get("Kustomization", "k").await.unwrap();
        condition(&k, "Ready")["reason"] == "ReconciliationFailed"
    })
    .await;
    let k = story.get("Kustomization", "k").await.unwrap();
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("Deployment/{ns}/d ")) && text.contains("503"), "{text}");
    assert_eq!(inventory(&k).len(), 2);
    recorder.calm();
    let digest = push("ready");
    story.request("OCIRepository", "src", &digest).await;
    e2e::until("it comes back", async || {
        story.clock.advance(Duration::from_secs(1));
        story.get("Kustomization", "k").await.is_some_and(|k| {
            is_ready(&k) && k["status"]["lastAppliedRevision"] == format!("latest@{digest}")
        })
    })
    .await;
}

fn definition(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: \
         widgets.{group}}}\nspec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, plural: \
         widgets, singular: widget}}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    \
         schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    )
}

/// D6: live objects whose status is of any type, or very large, and a definition that goes while they
/// are awaited: unknown with a reason, and everything else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn live_objects_may_say_anything() {
    let story = synced("anything", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let group = format!("{}.e2e.test", story.namespace);
    let statuses = [
        json!({"conditions": "none"}),
        json!({"conditions": [7]}),
        json!({"conditions": [{"type": [], "status": {}}]}),
        json!({"conditions": {"type": "Ready"}}),
        json!("text"),
        json!({"observedGeneration": "nine", "conditions": [{"type": "Ready", "status": "False"}]}),
    ];
    let widget = |nth: usize, status: &Value| {
        format!(
            "apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w{nth}}}\nspec: {{}}\nstatus: {status}\n"
        )
    };
    let widgets: Vec<_> =
        statuses.iter().enumerate().map(|(nth, status)| widget(nth, status)).collect();
    story.push("latest", &[("d.yaml", &definition(&group)), ("w.yaml", &widgets.join("---\n"))]);
    story.request("OCIRepository", "src", "widgets").await;
    story.wait("Kustomization", "k", "has them", |k| is_ready(k) && inventory(k).len() == 7).await;
    let kind = format!("{group}/v1/Widget");
    for (nth, status) in statuses.iter().enumerate() {
        story.patch(&kind, &format!("w{nth}"), json!({"status": status})).await;
    }
    let large = json!({"status": {"large": "x".repeat(1 << 20)}});
    story.patch(&kind, "w0", large).await;
    story.patch("Kustomization", "k", json!({"spec": {"wait": true}})).await;
    let waits = |k: &Value| condition(k, "Healthy")["status"] == "Unknown";
    story.wait("Kustomization", "k", "waits", waits).await;
    story.apply(&story.kustomization("other", json!({"path": "./none"}))).await;
    story.wait_failed("Kustomization", "other", "ArtifactFailed").await;
    e2e::World::shared().kubectl(&["delete", "crd", &format!("widgets.{group}"), "--wait=false"]);
    story.clock.advance(Duration::from_secs(31));
    let k = story.wait_failed("Kustomization", "k", "HealthCheckFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("Widget/{}/w1 status: '", story.namespace)), "{text}");
    // The next run makes the definition again, and then its objects.
    e2e::until("all is there again", async || {
        story.clock.advance(Duration::from_secs(5));
        story.get("Kustomization", "k").await.is_some_and(|k| is_ready(&k))
    })
    .await;
    assert_eq!(inventory(&story.get("Kustomization", "k").await.unwrap()).len(), 7);
}

/// D7: an inventory that somebody forged deletes nothing that does not bear our labels; one that was
/// emptied, or holds ids that are none, is made up for, and nothing goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_inventory_deletes_nothing() {
    let files = [("cm.yaml", CONFIG_MAP), ("two.yaml", &map("two"))];
    let story = synced("inventory", &files, json!({})).await;
    let ns = story.namespace.clone();
    story
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}}))
        .await;
    let labels = json!({"kustomize.toolkit.fluxcd.io/name": "other",
        "kustomize.toolkit.fluxcd.io/namespace": ns});
    story
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "others", "labels": labels}}))
        .await;
    let mut entries = vec![];
    for id in [
        format!("{ns}_foreign__ConfigMap"),
        format!("{ns}_others__ConfigMap"),
        format!("_{ns}__Namespace"),
        "kube-system_coredns_apps_Deployment".into(),
        "_sluice-controller_rbac.authorization.k8s.io_ClusterRole".into(),
        "_kustomizations.kustomize.toolkit.fluxcd.io_apiextensions.k8s.io_CustomResourceDefinition"
            .into(),
        "no id at all".into(),
        "_".into(),
        "____".into(),
        "../../x_y_z_W".into(),
        format!("{ns}_a/../../b__ConfigMap"),
        format!("{ns}_x_no.such.group_Kind"),
    ] {
        entries.push(json!({"id": id, "v": "v1"}));
    }
    entries.push(json!({"id": format!("{ns}_foreign__ConfigMap"), "v": "../v1"}));
    story.patch_status("Kustomization", "k", json!({"inventory": {"entries": entries}})).await;
    story.request("Kustomization", "k", "forged").await;
    let trimmed = |k: &Value| {
        k["status"]["lastHandledReconcileAt"] == "forged"
            && condition(k, "Ready")["status"] != "Unknown"
    };
    let k = story.wait("Kustomization", "k", "forged", trimmed).await;
    let ours = [format!("{ns}_cm__ConfigMap"), format!("{ns}_two__ConfigMap")];
    assert!(ours.iter().all(|id| inventory(&k).contains(id)), "{k:#}");
    for name in ["cm", "two", "foreign", "others"] {
        let map = story.get("ConfigMap", name).await.unwrap();
        assert_eq!(map["metadata"]["deletionTimestamp"], Value::Null, "{name}");
    }
    e2e::World::shared().kubectl(&["get", "clusterrole", "sluice-controller"]);

    story.patch_status("Kustomization", "k", json!({"inventory": {"entries": []}})).await;
    story.request("Kustomization", "k", "emptied").await;
    let whole =
        |k: &Value| k["status"]["lastHandledReconcileAt"] == "emptied" && inventory(k) == ours;
    story.wait("Kustomization", "k", "whole again", whole).await;
    roll_out(&story, &[("cm.yaml", CONFIG_MAP)]).await;
    story.wait_gone("ConfigMap", "two").await;
    assert!(story.get("ConfigMap", "foreign").await.is_some());
    // Nor does the end of the object itself.
    let forged = json!({"inventory": {"entries": entries}});
    story.patch_status("Kustomization", "k", forged).await;
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    for name in ["foreign", "others"] {
        assert!(story.get("ConfigMap", name).await.is_some(), "{name}");
    }
}
