//! OCIRepository: what many sources cost a registry and the API server.

use std::time::Duration;

use e2e::{CANARY, Story, until};
use registry::{Guard, Registry, Setup};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

/// Lets an interval pass, and waits until each object has run once more.
async fn interval(story: &Story, seconds: u64) {
    let before = story.runs().await;
    story.clock.advance(Duration::from_secs(seconds));
    until("all have run", async || {
        let now = story.runs().await;
        before.iter().all(|(name, count)| now[name] > *count)
    })
    .await;
}

/// decisions.md, steady state: objects that ask the same ask once, and write nothing.
#[tokio::test(flavor = "multi_thread")]
async fn equal_sources_ask_once_and_write_nothing() {
    let story = Story::begin("equals").await;
    let mut names = Vec::new();
    for repository in ["r0", "r1", "r2"] {
        story.registry.push_files(repository, "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
        for at in 0..10 {
            let name = format!("{repository}-{at}");
            story.follow(&name, json!({"url": story.registry.url(repository)})).await;
            names.push(name);
        }
    }
    for name in &names {
        story.wait_ready("OCIRepository", name).await;
    }
    // The artifact and the first no-op of each are told, a little later than they happen.
    interval(&story, 600).await;
    let told = 2 * names.len();
    until("all has been told", async || story.happenings("OCIRepository").await.len() == told)
        .await;
    let before = story.states("OCIRepository").await;
    story.registry.take_log();
    interval(&story, 600).await;
    let mut log = story.registry.take_log();
    log.sort();
    let heads: Vec<_> = ["r0", "r1", "r2"]
        .iter()
        .map(|repository| format!("HEAD /v2/{repository}/manifests/latest 200"))
        .collect();
    assert_eq!(log, heads);
    assert_eq!(story.states("OCIRepository").await, before);
    assert_eq!(story.happenings("OCIRepository").await.len(), told);

    let digest = story.registry.push_files("r0", "latest", &[("cm.yaml", b"new")]);
    interval(&story, 600).await;
    for at in 0..10 {
        let source = story.get("OCIRepository", &format!("r0-{at}")).await.unwrap();
        assert_eq!(source["status"]["artifact"]["revision"], format!("latest@{digest}"));
        assert_eq!(story.files(&source).await["cm.yaml"], b"new");
    }
    let log = story.registry.take_log();
    assert_eq!(log.iter().filter(|line| line.contains("/r0/")).count(), 3, "{log:?}");
}

/// decisions.md, steady state: a request and a change of the spec are always asked for anew.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_look_looks() {
    let story = Story::begin("looks").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    for name in ["one", "two"] {
        story.follow(name, json!({})).await;
        story.wait_ready("OCIRepository", name).await;
    }
    let head = "HEAD /v2/app/manifests/latest 200";
    assert_eq!(story.registry.take_log().iter().filter(|line| *line == head).count(), 2);
    story.handled("one", "a").await;
    assert_eq!(story.registry.take_log(), [head]);
    story.handled("two", "a").await;
    assert_eq!(story.registry.take_log(), [head]);
    story.follow("two", json!({"timeout": "30s"})).await;
    story
        .wait("OCIRepository", "two", "observed", |s| s["status"]["observedGeneration"] == 2)
        .await;
    assert_eq!(story.registry.take_log(), [head]);
}

/// decisions.md, steady state: nobody gets what another credential was given.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_across_credentials() {
    let mut story = Story::begin("credentials").await;
    let guard = Guard::Basic("user".into(), CANARY.into());
    story.registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let secret = |name: &str, password: &str| -> Value {
        let entry = json!({"username": "user", "password": password});
        let config = json!({"auths": {story.registry.host(): entry}}).to_string();
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})
    };
    story.apply(&secret("right", CANARY)).await;
    story.apply(&secret("same", CANARY)).await;
    story.apply(&secret("wrong", "guess")).await;
    for name in ["right", "same"] {
        story.follow(name, json!({"secretRef": {"name": name}})).await;
        story.wait_ready("OCIRepository", name).await;
    }
    for (name, spec) in
        [("wrong", json!({"secretRef": {"name": "wrong"}})), ("anonymous", json!({}))]
    {
        story.follow(name, spec).await;
        let text = story.failure(name, "OCIArtifactPullFailed").await;
        assert!(text.contains("UNAUTHORIZED"), "{text}");
    }
    // Whoever loses the right credential loses what it gave, also when others ask meanwhile.
    story.apply(&secret("same", "guess")).await;
    story.clock.advance(Duration::from_secs(600));
    story.failure("same", "OCIArtifactPullFailed").await;
}
