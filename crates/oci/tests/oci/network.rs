use std::time::Duration;

use oci::error::Stage;
use oci::transport::Verification;
use registry::{Effect, Fault, Registry, Setup, Transport};

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
    assert_eq!(bench.registry.take_log().len(), 2, "one HEAD, one GET");
    let expected = "failed to determine artifact digest: GET http://HOST/v2/team/app/manifests/v1: \
                    unexpected status code 429 Too Many Requests";
    assert_eq!(text(&bench, Err::<(), _>(error)), expected);
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
    for (target, times, problem) in [
        ("ftp://example.com/x", 1, "refused redirect: scheme downgrade"),
        ("/v2/team/app/blobs/loop", 11, "stopped after 10 redirects"),
    ] {
        let effect = Effect::Redirect(target.into());
        bench.registry.misbehave(Fault::new("GET", "/blobs/", times, effect));
        let found = text(&bench, bench.fetch("v1", "copy").await);
        assert!(found.contains(problem), "{found}");
        bench.registry.take_log();
    }
}

async fn tls(change: impl FnOnce(&mut oci::Options, &Registry)) -> Bench {
    let setup = Setup { transport: Transport::Tls, ..Setup::default() };
    let registry = Registry::start_with(&setup).await;
    registry.push_files("team/app", "v1", &[]);
    let mut options = oci::Options::new("/");
    change(&mut options, &registry);
    Bench::new(registry, |fresh| fresh.tls = options.tls)
}

/// Scenario E01.
#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let bench = tls(|options, registry| {
        options.tls.authorities = registry.authority_pem().map(Into::into);
    })
    .await;
    bench.resolve("v1").await.unwrap();
    assert_eq!(bench.registry.take_log(), ["HEAD /v2/team/app/manifests/v1 200"]);
    let bench = tls(|options, _| options.tls.verification = Verification::Off).await;
    bench.resolve("v1").await.unwrap();
}

/// Scenario E04.
#[tokio::test]
async fn a_foreign_authority_is_not() {
    let bench = tls(|_, _| ()).await;
    let found = text(&bench, bench.resolve("v1").await);
    let expected = "failed to determine artifact digest: Get \"https://HOST/v2/\": \
        tls: failed to verify certificate: x509: certificate signed by unknown authority; ";
    assert!(found.starts_with(expected), "{found}");
    assert!(bench.registry.take_log().is_empty());
}

#[tokio::test]
async fn an_authority_that_is_none_is_named() {
    let mut options = oci::Options::new("/");
    options.tls.authorities = Some(b"invalid".into());
    let error = oci::Client::new(&options).err().unwrap();
    assert_eq!(error.to_string(), "failed to parse CA certificate");
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

/// Scenario E12: plain HTTP through a proxy names the host that nobody else could find.
#[tokio::test]
async fn a_proxy_of_ones_own_carries_every_request() {
    let registry = Registry::start().await;
    let address = format!("http://{}", registry.host());
    let bench = Bench::new(registry, |options| {
        options.proxy = Some(oci::transport::Proxy { address, credentials: None });
    });
    bench.registry.push_files("team/app", "v1", &[]);
    let url = "oci://registry.invalid:5000/team/app";
    let reference = oci::Reference::parse(url, oci::reference::PlainHttp::Allowed).unwrap();
    let select = oci::Select::Tag("v1".into());
    bench.client.resolve(&reference, &select).await.unwrap();
    let head = "HEAD /v2/team/app/manifests/v1 200".to_owned();
    assert!(bench.registry.take_log().contains(&head));
}

/// Scenarios E06 and E07, as far as the client's side goes.
#[tokio::test]
async fn a_client_certificate_is_read_or_named() {
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut options = oci::Options::new("/");
    options.tls.identity = Some((certificate.into(), key.into()));
    assert!(oci::Client::new(&options).is_ok());
    options.tls.identity = Some((b"no".into(), b"pem".into()));
    let error = oci::Client::new(&options).err().unwrap();
    assert_eq!(error.to_string(), "failed to parse TLS certificate and key");
}
