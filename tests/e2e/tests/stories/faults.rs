//! Kustomization: what goes wrong between the operator and its API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::recorder::{Asked, Fault, Recorder};
use e2e::{Story, inventory};
use serde_json::json;

use super::kills::two_states;
use super::sync::CONFIG_MAP;

/// Requests that something may happen to; those after them get through.
const DISTURBED: usize = 18;
/// Every third request is disturbed, each of them in one of three lives.
const EVERY: usize = 3;
/// More than any life needs with its retries.
const REQUESTS_MAX: usize = 150;

fn concerns(asked: &Asked) -> bool {
    !["LIST", "WATCH"].contains(&asked.verb)
        && (asked.path.contains("/kustomizations/") || asked.path.contains("/configmaps/"))
}

/// Disturbs every third request of the next ones, from `first` on.
fn disturb(recorder: &Recorder, fault: Fault, first: usize) {
    let seen = Arc::new(AtomicUsize::new(0));
    recorder.disturb(move |asked, _| {
        if !concerns(asked) {
            return None;
        }
        let nth = seen.fetch_add(1, Ordering::Relaxed);
        (nth < DISTURBED && nth % EVERY == first).then_some(fault)
    });
}

/// Waits until something holds of a Kustomization, whose retries the clock brings on.
async fn in_time(story: &Story, what: &str, holds: impl AsyncFn() -> bool) {
    e2e::until(what, async || {
        let done = holds().await;
        if !done {
            story.clock.advance(Duration::from_secs(1));
        }
        done
    })
    .await;
}

/// A Kustomization is created, changed and deleted while `fault` happens to its requests; in the end
/// all is as asked for, and nothing is left over.
async fn overcomes(name: &str, fault: Fault) {
    let (story, recorder) = Story::overheard(name, &[]).await;
    two_states(&story).await;
    for first in 0..EVERY {
        let k = format!("k{first}");
        recorder.take();
        let is_ready =
            async || story.get("Kustomization", &k).await.is_some_and(|k| e2e::is_ready(&k));
        let label = format!("kustomize.toolkit.fluxcd.io/name={k}");
        let holds = async |maps: &[&str]| {
            let object = story.get("Kustomization", &k).await.unwrap();
            let ids: Vec<String> = maps
                .iter()
                .map(|map| format!("{}_{k}-{map}__ConfigMap", story.namespace))
                .collect();
            assert_eq!(inventory(&object), ids, "{fault:?} {k}");
            assert_eq!(story.names("ConfigMap", &label).await.len(), maps.len(), "{fault:?} {k}");
        };
        disturb(&recorder, fault, first);
        let spec = json!({"path": "./a", "namePrefix": format!("{k}-"), "interval": "1h"});
        story.apply(&story.kustomization(&k, spec)).await;
        in_time(&story, "created", &is_ready).await;
        holds(&["one", "two"]).await;

        disturb(&recorder, fault, first);
        story.patch("Kustomization", &k, json!({"spec": {"path": "./b"}})).await;
        in_time(&story, "changed", &is_ready).await;
        holds(&["three", "two"]).await;
        let two = story.get("ConfigMap", &format!("{k}-two")).await.unwrap();
        assert_eq!(two["data"]["key"], "v2", "{fault:?} {k}");

        disturb(&recorder, fault, first);
        story.delete("Kustomization", &k).await;
        in_time(&story, "deleted", async || story.get("Kustomization", &k).await.is_none()).await;
        assert_eq!(story.names("ConfigMap", &label).await, Vec::<String>::new(), "{fault:?} {k}");
        let asked: Vec<Asked> = recorder.take().into_iter().filter(concerns).collect();
        assert!(asked.len() < REQUESTS_MAX, "a hot loop: {} requests", asked.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_overcome() {
    overcomes("conflicts", Fault::Refused(409)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_overcome() {
    overcomes("gone", Fault::Refused(410)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_busy_is_overcome() {
    overcomes("busy", Fault::Refused(429)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_fails_is_overcome() {
    overcomes("fails", Fault::Refused(500)).await;
}

/// A write whose answer is lost may have been done.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_are_overcome() {
    overcomes("lost", Fault::Reset).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_slow_is_overcome() {
    overcomes("slow", Fault::Delay(Duration::from_millis(150))).await;
}

/// An API server that refuses everything for a while is not asked in a hot loop, and its watches are
/// made up for.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_little_and_is_made_up_for() {
    let (story, recorder) = Story::overheard("outage", &[]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    recorder.disturb(|_, _| Some(Fault::Refused(500)));
    recorder.take();
    story.patch("ConfigMap", "cm", json!({"data": {"key": "drifted"}})).await;
    story.clock.advance(Duration::from_secs(601));
    recorder.heard("a refused run", 1, |asked| concerns(asked)).await;
    recorder.calm();
    let refused: Vec<Asked> = recorder.take().into_iter().filter(concerns).collect();
    assert!(refused.len() < REQUESTS_MAX, "{refused:#?}");
    let is_undone = async || story.get("ConfigMap", "cm").await.unwrap()["data"]["key"] == "v1";
    in_time(&story, "the drift is undone", is_undone).await;
}
