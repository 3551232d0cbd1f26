//! OCIRepository: certificates and proxies, from secrets.

use std::time::Duration;

use e2e::{CANARY, Story, condition};
use registry::{Proxy, Registry, Setup, Transport};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// A source of the repository `app` of a registry.
async fn follow(story: &Story, name: &str, registry: &Registry, spec: Value) {
    let mut spec = spec;
    spec["url"] = json!(registry.url("app"));
    spec["insecure"] = spec.get("insecure").cloned().unwrap_or(Value::Null);
    let mut source = story.source(spec);
    source["metadata"]["name"] = name.into();
    story.apply(&source).await;
}

async fn registry(transport: Transport) -> Registry {
    let registry = Registry::start_with(&Setup { transport, ..Setup::default() }).await;
    registry.push_files("app", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    registry
}

/// What Ready of a source says once it is False for `reason`.
async fn refusal(story: &Story, name: &str, reason: &str) -> String {
    let source = story.wait_failed("OCIRepository", name, reason).await;
    assert_eq!(condition(&source, "Stalled"), Value::Null, "{name}");
    assert_eq!(condition(&source, "FetchFailed")["reason"], reason, "{name}");
    condition(&source, "Ready")["message"].as_str().unwrap().to_owned()
}

/// oci E01, E02, E03, E04, E06, E09: which certificates are trusted, and which are shown.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_from_a_secret() {
    let story = Story::begin("certificates").await;
    let (open, mutual) = (registry(Transport::Tls).await, registry(Transport::MutualTls).await);
    let expired = registry(Transport::Expired).await;
    let own = |registry: &Registry| registry.client_tls().unwrap().clone();
    let pair = own(&mutual);
    for (name, data) in [
        ("ca", json!({"ca.crt": own(&open).authority})),
        ("legacy", json!({"caFile": own(&open).authority})),
        ("mixed", json!({"ca.crt": own(&open).authority, "caFile": "garbage"})),
        ("expired", json!({"ca.crt": own(&expired).authority})),
        (
            "pair",
            json!({"ca.crt": pair.authority, "tls.crt": pair.certificate, "tls.key": pair.key}),
        ),
        (
            "old-pair",
            json!({"caFile": pair.authority, "certFile": pair.certificate, "keyFile": pair.key}),
        ),
    ] {
        story.apply(&secret(name, &data)).await;
    }
    let reference = |name: &str| json!({"certSecretRef": {"name": name}});
    for name in ["ca", "legacy", "mixed"] {
        follow(&story, name, &open, reference(name)).await;
    }
    for name in ["pair", "old-pair"] {
        follow(&story, name, &mutual, reference(name)).await;
    }
    follow(&story, "expired", &expired, reference("expired")).await;
    follow(&story, "none", &open, json!({})).await;
    follow(&story, "insecure", &open, json!({"insecure": true})).await;
    let mut strict = reference("expired");
    strict["insecure"] = true.into();
    follow(&story, "insecure-with-ca", &open, strict).await;
    for name in ["ca", "legacy", "mixed", "pair", "old-pair", "insecure"] {
        story.wait_ready("OCIRepository", name).await;
    }
    let x509 = "\": tls: failed to verify certificate: x509: certificate ";
    for (name, problem) in [
        ("none", "signed by unknown authority"),
        ("expired", "has expired or is not yet valid"),
        ("insecure-with-ca", "signed by unknown authority"),
    ] {
        let text = refusal(&story, name, "OCIArtifactPullFailed").await;
        let begin = "failed to determine artifact digest: Get \"https://127.0.0.1:";
        assert!(text.starts_with(begin), "{name}: {text}");
        assert!(text.contains(&format!("{x509}{problem}")), "{name}: {text}");
    }
}

/// oci E05, E07, E08: material that is none is named, and no connection is made.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_none_are_named() {
    let story = Story::begin("badcerts").await;
    let registry = registry(Transport::Tls).await;
    let ns = story.namespace.clone();
    let pem = "failed to parse TLS certificate and key: \
               tls: failed to find any PEM data in certificate input";
    let cases = [
        (
            "garbage",
            Some(json!({"ca.crt": "invalid"})),
            "failed to parse CA certificate".to_owned(),
        ),
        ("pair", Some(json!({"tls.crt": "x", "tls.key": "y"})), pem.to_owned()),
        ("old-pair", Some(json!({"certFile": "x", "keyFile": "y"})), pem.to_owned()),
        (
            "no-key",
            Some(json!({"tls.crt": "x"})),
            format!("secret '{ns}/no-key' contains 'tls.crt' but missing 'tls.key'"),
        ),
        (
            "no-crt",
            Some(json!({"tls.key": "x"})),
            format!("secret '{ns}/no-crt' contains 'tls.key' but missing 'tls.crt'"),
        ),
        (
            "empty",
            Some(json!({"x": "y"})),
            format!(
                "secret '{ns}/empty' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"
            ),
        ),
        ("absent", None, format!("secret '{ns}/absent' not found")),
    ];
    for (name, data, _) in &cases {
        if let Some(data) = data {
            story.apply(&secret(name, data)).await;
        }
        follow(&story, name, &registry, json!({"certSecretRef": {"name": name}})).await;
    }
    for (name, _, problem) in &cases {
        let text = refusal(&story, name, "AuthenticationFailed").await;
        let url = registry.url("app");
        assert_eq!(text, format!("failed to generate transport for '{url}': {problem}"), "{name}");
        story.wait_event(name, &format!("Warning AuthenticationFailed {text}")).await;
    }
    assert_eq!(registry.take_log(), [""; 0]);
}

/// oci E12, E13, E14: a proxy carries what is asked, or is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_comes_from_a_secret() {
    let story = Story::begin("proxy").await;
    let digest = story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let proxy = Proxy::start(story.registry.host(), Some(("user", CANARY))).await;
    let address = format!("http://{}", proxy.host());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = listener.local_addr().unwrap().to_string();
    drop(listener);
    let ns = story.namespace.clone();
    let schemes =
        "proxy URL must use one of the supported schemes (http, https, socks5), got 'ftp'";
    let cases = [
        ("working", json!({"address": address, "username": "user", "password": CANARY}), None),
        ("dead", json!({"address": format!("http://{dead}")}), None),
        (
            "keyless",
            json!({"x": "y"}),
            Some(format!("secret '{ns}/keyless': key 'address' not found")),
        ),
        (
            "void",
            json!({"address": ""}),
            Some(format!("secret '{ns}/void': proxy address is empty")),
        ),
        ("ftp", json!({"address": "ftp://p"}), Some(format!("secret '{ns}/ftp': {schemes}"))),
    ];
    for (name, data, _) in &cases {
        story.apply(&secret(name, data)).await;
        let spec = json!({
            "url": "oci://registry.invalid:5000/app", "proxySecretRef": {"name": name},
            "ref": if *name == "dead" { json!({"digest": digest}) } else { json!({}) },
        });
        let mut source = story.source(spec);
        source["metadata"]["name"] = (*name).into();
        story.apply(&source).await;
    }
    story.wait_ready("OCIRepository", "working").await;
    assert!(proxy.log().contains(&"http registry.invalid:5000".to_owned()), "{:?}", proxy.log());
    for (name, _, problem) in &cases[2..] {
        let text = refusal(&story, name, "AuthenticationFailed").await;
        let problem = problem.as_deref().unwrap();
        assert_eq!(text, format!("failed to get proxy address: {problem}"));
    }
    let text = refusal(&story, "dead", "OCIArtifactPullFailed").await;
    let begin = "failed to pull artifact from 'oci://registry.invalid:5000/app': ";
    assert!(text.starts_with(begin), "{text}");
    let refused = format!("proxyconnect tcp: dial tcp {dead}: connect: connection refused");
    assert!(text.contains(&refused), "{text}");
}

/// oci 6 and 7: a secret that is written anew counts at the next try, in either direction.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_exchanged_counts_at_the_next_try() {
    let story = Story::begin("exchange").await;
    let registry = registry(Transport::Tls).await;
    let other = self::registry(Transport::Tls).await;
    let ca = |of: &Registry| secret("ca", &json!({"ca.crt": of.authority_pem()}));
    story.apply(&ca(&registry)).await;
    follow(&story, "src", &registry, json!({"certSecretRef": {"name": "ca"}})).await;
    story.wait_ready("OCIRepository", "src").await;
    story.apply(&ca(&other)).await;
    story.clock.advance(Duration::from_secs(600));
    refusal(&story, "src", "OCIArtifactPullFailed").await;
    story.apply(&ca(&registry)).await;
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
}
