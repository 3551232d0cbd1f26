//! An API server that is restarted, busy, or deaf, and webhooks and definitions that are gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use e2e::recorder::{Asked, Fault};
use e2e::{Story, World, condition, inventory, is_ready, until};
use serde_json::{Value, json};

use super::apply::definition;
use super::identity::allow;
use super::sync::{CONFIG_MAP, SECRET, synced};

fn is_of(asked: &Asked, part: &str) -> bool {
    !["LIST", "WATCH"].contains(&asked.verb) && asked.path.contains(part)
}

/// ks L01: an API server that goes away in the middle of an apply of 300 objects, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn an_apply_outlives_a_restart_of_the_api_server() {
    const OBJECTS: usize = 300;
    let (story, recorder) = Story::overheard("restarted", &["--max-retry-delay=5s"]).await;
    let map = |i: usize| CONFIG_MAP.replace("name: cm", &format!("name: m{i:03}"));
    let maps = (0..OBJECTS).map(map).collect::<Vec<_>>().join("---\n");
    story.push("latest", &[("all.yaml", &maps)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    let (writes, is_down) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let down = Arc::clone(&is_down);
    recorder.disturb(move |asked, _| {
        let is_write = asked.verb == "PATCH" && is_of(asked, "/configmaps/");
        if is_write && writes.fetch_add(1, Ordering::Relaxed) == OBJECTS / 2 {
            down.store(true, Ordering::Relaxed);
        }
        down.load(Ordering::Relaxed).then_some(Fault::Reset)
    });
    story.apply(&story.kustomization("k", json!({}))).await;
    until("it is down", async || is_down.load(Ordering::Relaxed)).await;
    recorder.calm();
    until("all is applied", async || {
        story.clock.advance(Duration::from_secs(1));
        story.get("Kustomization", "k").await.is_some_and(|k| is_ready(&k))
    })
    .await;
    let ids = inventory(&story.get("Kustomization", "k").await.unwrap());
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (OBJECTS, OBJECTS));
    let label = "kustomize.toolkit.fluxcd.io/name=k";
    assert_eq!(story.names("ConfigMap", label).await.len(), OBJECTS);
}

/// ks L13: an API server that asks for time gets it, and nothing has failed.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_asks_for_time_gets_it() {
    let (story, recorder) = Story::overheard("asks-time", &[]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    recorder.take();
    let refused = AtomicUsize::new(0);
    recorder.disturb(move |asked, _| {
        let is_one = is_of(asked, "/configmaps/cm") || is_of(asked, "/kustomizations/k");
        (is_one && refused.fetch_add(1, Ordering::Relaxed) % 3 < 2).then_some(Fault::Refused(429))
    });
    story.apply(&story.kustomization("k", json!({}))).await;
    until("it is ready", async || {
        story.clock.advance(Duration::from_secs(1));
        let k = story.get("Kustomization", "k").await.unwrap();
        assert_ne!(condition(&k, "Ready")["status"], "False", "{k:#}");
        is_ready(&k)
    })
    .await;
    let events = story.events("k").await;
    assert!(events.iter().all(|event| event.starts_with("Normal")), "{events:#?}");
    let dry_runs = recorder.take().into_iter().filter(|asked| asked.verb == "DRYRUN").count();
    assert!(dry_runs > 1, "it was refused and asked again: {dry_runs}");
}

/// security.md, D8: a connection that is gone without a word does not hold a run for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_is_given_up() {
    let flags = ["--kube-api-timeout=1s", "--concurrent=1"];
    let (story, recorder) = Story::overheard("deaf", &flags).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    let is_first = AtomicBool::new(true);
    recorder.disturb(move |asked, _| {
        let is_dry_run = asked.verb == "DRYRUN" && is_of(asked, "/configmaps/");
        (is_dry_run && is_first.swap(false, Ordering::Relaxed)).then_some(Fault::Silence)
    });
    story.apply(&story.kustomization("k", json!({"retryInterval": "1h"}))).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    let wanted = "no answer from the API server within 1s (--kube-api-timeout)";
    assert!(text.contains(wanted), "{text}");
    story.clock.advance(Duration::from_secs(3600));
    story.wait_ready("Kustomization", "k").await;
}

/// ks L07: somebody else writes to the status all the time; what he says of himself stays.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_others_survive_conflicts() {
    let (story, recorder) = Story::overheard("contended", &[]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    let k = story.wait_ready("Kustomization", "k").await;
    let mut conditions = k["status"]["conditions"].as_array().unwrap().clone();
    let theirs = json!({"type": "Audited", "status": "True", "reason": "Seen", "message": "by them",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    conditions.push(theirs.clone());
    let status = json!({"conditions": conditions});
    story.patch_status_as("auditor", "Kustomization", "k", status).await;
    let refused = AtomicUsize::new(0);
    recorder.disturb(move |asked, _| {
        let is_status = asked.verb == "PATCH" && asked.path.ends_with("/kustomizations/k/status");
        (is_status && refused.fetch_add(1, Ordering::Relaxed) < 5).then_some(Fault::Refused(409))
    });
    story.request("Kustomization", "k", "again").await;
    until("it is handled", async || {
        story.clock.advance(Duration::from_secs(1));
        let k = story.get("Kustomization", "k").await.unwrap();
        k["status"]["lastHandledReconcileAt"] == "again" && is_ready(&k)
    })
    .await;
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(condition(&k, "Audited"), theirs);
}

/// ks L02: a webhook that is down refuses the stage as a whole, and is made up for when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_down_is_named_and_outlived() {
    let files = [("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)];
    let story = synced("hook", &files, json!({})).await;
    let ns = story.namespace.clone();
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": ns},
        "webhooks": [{
            "name": "down.e2e.test", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": "https://127.0.0.1:1/"}, "failurePolicy": "Fail",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"],
                "resources": ["configmaps"]}],
        }],
    });
    story.apply_cluster_wide(&hook).await;
    // Until every part of the API server knows of it.
    until("the webhook counts", async || {
        let args = ["-n", &ns, "create", "configmap", "probe", "--dry-run=server"];
        !World::shared().try_kubectl(&args)
    })
    .await;
    let changed = [
        ("cm.yaml", CONFIG_MAP.replace("v1}", "v2}")),
        ("sec.yaml", SECRET.replace("canary", "canary-2")),
    ];
    let changed: Vec<_> = changed.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let secret = story.get("Secret", "sec").await.unwrap();
    story.push("latest", &changed);
    story.request("OCIRepository", "src", "new").await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    let start =
        format!("ConfigMap/{ns}/cm dry-run failed (InternalError): Internal error occurred: ");
    assert!(text.starts_with(&start), "{text}");
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&story.get("Secret", "sec").await.unwrap()), version(&secret));
    World::shared().kubectl(&["delete", "validatingwebhookconfiguration", &ns]);
    until("it is made up for", async || {
        story.clock.advance(Duration::from_secs(5));
        let cm = story.get("ConfigMap", "cm").await.unwrap();
        story.get("Kustomization", "k").await.is_some_and(|k| is_ready(&k))
            && cm["data"]["key"] == "v2"
    })
    .await;
}

/// ks L11: with their definition, its objects are gone; who owned them can go too, also under an
/// operator that never knew the kind.
#[tokio::test(flavor = "multi_thread")]
async fn objects_go_with_their_definition() {
    let mut story = Story::begin("undefined").await;
    let group = format!("{}.test", story.namespace);
    let definition = definition(&group);
    let path = story.storage().join("definition.json");
    std::fs::write(&path, &definition).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let widget = format!("apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\n");
    story.push("latest", &[("w.yaml", &widget), ("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    for life in ["same", "fresh"] {
        World::shared().kubectl(&["apply", "-f", &path]);
        World::shared().kubectl(&["wait", "--for=condition=Established", "-f", &path]);
        story.apply(&story.kustomization(life, json!({}))).await;
        until("it is applied", async || {
            story.clock.advance(Duration::from_secs(5));
            story.get("Kustomization", life).await.is_some_and(|k| is_ready(&k))
        })
        .await;
        World::shared().kubectl(&["delete", "-f", &path]);
        if life == "fresh" {
            story.kill_operator();
            story.start_operator().await;
        }
        story.delete("Kustomization", life).await;
        until("it is gone", async || {
            story.clock.advance(Duration::from_secs(5));
            story.get("Kustomization", life).await.is_none()
        })
        .await;
        assert!(story.get("ConfigMap", "cm").await.is_none(), "{life}");
    }
}

/// ks K08: what kinds there are is asked once an identity, however many Kustomizations use it.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_are_asked_for_once_an_identity() {
    const COUNT: usize = 20;
    let (story, recorder) = Story::overheard("discovery", &["--concurrent=8"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP), ("sec.yaml", SECRET)]);
    allow(&story, "tenant").await;
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    let names: Vec<String> = (0..COUNT).map(|i| format!("k{i}")).collect();
    for name in &names {
        let prefix = format!("{name}-");
        let spec = json!({"serviceAccountName": "tenant", "namePrefix": prefix});
        story.apply(&story.kustomization(name, spec)).await;
    }
    for token in ["first", "second"] {
        for name in &names {
            story.request("Kustomization", name, token).await;
        }
        for name in &names {
            let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == token;
            story.wait("Kustomization", name, token, |k| handled(k) && is_ready(k)).await;
        }
    }
    let user = format!("system:serviceaccount:{}:tenant", story.namespace);
    let discoveries = recorder.discoveries();
    let own: Vec<_> =
        discoveries.iter().filter(|asked| asked.user.as_ref() == Some(&user)).collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    assert_eq!(own[0].path, "/api/v1");
}
