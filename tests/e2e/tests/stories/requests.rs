//! What a run costs: every request is counted (decisions.md, request budget).

use std::collections::BTreeMap;

use e2e::recorder::{Asked, Recorder};
use e2e::{Story, condition};
use serde_json::{Value, json};

use super::identity::allow;
use super::sync::CONFIG_MAP;

/// How many objects.
const N: usize = 12;
/// Runs after which a watch has told of everything, on any machine.
const SETTLES_MAX: usize = 30;

fn maps(count: usize, value: &str) -> String {
    let map = |i: usize| {
        CONFIG_MAP
            .replace("name: cm", &format!("name: m{i}"))
            .replace("key: v1", &format!("key: {value}"))
    };
    (0..count).map(map).collect::<Vec<_>>().join("---\n")
}

/// A Kustomization `k` of `N` objects has been applied as `tenant` and is quiet; what that cost.
async fn applied(name: &str) -> (Story, Recorder, Vec<Asked>) {
    let (story, recorder) = Story::overheard(name, &[]).await;
    story.push("latest", &[("all.yaml", &maps(N, "v1"))]);
    allow(&story, "tenant").await;
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
    story.wait_event("src", "NewArtifact").await;
    recorder.take();
    let spec = json!({"wait": true, "serviceAccountName": "tenant"});
    story.apply(&story.kustomization("k", spec)).await;
    story.wait_ready("Kustomization", "k").await;
    story.wait_event("k", "Reconciliation finished").await;
    let asked = recorder.take();
    // Runs cost more until the watch has told of everything.
    for nth in 0..SETTLES_MAX {
        if total(&cost(&story, &recorder, &format!("settles-{nth}")).await) <= 2 {
            break;
        }
    }
    (story, recorder, asked)
}

/// How many requests of each kind, without watches and the first list of a kind.
fn counts(asked: &[Asked]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let counted = asked.iter().filter(|asked| !["WATCH", "LIST"].contains(&asked.verb));
    for asked in counted {
        *counts.entry(asked.verb).or_default() += 1;
    }
    counts
}

/// What a run costs that is asked for, with its event.
async fn cost(story: &Story, recorder: &Recorder, token: &str) -> BTreeMap<&'static str, usize> {
    story.request("Kustomization", "k", token).await;
    let handled = |k: &Value| k["status"]["lastHandledReconcileAt"] == token;
    let k = story.wait("Kustomization", "k", token, handled).await;
    assert_eq!(condition(&k, "Ready")["status"], "True", "{k:#}");
    recorder.heard("its event", 1, |asked| asked.path.contains("/events")).await;
    counts(&recorder.take())
}

/// Every request about an object of the tenant is made as the tenant; only watches, which tell of
/// metadata, and what they list are the operator's own (security.md, C3).
fn made_as_tenant(story: &Story, asked: &[Asked]) {
    let user = format!("system:serviceaccount:{}:tenant", story.namespace);
    for asked in asked.iter().filter(|asked| asked.path.contains("/configmaps/")) {
        assert_eq!(asked.user.as_ref(), Some(&user), "{asked}");
    }
}

fn total(cost: &BTreeMap<&'static str, usize>) -> usize {
    cost.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asks_for_no_more_than_it_must() {
    let (story, recorder, first) = applied("budget").await;
    let all: Vec<String> = first.iter().map(ToString::to_string).collect();
    let costs = counts(&first);
    assert_eq!((costs["DRYRUN"], costs.get("GET")), (N, None), "{all:#?}");
    assert!(total(&costs) <= 2 * N + 7, "{all:#?}");
    made_as_tenant(&story, &first);

    let unchanged = cost(&story, &recorder, "unchanged").await;
    assert!(total(&unchanged) <= 2, "{unchanged:?}");

    // An audit asks for all, and reads none that has not moved.
    story.clock.advance(std::time::Duration::from_secs(3601));
    recorder.heard("the audit", N, |asked| asked.verb == "DRYRUN").await;
    let asked = recorder.take();
    let reads =
        asked.iter().filter(|asked| asked.verb == "GET" && asked.path.contains("configmaps"));
    assert_eq!(reads.count(), 0, "{asked:#?}");

    // Somebody's change is read, compared and undone; nobody else is asked for.
    let drift = json!({"data": {"key": "drifted"}});
    story.patch("ConfigMap", "m3", drift).await;
    story.request("Kustomization", "k", "drifted").await;
    story.wait("ConfigMap", "m3", "as it was", |map| map["data"]["key"] == "v1").await;
    let asked = recorder.take();
    made_as_tenant(&story, &asked);
    let maps: Vec<_> = asked.iter().filter(|asked| asked.path.contains("/configmaps")).collect();
    assert!(maps.iter().all(|asked| asked.path.ends_with("/m3")), "{maps:#?}");
    assert_eq!(maps.iter().filter(|asked| asked.verb == "DRYRUN").count(), 1, "{maps:#?}");
}

/// What is created together with its source says nothing of it while it is fetched: the finalizer, the
/// inventory, the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_being_fetched_is_no_news() {
    let (story, recorder) = Story::overheard("together", &[]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let is_begun = |source: &Value| source["metadata"]["finalizers"].is_array();
    story.wait("OCIRepository", "src", "begun", is_begun).await;
    recorder.take();
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    let asked = recorder.take();
    let written = asked.iter().filter(|asked| asked.path.contains("/kustomizations/k"));
    assert_eq!(written.count(), 3, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asks_for_what_changes() {
    let (story, recorder, _) = applied("change").await;
    let three =
        format!("{}---\n{}", maps(3, "v2"), maps(N, "v1").splitn(4, "---\n").last().unwrap());
    let revision = story.push("latest", &[("all.yaml", &three)]);
    story.request("OCIRepository", "src", "new").await;
    let applied = |k: &Value| {
        k["status"]["lastAppliedRevision"] == format!("latest@{revision}")
            && condition(k, "Ready")["status"] == "True"
    };
    story.wait("Kustomization", "k", "rolled out", applied).await;
    story.wait_event("src", "NewArtifact").await;
    let asked = recorder.take();
    let source = |asked: &&Asked| asked.path.contains("ocirepositories");
    let own: Vec<Asked> = asked.iter().filter(|asked| !source(asked)).cloned().collect();
    made_as_tenant(&story, &own);
    let costs = counts(&own);
    let all: Vec<String> = own.iter().map(ToString::to_string).collect();
    assert_eq!((costs["DRYRUN"], costs.get("GET")), (3, None), "{all:#?}");
    // One more event: that of the source.
    assert!(total(&costs) <= 2 * 3 + 7 + 1, "{all:#?}");
    assert_eq!(story.get("ConfigMap", "m2").await.unwrap()["data"]["key"], "v2");
}

/// Objects that leave the source, and those of a Kustomization that is deleted, cost one DELETE each.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_not_read_before() {
    let (story, recorder, _) = applied("pruned").await;
    let revision = story.push("latest", &[("all.yaml", &maps(N - 2, "v1"))]);
    story.request("OCIRepository", "src", "new").await;
    let applied = |k: &Value| k["status"]["lastAppliedRevision"] == format!("latest@{revision}");
    story.wait("Kustomization", "k", "rolled out", applied).await;
    story.wait_gone("ConfigMap", "m11").await;
    let costs = counts(&recorder.take());
    assert_eq!((costs.get("DELETE"), costs.get("GET")), (Some(&2), None), "{costs:?}");

    // Somebody asks to keep one: that is seen without reading it, or else by the refusal of a DELETE
    // that names the state before.
    let keep = json!({"kustomize.toolkit.fluxcd.io/prune": "disabled"});
    story.patch("ConfigMap", "m0", json!({"metadata": {"annotations": keep}})).await;
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    let asked = recorder.take();
    let all: Vec<String> = asked.iter().map(ToString::to_string).collect();
    made_as_tenant(&story, &asked);
    let gone = asked.iter().filter(|asked| asked.verb == "DELETE" && !asked.path.ends_with("/m0"));
    let reads =
        asked.iter().filter(|asked| asked.verb == "GET" && asked.path.contains("configmaps"));
    assert_eq!(gone.count(), N - 3, "{all:#?}");
    // Only the one that moved: by a run that was told of it late, and by the refusal.
    assert!(reads.clone().all(|asked| asked.path.ends_with("/m0")), "{all:#?}");
    assert!(reads.count() <= 2, "{all:#?}");
    assert!(story.get("ConfigMap", "m0").await.is_some());
}

/// An application of three objects that is awaited: what is not applied yet is not read, and what has
/// moved is read once.
#[tokio::test(flavor = "multi_thread")]
async fn an_awaited_application_is_read_when_it_moves() {
    let (story, recorder) = Story::overheard("application", &[]).await;
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "app"}}, "template":
            {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "c", "image": "c"}]}}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "app"}}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}});
    let files = [("d.yaml", deployment), ("s.yaml", service), ("a.yaml", account)]
        .map(|(path, object)| (path, object.to_string()));
    story.push("latest", &files.each_ref().map(|(path, text)| (*path, text.as_str())));
    allow(&story, "tenant").await;
    story.apply(&story.source(json!({}))).await;
    let spec = json!({"wait": true, "serviceAccountName": "tenant"});
    story.apply(&story.kustomization("k", spec)).await;
    story.wait_ready("Kustomization", "k").await;
    story.wait_event("k", "Reconciliation finished").await;
    let asked = recorder.take();
    let all: Vec<String> = asked.iter().map(ToString::to_string).collect();
    let own: Vec<Asked> =
        asked.into_iter().filter(|asked| !asked.path.contains("ocirepositories")).collect();
    // Once the Deployment's controller has seen it, and perhaps once or twice more.
    let reads: Vec<_> =
        own.iter().filter(|asked| asked.verb == "GET" && asked.path.ends_with("/app")).collect();
    assert!(reads.iter().all(|asked| asked.path.contains("/deployments/")), "{all:#?}");
    assert!(reads.len() <= 3, "{all:#?}");
    let polls =
        own.iter().filter(|asked| asked.verb == "LIST" && asked.path.contains("/namespaces/"));
    assert_eq!(polls.filter(|asked| asked.user.is_some()).count(), 0, "{all:#?}");
}
