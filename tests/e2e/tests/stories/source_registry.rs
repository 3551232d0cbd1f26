//! OCIRepository: what registries answer, and what becomes of it.

use std::time::Duration;

use e2e::{CANARY, Story, condition, until};
use registry::{Effect, Fault, Guard, Proxy, Registry, Setup};
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, synced};

const PULL_FAILED: &str = "OCIArtifactPullFailed";

/// oci C05: addresses that are none stall, with what is wrong with them.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_none_stall() {
    let story = Story::begin("addresses").await;
    let host = story.registry.host().to_owned();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let cases = [
        ("upper", format!("oci://{host}/App"), "repository can only contain the characters `"),
        (
            "digest",
            format!("oci://{host}/app@{digest}"),
            "repository can only contain the characters `",
        ),
        (
            "short",
            format!("oci://{host}/x"),
            "repository must be between 2 and 255 characters in length: x",
        ),
    ];
    for (name, url, _) in &cases {
        story.follow(name, json!({"url": url})).await;
    }
    for (name, url, problem) in &cases {
        let source = story.wait_failed("OCIRepository", name, "URLInvalid").await;
        let text = condition(&source, "Stalled")["message"].as_str().unwrap().to_owned();
        assert!(
            text.starts_with(&format!("URL validation failed for '{url}': {problem}")),
            "{text}"
        );
        assert_eq!(condition(&source, "Reconciling"), Value::Null);
        assert_eq!(source["status"]["observedGeneration"], 1);
    }
    assert_eq!(story.registry.take_log(), [""; 0]);
}

/// oci C06, C07, C08, C09: what cannot be found is named as the registry names it, and is tried
/// again. A digest that is none costs no request.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_found_is_named_as_the_registry_names_it() {
    let story = Story::begin("notfound").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let resolve = "failed to determine artifact digest: ";
    let sha512 = format!("sha512:{}", "ab".repeat(64));
    let bad = [
        ("invalid", "invalid", "cannot parse hash: \"invalid\""),
        ("sha512", &sha512, "unsupported hash: \"sha512\""),
    ];
    for (name, digest, problem) in bad {
        story.follow(name, json!({"ref": {"digest": digest}})).await;
        assert_eq!(story.failure(name, PULL_FAILED).await, format!("{resolve}{problem}"));
    }
    assert_eq!(story.registry.take_log(), [""; 0]);
    story.follow("tag", json!({"ref": {"tag": "6.1.0"}})).await;
    let text = story.failure("tag", PULL_FAILED).await;
    let begin = format!(
        "{resolve}GET http://{}/v2/app/manifests/6.1.0: MANIFEST_UNKNOWN",
        story.registry.host()
    );
    assert!(text.starts_with(&begin), "{text}");
    let log = story.registry.take_log();
    let asked = ["HEAD", "GET"].map(|method| format!("{method} /v2/app/manifests/6.1.0 404"));
    assert_eq!(log[..2], asked);
    let url = story.registry.url("none");
    story.follow("repository", json!({"url": url})).await;
    let text = story.failure("repository", PULL_FAILED).await;
    assert!(text.contains("MANIFEST_UNKNOWN"), "{text}");
    story.follow("range", json!({"url": url, "ref": {"semver": "*"}})).await;
    let text = story.failure("range", "ReadOperationFailed").await;
    let begin = format!(
        "failed to determine the artifact tag for '{url}': \
         GET http://{}/v2/none/tags/list?n=1000: NAME_UNKNOWN: ",
        story.registry.host()
    );
    assert!(text.starts_with(&begin), "{text}");
}

/// oci C11, C12: a tag that vanishes takes nothing with it; when it is back, that is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_vanishes_and_comes_back() {
    let story = Story::begin("vanish").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.follow("src", json!({})).await;
    let before = story.wait_ready("OCIRepository", "src").await;
    story.registry.delete_tag("app", "latest");
    story.clock.advance(Duration::from_secs(600));
    story.failure("src", PULL_FAILED).await;
    let source = story.get("OCIRepository", "src").await.unwrap();
    assert_eq!(source["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(condition(&source, "ArtifactInStorage"), condition(&before, "ArtifactInStorage"));
    assert_eq!(story.files(&source).await.len(), 1);
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.clock.advance(Duration::from_secs(900));
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(condition(&source, "FetchFailed"), Value::Null);
    story.wait_event("src", "Normal Succeeded stored artifact with revision '").await;
    let events = story.events("src").await;
    assert_eq!(
        events.iter().filter(|event| event.contains("NewArtifact")).count(),
        1,
        "{events:?}"
    );
}

/// oci D12: a token that ends between listing and asking is exchanged, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_on_the_way_is_exchanged() {
    let mut story = Story::begin("token").await;
    let guard = Guard::Bearer("user".into(), CANARY.into());
    story.registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    story.push("1.0.0", &[("cm.yaml", CONFIG_MAP)]);
    let auths = json!({"auths": {story.registry.host(): {"username": "user", "password": CANARY}}});
    story
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred"},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auths.to_string()}}))
        .await;
    let rejected = Fault::new("HEAD", "/manifests/", 1, Effect::ForgetTokens);
    story.registry.misbehave(rejected);
    story.follow("src", json!({"ref": {"semver": "*"}, "secretRef": {"name": "regcred"}})).await;
    story.wait_ready("OCIRepository", "src").await;
    assert_eq!(story.registry.tokens_issued(), 2);
    let events = story.events("src").await;
    assert!(events.iter().all(|event| !event.starts_with("Warning")), "{events:?}");
}

/// oci D15: who is denied is told so, and tries again.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_is_told_so_and_tries_again() {
    let story = Story::begin("denied").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.registry.misbehave(Fault::new("", "/manifests/", 100, Effect::Error(403, "DENIED")));
    story.follow("src", json!({})).await;
    let text = story.failure("src", PULL_FAILED).await;
    assert!(text.contains(": DENIED: "), "{text}");
    story.registry.calm();
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
}

/// oci E15: a registry behind a public name is not asked in plain text unless `insecure` says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_name_is_never_asked_in_plain_text() {
    let story = Story::begin("plaintext").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    let proxy = Proxy::start(story.registry.host(), None).await;
    let address = json!({"address": format!("http://{}", proxy.host())});
    story
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "proxy"}, "stringData": address}))
        .await;
    let spec = json!({"url": "oci://registry.example.com/app", "insecure": null, "proxySecretRef": {"name": "proxy"}});
    story.follow("src", spec).await;
    let text = story.failure("src", PULL_FAILED).await;
    let begin = "failed to determine artifact digest: Get \"https://registry.example.com/v2/\": ";
    assert!(text.starts_with(begin) && !text.contains("\"http://"), "{text}");
    assert!(proxy.log().iter().all(|line| line == "connect registry.example.com:443"));
    assert_eq!(story.registry.take_log(), [""; 0]);
}

/// oci E16: a registry that is not there for a moment is waited for within the same attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_is_waited_out_in_the_same_attempt() {
    let story = Story::begin("outage").await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.registry.misbehave(Fault::new("HEAD", "/manifests/", 2, Effect::Status(503, None)));
    story.follow("src", json!({})).await;
    for asked in [1, 2] {
        until("the registry is asked", async || story.registry.log().len() >= asked).await;
        story.clock.advance(Duration::from_secs(4));
    }
    story.wait_ready("OCIRepository", "src").await;
    let events = story.events("src").await;
    assert!(events.iter().all(|event| !event.starts_with("Warning")), "{events:?}");
}

/// oci E17: a registry that is overrun is left alone for as long as it asks, and no worker waits
/// for it meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_overrun_registry_is_left_alone() {
    let story = Story::begin_with("overrun", &["--concurrent=1"]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.registry.misbehave(Fault::new("", "/app/", 1000, Effect::Status(429, Some(120))));
    story.follow("src", json!({})).await;
    let text = story.failure("src", PULL_FAILED).await;
    assert!(text.contains("429 Too Many Requests"), "{text}");
    assert_eq!(story.registry.take_log().len(), 1, "one HEAD, and no GET after it");
    let other = Registry::start().await;
    other.push_files("other", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    story.follow("other", json!({"url": other.url("other")})).await;
    story.wait_ready("OCIRepository", "other").await;
    story.clock.advance(Duration::from_secs(60));
    story.handled("other", "half").await;
    assert_eq!(story.registry.take_log(), [""; 0]);
    story.clock.advance(Duration::from_secs(61));
    until("it is asked again", async || !story.registry.log().is_empty()).await;
    story.registry.calm();
    story.clock.advance(Duration::from_secs(240));
    story.wait_ready("OCIRepository", "src").await;
}

/// oci E18: a registry that is gone is named, what is stored stays served, and its return is
/// noticed. The gaps of the backoff are those of `the_backoff_is_capped_and_honours_a_lower_bound`.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_gone_is_named_and_its_return_noticed() {
    let mut story = synced("gone", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let host = story.registry.host().to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = listener.local_addr().unwrap().to_string();
    drop(listener);
    story.follow("src", json!({"url": format!("oci://{dead}/app")})).await;
    let refused = format!("dial tcp {dead}: connect: connection refused");
    let text = story.failure("src", PULL_FAILED).await;
    let wanted = format!(
        "failed to determine artifact digest: \
         Get \"https://{dead}/v2/\": {refused}; Get \"http://{dead}/v2/\": {refused}"
    );
    assert_eq!(text, wanted);
    let source = story.get("OCIRepository", "src").await.unwrap();
    assert_eq!(story.files(&source).await.len(), 1);
    let listener = tokio::net::TcpListener::bind(&dead).await.unwrap();
    let returned = Registry::serve(listener, &Setup::default());
    returned.push_files("app", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    story.registry = returned;
    story.clock.advance(Duration::from_secs(900));
    story.wait_ready("OCIRepository", "src").await;
    assert_ne!(story.registry.host(), host);
}

/// oci E21, E22: a HEAD that says too little is followed by a GET; one that lies is found out.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_believed_as_far_as_it_can_be_checked() {
    let story = Story::begin("heads").await;
    story.push("silent", &[("cm.yaml", CONFIG_MAP)]);
    story.push("refused", &[("cm.yaml", CONFIG_MAP)]);
    story.push("lying", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    for (tag, effect) in [("silent", Effect::NoDigest), ("refused", Effect::Status(405, None))] {
        story.registry.misbehave(Fault::new("HEAD", &format!("/manifests/{tag}"), 1, effect));
        story.stored(tag, json!({})).await;
    }
    story.registry.misbehave(Fault::new("GET", "/manifests/sha256:", 1, Effect::Flip));
    story.follow("lying", json!({"ref": {"tag": "lying"}})).await;
    let text = story.failure("lying", PULL_FAILED).await;
    let begin = format!(
        "failed to pull artifact from '{}': manifest digest: \"sha256:",
        story.registry.url("app")
    );
    assert!(
        text.starts_with(&begin) && text.contains("\" does not match requested digest: \""),
        "{text}"
    );
}
