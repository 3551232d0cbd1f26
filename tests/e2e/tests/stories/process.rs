//! The process: probes, metrics, and how it ends.

use std::time::Duration;

use clap::Parser as _;
use e2e::{Story, World, condition, until};
use serde_json::json;

use super::identity::{allow, kubeconfig};
use super::sync::{CONFIG_MAP, synced};

/// oci J01, H11: duration series an object, which end with it; probes.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_runs_and_forget_what_is_gone() {
    let story = synced("metrics", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let addresses = story.operator().addresses;
    let url = |address: std::net::SocketAddr, path: &str| format!("http://{address}/{path}");
    assert_eq!(story.http("GET", &url(addresses.health, "healthz")).await.0, 200);
    assert_eq!(story.http("GET", &url(addresses.health, "readyz")).await.0, 200);
    let series = format!(
        "gotk_reconcile_duration_seconds_count{{kind=\"OCIRepository\",name=\"src\",namespace=\"{}\"}}",
        story.namespace
    );
    let metrics = async || {
        let (status, body) = story.http("GET", &url(addresses.metrics, "metrics")).await;
        assert_eq!(status, 200);
        String::from_utf8(body).unwrap()
    };
    until("the run is counted", async || metrics().await.contains(&series)).await;
    let all = metrics().await;
    let controller = "{controller=\"ocirepository\"";
    let queue = "{controller=\"ocirepository\",name=\"ocirepository\"";
    for (name, labels) in [
        ("controller_runtime_active_workers", controller),
        ("controller_runtime_max_concurrent_reconciles", controller),
        ("controller_runtime_reconcile_panics_total", controller),
        ("controller_runtime_reconcile_time_seconds_count", controller),
        ("controller_runtime_reconcile_total", controller),
        ("workqueue_adds_total", queue),
        ("workqueue_depth", queue),
        ("workqueue_longest_running_processor_seconds", queue),
        ("workqueue_queue_duration_seconds_count", queue),
        ("workqueue_unfinished_work_seconds", queue),
        ("workqueue_work_duration_seconds_count", queue),
        ("rest_client_requests_total", "{code=\"200\",host=\"127.0.0.1:"),
    ] {
        assert!(all.contains(&format!("\n{name}{labels}")), "{name}: {all}");
    }
    story.delete("OCIRepository", "src").await;
    story.wait_gone("OCIRepository", "src").await;
    until("the series is gone", async || !metrics().await.contains(&series)).await;
}

/// Requests under a Kustomization's identity are counted like the operator's own, by their host, and
/// those to clusters that users name under one name for all of them (security.md, G9).
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_every_identity_are_counted() {
    let story = synced("counted", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let metrics = async || {
        let url = format!("http://{}/metrics", story.operator().addresses.metrics);
        String::from_utf8(story.http("GET", &url).await.1).unwrap()
    };
    let counts = |metrics: &str, host: &str| {
        metrics.lines().any(|line| {
            line.starts_with("rest_client_requests_total{code=\"201\"")
                && line.contains(&format!("host=\"{host}"))
                && line.contains("method=\"PATCH\"")
        })
    };
    // Nothing else of the operator's creates by a patch.
    assert!(counts(&metrics().await, "127.0.0.1:"));
    let ns = &story.namespace;
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "remote"}});
    story.apply(&account).await;
    allow(&story, "remote").await;
    let token = World::shared().kubectl(&["-n", ns, "create", "token", "remote"]);
    let (server, authority) = World::shared().address();
    let server = server.replace("127.0.0.1", "localhost");
    let value = kubeconfig(&server, &authority, token.trim());
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "remote"},
        "stringData": {"value": value}});
    story.apply(&secret).await;
    let spec = json!({"kubeConfig": {"secretRef": {"name": "remote"}}, "namePrefix": "other-"});
    story.apply(&story.kustomization("other", spec)).await;
    story.wait_ready("Kustomization", "other").await;
    assert!(counts(&metrics().await, "other\""));
}

/// ks L05: an operator that is told to stop while health is awaited ends soon, and whoever comes
/// after it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_a_long_wait_and_the_next_operator_goes_on() {
    let mut story = Story::begin("stop").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let check = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "later", "namespace": story.namespace});
    let spec = json!({"healthChecks": [check], "timeout": "10m"});
    story.apply(&story.kustomization("k", spec)).await;
    story
        .wait("Kustomization", "k", "checking", |k| condition(k, "Healthy")["status"] == "Unknown")
        .await;
    let began = std::time::Instant::now();
    story.stop_operator().await;
    assert!(began.elapsed() < Duration::from_secs(30));
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_ne!(condition(&k, "Ready")["reason"], "HealthCheckFailed");
    story
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}}))
        .await;
    story.start_operator().await;
    story.wait_ready("Kustomization", "k").await;
}

/// oci H19: the folder that artifacts are stored in has to be there.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_not_there_ends_the_process() {
    let args = ["sluice-controller", "--storage-path=/nowhere/at/all"];
    let args = controller::Args::try_parse_from(args).unwrap();
    let config = World::shared().operator().await;
    let (clock, around) = (controller::Clock::default(), controller::Surroundings::default());
    let error = controller::start(args, config, clock, around).await.err().unwrap();
    assert!(error.to_string().starts_with("invalid dir path: /nowhere/at/all: "), "{error}");
}
