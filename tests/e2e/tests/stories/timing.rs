//! When a Kustomization runs again.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

/// How often `k` has come to its last result.
async fn runs(story: &Story) -> i64 {
    let k = story.get("Kustomization", "k").await.unwrap();
    k["status"]["history"][0]["totalReconciliations"].as_i64().unwrap()
}

async fn has_run(story: &Story, count: i64) {
    let is_so = |k: &Value| k["status"]["history"][0]["totalReconciliations"] == count;
    story.wait("Kustomization", "k", "run again", is_so).await;
}

/// ks L14: who sets the machine's clock back or forward neither stops runs nor brings them on.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_moves_no_run() {
    let story = synced("clock", &[("cm.yaml", CONFIG_MAP)], json!({"interval": "10m"})).await;
    let mut count = runs(&story).await;
    for step in [-3600, 7200, -3600] {
        story.clock.turn(step);
        story.clock.advance(Duration::from_secs(600));
        count += 1;
        has_run(&story, count).await;
        // Half an interval brings none.
        story.clock.advance(Duration::from_secs(300));
        story.request("Kustomization", "k", &step.to_string()).await;
        count += 1;
        has_run(&story, count).await;
        assert_eq!(
            condition(&story.get("Kustomization", "k").await.unwrap(), "Ready")["status"],
            "True"
        );
    }
}

/// ks A15: however much intervals vary, a failure is tried again after exactly its retry interval.
#[tokio::test(flavor = "multi_thread")]
async fn retries_do_not_vary() {
    let story = Story::begin_with("retries", &["--interval-jitter-percentage=90"]).await;
    let bad = CONFIG_MAP.replace("key: v1", "key: 1");
    story.push("latest", &[("cm.yaml", &bad)]);
    story.apply(&story.source(json!({"interval": "24h"}))).await;
    let spec = json!({"interval": "24h", "retryInterval": "100s"});
    story.apply(&story.kustomization("k", spec)).await;
    story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    for count in 1..6 {
        has_run(&story, count).await;
        story.clock.advance(Duration::from_secs(100));
    }
    has_run(&story, 6).await;
}
