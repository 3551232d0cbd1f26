use std::time::Duration;

use oci::error::Stage;
use registry::{Effect, Fault};

use crate::{Bench, text};

/// Scenario E16.
#[tokio::test]
async fn passing_failures_are_waited_out() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    bench.registry.misbehave(Fault::new("HEAD", "", 2, Effect::Status(503, None)));
    bench.resolve("v1").await.unwrap();
    assert_eq!(bench.registry.take_log().len(), 3);
    assert_eq!(bench.clock.waits(), [1, 3]);
}

/// Scenario E17.
#[tokio::test]
async fn a_registry_that_wants_to_be_left_alone_says_for_how_long() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    bench.registry.misbehave(Fault::new("", "", 100, Effect::Status(429, Some(120))));
    let error = bench.resolve("v1").await.err().unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(2)));
    assert_eq!(error.stage(), Stage::Pull);
    assert!(bench.clock.waits().is_empty());
    assert_eq!(bench.registry.take_log().len(), 1, "one HEAD, and no GET after it");
    let expected = "failed to determine artifact digest: GET http://HOST/v2/team/app/manifests/v1: \
                    unexpected status code 429 Too Many Requests";
    assert_eq!(text(&bench, Err::<(), _>(error)), expected);
    bench.registry.calm();
    bench.clock.forward(Duration::from_secs(119));
    let error = bench.resolve("v1").await.err().unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(text(&bench, Err::<(), _>(error)), expected);
    assert_eq!(bench.registry.take_log(), [""; 0], "whoever asks meanwhile");
    bench.clock.forward(Duration::from_secs(1));
    bench.resolve("v1").await.unwrap();
}

/// However many ask, a host is asked for a few things at once only.
#[tokio::test]
async fn a_host_has_a_budget() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    bench.resolve("v1").await.unwrap();
    bench.registry.take_log();
    bench.registry.misbehave(Fault::new("HEAD", "/manifests/", 1000, Effect::Hang));
    let asked = || bench.registry.log().len();
    let many = futures::future::join_all((0..40).map(|_| bench.resolve("v1")));
    let began = std::time::Instant::now();
    let watched = async {
        // Polls, with a deadline: nobody tells that a request arrived.
        while asked() < 16 && began.elapsed() < Duration::from_secs(30) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = many => {}
        () = watched => {}
    }
    assert_eq!(asked(), 16);
}

#[tokio::test]
async fn denied_is_not_asked_twice() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    bench.registry.misbehave(Fault::new("", "", 2, Effect::Error(403, "DENIED")));
    assert!(text(&bench, bench.resolve("v1").await).ends_with("DENIED: as asked"));
    assert_eq!(bench.registry.take_log().len(), 2);
}

#[tokio::test]
async fn redirects_lead_neither_inside_nor_around() {
    let bench = Bench::open().await;
    bench.registry.push_image("team/app", "v1", &[("x", b"bytes")], &[]);
    for (path, target, times, problem) in [
        ("/blobs/", "ftp://example.com/x", 1, "refused redirect: scheme downgrade"),
        ("/blobs/", "/v2/team/app/blobs/loop", 11, "stopped after 10 redirects"),
        ("/manifests/", "ftp://example.com/x", 1, "refused redirect: scheme downgrade"),
        ("/manifests/", "/v2/team/app/manifests/loop", 11, "stopped after 10 redirects"),
    ] {
        let effect = Effect::Redirect(target.into());
        bench.registry.misbehave(Fault::new("GET", path, times, effect));
        let found = text(&bench, bench.fetch("v1", "copy").await);
        assert!(found.contains(problem), "{found}");
        bench.registry.take_log();
    }
}

/// Scenario E18 and contract section 7.
#[tokio::test]
async fn a_registry_that_is_gone_is_reported_for_both_schemes() {
    let bench = Bench::open().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("oci://{host}/team/app");
    let reference = oci::Reference::parse(&url, oci::reference::PlainHttp::LocalOnly).unwrap();
    let result = bench.client.resolve(&reference, &oci::Select::latest()).await;
    let refused = format!("dial tcp {host}: connect: connection refused");
    let expected = format!(
        "failed to determine artifact digest: \
         Get \"https://{host}/v2/\": {refused}; Get \"http://{host}/v2/\": {refused}"
    );
    assert_eq!(artifact::text::explain(&result.err().unwrap()), expected);
}
