use oci::Select;
use oci::image::LayerSelector;
use oci::select::{Range, Spelling};
use registry::{Effect, Fault, Registry, Setup};

use crate::{Bench, text};

#[tokio::test]
async fn an_unchanged_tag_costs_one_head() {
    let bench = Bench::open().await;
    let digest = bench.registry.push_files("team/app", "6.1.6", &[("a.yaml", b"a: 1")]);
    for _ in 0..2 {
        let pin = bench.resolve("6.1.6").await.unwrap();
        assert_eq!(pin.revision().to_string(), format!("6.1.6@{digest}"));
        assert_eq!(bench.registry.take_log(), ["HEAD /v2/team/app/manifests/6.1.6 200"]);
    }
    assert!(bench.clock.waits().is_empty(), "trying HTTPS first costs no time");
}

#[tokio::test]
async fn a_digest_costs_nothing_and_is_checked() {
    let bench = Bench::open().await;
    let resolve = async |digest: &str| {
        let select = Select::Digest(digest.into());
        bench.client.resolve(&bench.reference(), &select).await
    };
    let good = format!("sha256:{}", "a".repeat(64));
    assert_eq!(resolve(&good).await.unwrap().revision().as_str(), good);
    let invalid = "failed to determine artifact digest: cannot parse hash: \"invalid\"";
    assert_eq!(text(&bench, resolve("invalid").await), invalid);
    assert!(bench.registry.take_log().is_empty());
}

#[tokio::test]
async fn a_layer_arrives_whole_and_leaves_nothing_behind() {
    let bench = Bench::open().await;
    let annotation = ("org.opencontainers.image.source", "https://example.com");
    bench.registry.push_image("team/app", "v1", &[("text/plain", b"bytes")], &[annotation]);
    let image = bench.image("v1").await.unwrap();
    assert_eq!(image.annotations[annotation.0], annotation.1);
    assert_eq!(bench.fetch("v1", "copy").await.unwrap(), b"bytes");
    bench.assert_clean();
}

#[tokio::test]
async fn every_page_of_tags_is_read() {
    let registry = Registry::start_with(&Setup { page: 10, ..Setup::default() }).await;
    let bench = Bench::new(registry, |_| ());
    for minor in 0..25 {
        bench.registry.push_files("team/app", &format!("1.{minor}.0"), &[]);
    }
    let range = |expression: &str| {
        let (filter, spelling) = (String::new(), Spelling::Plain);
        Select::SemVer(Range { expression: expression.into(), filter, spelling })
    };
    let pin = bench.client.resolve(&bench.reference(), &range("1.x")).await.unwrap();
    assert_eq!(pin.tag.as_deref(), Some("1.24.0"));
    assert_eq!(
        bench.registry.take_log(),
        [
            "GET /v2/team/app/tags/list?n=1000 200",
            "GET /v2/team/app/tags/list?n=10&last=1.17.0 200",
            "GET /v2/team/app/tags/list?n=10&last=1.4.0 200",
            "HEAD /v2/team/app/manifests/1.24.0 200",
        ]
    );
    let none = bench.client.resolve(&bench.reference(), &range(">=9")).await;
    let expected = "failed to determine the artifact tag for 'oci://HOST/team/app': \
                    no match found for semver: >=9";
    assert_eq!(text(&bench, none), expected);
}

#[tokio::test]
async fn pages_that_never_end_do() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "1.0.0", &[]);
    for (link, problem) in [
        ("</v2/team/app/tags/list?n=1000>; rel=\"next\"", "leads to itself"),
        ("<http://evil.example.com/v2/x/tags/list>; rel=\"next\"", "leads to another host"),
    ] {
        let effect = Effect::Header("link", link.into());
        bench.registry.misbehave(Fault::new("GET", "/tags/list", 1, effect));
        let (filter, spelling) = (String::new(), Spelling::Plain);
        let range = Range { expression: "*".into(), filter, spelling };
        let result = bench.client.resolve(&bench.reference(), &Select::SemVer(range)).await;
        assert!(text(&bench, result).ends_with(problem));
    }
}

/// Scenario E21: whatever HEAD lacks, GET tells.
#[tokio::test]
async fn a_head_that_says_too_little_is_followed_by_a_get() {
    let bench = Bench::open().await;
    let digest = bench.registry.push_files("team/app", "v1", &[]);
    for effect in [Effect::NoDigest, Effect::Status(405, None), Effect::Status(400, None)] {
        bench.registry.misbehave(Fault::new("HEAD", "/manifests/", 1, effect));
        let pin = bench.resolve("v1").await.unwrap();
        assert_eq!(pin.digest.to_string(), digest);
        assert_eq!(bench.registry.take_log().len(), 2);
    }
}

#[tokio::test]
async fn a_lying_head_is_found_out() {
    let bench = Bench::open().await;
    let digest = bench.registry.push_files("team/app", "v1", &[]);
    bench.registry.misbehave(Fault::new("GET", "/manifests/", 1, Effect::Flip));
    let found = text(&bench, bench.image("v1").await);
    let expected = "failed to pull artifact from 'oci://HOST/team/app': manifest digest: \"sha256:";
    assert!(found.starts_with(expected), "{found}");
    assert!(
        found.ends_with(&format!("requested digest: \"{digest}\" for \"HOST/team/app@{digest}\""))
    );
}

#[tokio::test]
async fn missing_images_are_named_as_the_registry_names_them() {
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    let expected = "failed to determine artifact digest: \
        GET http://HOST/v2/team/app/manifests/none: MANIFEST_UNKNOWN: manifest unknown; map[Tag:none]";
    assert_eq!(text(&bench, bench.resolve("none").await), expected);
    assert_eq!(
        bench.registry.take_log(),
        ["HEAD /v2/team/app/manifests/none 404", "GET /v2/team/app/manifests/none 404",]
    );
}

#[tokio::test]
async fn an_index_stands_for_its_linux_amd64_child() {
    let bench = Bench::open().await;
    let child = bench.registry.push_image("team/app", "", &[("x", b"amd64")], &[("of", "child")]);
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = |architecture: &str| {
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"sha256:{}",
            "platform":{{"os":"linux","architecture":"arm64"}}}},{{"digest":"{child}",
            "platform":{{"os":"linux","architecture":"{architecture}"}}}}]}}"#,
            "0".repeat(64)
        )
    };
    let digest = bench.registry.push_manifest("team/app", "v1", media_type, index("amd64"));
    assert_eq!(bench.resolve("v1").await.unwrap().digest.to_string(), digest);
    assert_eq!(bench.image("v1").await.unwrap().annotations["of"], "child");
    bench.registry.push_manifest("team/app", "v2", media_type, index("s390x"));
    let none = text(&bench, bench.image("v2").await);
    assert!(none.contains("no child with platform linux/amd64 in index"), "{none}");
}

/// Scenarios E19, F09 and F11.
#[tokio::test]
async fn a_layer_that_is_not_what_the_manifest_says_is_never_given() {
    let bench = Bench::open().await;
    bench.registry.push_image("team/app", "v1", &[("x", b"0123456789")], &[]);
    for (operation, effect, expected) in [
        (
            "extract",
            Effect::Truncate,
            "failed to extract layer contents from artifact: unexpected EOF",
        ),
        ("copy", Effect::Truncate, "failed to copy layer from artifact: unexpected EOF"),
        (
            "copy",
            Effect::Longer,
            "failed to copy layer from artifact: error verifying size; got 11, want 10",
        ),
        (
            "copy",
            Effect::Flip,
            "failed to copy layer from artifact: error verifying sha256 checksum after reading 10 bytes; got \"",
        ),
        (
            "copy",
            Effect::Status(404, None),
            "failed to extract the first layer from artifact: GET http://HOST/v2/team/app/blobs/",
        ),
    ] {
        bench.registry.misbehave(Fault::new("GET", "/blobs/", 1, effect));
        let found = text(&bench, bench.fetch("v1", operation).await);
        assert!(found.starts_with(expected), "{found}");
        bench.assert_clean();
    }
}

/// security.md, E3: an index may stand for an index, but not for ever; and nothing is asked but the
/// source's own repository, whatever addresses a manifest names.
#[tokio::test]
async fn a_manifest_leads_to_no_end_and_to_nobody_else() {
    let bench = Bench::open().await;
    let other = Registry::start().await;
    let mut child = bench.registry.push_image("team/app", "", &[("x", b"bytes")], &[]);
    let index = "application/vnd.oci.image.index.v1+json";
    for level in 1..=6 {
        let body = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{child}"}}]}}"#);
        child = bench.registry.push_manifest("team/app", &format!("level-{level}"), index, body);
    }
    assert_eq!(bench.fetch("level-1", "copy").await.unwrap(), b"bytes");
    let endless = text(&bench, bench.image("level-6").await);
    assert!(endless.contains("is larger than 4 levels"), "{endless}");
    let mut layer = bench.registry.push_blob("team/app", "x", b"bytes");
    layer["urls"] = vec![format!("http://{}/v2/evil/blobs/x", other.host())].into();
    let config = bench.registry.push_blob("team/app", "c", b"{}");
    let body = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    bench.registry.push_manifest("team/app", "foreign", manifest, body.to_string());
    assert_eq!(bench.fetch("foreign", "copy").await.unwrap(), b"bytes");
    assert_eq!(other.take_log(), [""; 0]);
}

/// security.md, E5: and no larger; a list of tags is bounded as `pages_that_never_end_do`.
#[tokio::test]
async fn a_manifest_is_as_large_as_it_may_be() {
    let bench = Bench::open().await;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let large = format!(r#"{{"schemaVersion":2,"pad":"{}"}}"#, "x".repeat(4 << 20));
    bench.registry.push_manifest("team/app", "large", media_type, large);
    let found = text(&bench, bench.image("large").await);
    assert!(found.contains("is larger than 4194304 bytes"), "{found}");
}

#[tokio::test]
async fn a_dropped_pull_leaves_nothing_behind() {
    let bench = Bench::open().await;
    bench.registry.push_image("team/app", "v1", &[("x", b"0123456789")], &[]);
    bench.registry.misbehave(Fault::new("GET", "/blobs/", 1, Effect::Endless));
    let layer = bench.image("v1").await.unwrap().layer(&LayerSelector::default()).unwrap();
    let reference = bench.reference();
    let mut pull = Box::pin(bench.client.fetch_layer(&reference, &layer));
    // Until the registry has answered; the body then never ends.
    while !bench.registry.log().iter().any(|one| one.path.contains("/blobs/")) {
        assert!(futures::poll!(&mut pull).is_pending());
        tokio::task::yield_now().await;
    }
    drop(pull);
    bench.assert_clean();
}
