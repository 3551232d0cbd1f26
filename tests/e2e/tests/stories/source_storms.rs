//! OCIRepository: a registry that has too much to do, and one that comes and goes. Nobody makes it worse,
//! and everything is there in the end.

use std::time::Duration;

use e2e::{Story, until};
use registry::{Effect, Fault};
use serde_json::json;

use super::sync::CONFIG_MAP;

/// Sources of one registry.
const SOURCES: usize = 30;
/// What a client asks one host at once, before it has heard that it should not.
const AT_ONCE: usize = 16;

/// A story with many sources of repositories of their own.
async fn crowd(story: &Story) -> Vec<String> {
    let names: Vec<_> = (0..SOURCES).map(|at| format!("s-{at}")).collect();
    for name in &names {
        story.registry.push_files(name, "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
        story.follow(name, json!({"url": story.registry.url(name), "interval": "1h"})).await;
    }
    names
}

/// security.md, E7: a registry that answers 429 to everybody hears of each source at most once before
/// it is left alone, and of nobody until its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_429_ends_by_itself() {
    let story = Story::begin_with("storm", &["--concurrent=16"]).await;
    let busy = Fault::new("", "", usize::MAX, Effect::Status(429, Some(300)));
    story.registry.misbehave(busy);
    let names = crowd(&story).await;
    for name in &names {
        story.wait_failed("OCIRepository", name, "OCIArtifactPullFailed").await;
    }
    let asked = story.registry.take_log();
    assert!(asked.len() <= AT_ONCE, "{} requests: {asked:?}", asked.len());
    let runs = story.runs().await;
    story.clock.advance(Duration::from_secs(290));
    story.registry.push_files("other", "latest", &[]);
    story.follow("early", json!({"url": story.registry.url("other")})).await;
    story.wait_failed("OCIRepository", "early", "OCIArtifactPullFailed").await;
    assert_eq!(story.registry.take_log(), [""; 0], "it is left alone");
    let since = story.runs().await;
    let hot = names.iter().filter(|name| since[*name] > runs[*name] + 1);
    assert_eq!(hot.count(), 0, "runs in between: {runs:?}, then {since:?}");
    story.registry.calm();
    story.clock.advance(Duration::from_secs(900));
    for name in &names {
        story.wait_ready("OCIRepository", name).await;
    }
}

/// A registry that answers every other request only, in turn with 503, a broken connection and 500:
/// everything arrives, nothing is lost, and each failure is followed by a wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_flaps_is_overcome() {
    let story = Story::begin("flaps").await;
    let effects = [Effect::Status(503, None), Effect::Truncate, Effect::Status(500, None)];
    for effect in effects.iter().cycle().take(2 * SOURCES) {
        story.registry.misbehave(Fault::new("", "/blobs/", 1, effect.clone()));
        story.registry.misbehave(Fault::new("HEAD", "/manifests/", 1, effect.clone()));
    }
    let names = crowd(&story).await;
    let missing = async || {
        let mut missing = Vec::new();
        for name in &names {
            let source = story.get("OCIRepository", name).await.unwrap();
            if e2e::condition(&source, "Ready")["status"] != "True" {
                missing.push(name.clone());
            }
        }
        missing
    };
    until("all are there", async || {
        story.clock.advance(Duration::from_secs(30));
        missing().await.is_empty()
    })
    .await;
    for name in &names {
        let source = story.get("OCIRepository", name).await.unwrap();
        assert_eq!(story.files(&source).await.len(), 1, "{name}");
    }
    let unfinished = std::fs::read_dir(story.storage().join(".unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0);
}

/// security.md, A6: a layer whose bytes never end is given up at the timeout, and holds nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_never_ends_is_given_up_at_the_timeout() {
    let story = Story::begin_with("endless", &["--concurrent=2"]).await;
    story.registry.misbehave(Fault::new("GET", "/slow/blobs/", 100, Effect::Endless));
    story.registry.push_files("slow", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    let slow = json!({"url": story.registry.url("slow"), "timeout": "30s"});
    story.follow("slow", slow).await;
    let asked = async || story.registry.log().iter().any(|one| one.path.contains("/slow/blobs/"));
    until("it pulls", asked).await;
    let names = crowd(&story).await;
    for name in &names {
        story.wait_ready("OCIRepository", name).await;
    }
    story.clock.advance(Duration::from_secs(31));
    let text = story.failure("slow", "OCIArtifactLayerOperationFailed").await;
    assert!(text.ends_with("context deadline exceeded"), "{text}");
    let unfinished = std::fs::read_dir(story.storage().join(".unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0);
}
