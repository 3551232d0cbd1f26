//! OCIRepository: the first artifact, from the empty object to what is served.

use e2e::{Story, condition};
use registry::layer;
use serde_json::{Value, json};

use super::sync::{CONFIG_MAP, in_order};

const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

/// oci A01, A02, A03, A10: everything that the status of a first artifact says is true.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_artifact_is_described_in_full() {
    let story = Story::begin("first").await;
    let content = layer(&[("deployment.yaml", b"d"), ("hpa.yaml", b"h")]);
    let annotations = [
        ("org.opencontainers.image.source", "https://git.test/app"),
        ("org.opencontainers.image.revision", "6.1.6/abc"),
    ];
    let d6 = story.registry.push_image("app", "6.1.6", &[(CONTENT, &content)], &annotations);
    story.push("plain", &[("cm.yaml", CONFIG_MAP)]);
    story.follow("src", json!({"ref": {"tag": "6.1.6"}})).await;
    let source = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(source["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    let status = &source["status"];
    let revision = format!("6.1.6@{d6}");
    let kinds: Vec<_> =
        status["conditions"].as_array().unwrap().iter().map(|c| c["type"].clone()).collect();
    assert_eq!(kinds, ["Ready", "ArtifactInStorage"]);
    for kind in ["Ready", "ArtifactInStorage"] {
        let found = condition(&source, kind);
        assert_eq!((&found["status"], &found["reason"]), (&json!("True"), &json!("Succeeded")));
        assert_eq!(found["message"], format!("stored artifact for digest '{revision}'"));
    }
    assert_eq!(status["observedGeneration"], 1);
    let artifact = &status["artifact"];
    let path = format!("ocirepository/{}/src/{d6}.tar.gz", story.namespace);
    let root = format!("http://{}", story.operator().addresses.storage);
    assert_eq!((&artifact["revision"], &artifact["path"]), (&json!(revision), &json!(path)));
    assert_eq!(artifact["url"], format!("{root}/{path}"));
    let latest = format!("{root}/ocirepository/{}/src/latest.tar.gz", story.namespace);
    assert_eq!(status["url"], latest);
    assert_eq!(artifact["metadata"]["org.opencontainers.image.source"], "https://git.test/app");
    assert_eq!(artifact["metadata"]["org.opencontainers.image.revision"], "6.1.6/abc");
    let served = story.http("GET", artifact["url"].as_str().unwrap()).await;
    assert_eq!(story.http("GET", &latest).await, served);
    let algorithm = artifact::digest::Algorithm::Sha256;
    assert_eq!(artifact["digest"], artifact::Digest::of(algorithm, &served.1).to_string());
    assert_eq!(artifact["size"], served.1.len());
    let files = story.files(&source).await;
    assert_eq!(files.get("deployment.yaml").map(Vec::as_slice), Some(b"d".as_slice()));
    assert_eq!(files.len(), 2);

    let plain = story.stored("plain", json!({})).await;
    assert_eq!(plain["status"]["artifact"].get("metadata"), None);
    let url = story.registry.url("app");
    let event = story.wait_event("plain", "NewArtifact").await;
    assert!(event.ends_with(&format!("' from '{url}'")), "{event}");
}

/// oci A14: equal content makes equal bytes, for two objects and after everything stored was lost.
#[tokio::test(flavor = "multi_thread")]
async fn equal_content_makes_equal_bytes() {
    let mut story = Story::begin("equal").await;
    story.push("latest", &[("b.yaml", "b"), ("a/c.yaml", "c"), ("cm.yaml", CONFIG_MAP)]);
    let digest = |source: &Value| source["status"]["artifact"]["digest"].clone();
    for name in ["one", "two"] {
        story.follow(name, json!({})).await;
    }
    let one = digest(&story.wait_ready("OCIRepository", "one").await);
    let two = digest(&story.wait_ready("OCIRepository", "two").await);
    assert_eq!(one, two);
    story.kill_operator();
    for folder in ["ocirepository", ".blobs"] {
        std::fs::remove_dir_all(story.storage().join(folder)).unwrap();
    }
    story.start_operator().await;
    let again = story.handled("one", "again").await;
    assert_eq!(digest(&again), one);
}

/// oci A15: of an index, the revision is the index's and the content is that for linux/amd64,
/// whatever machine this is.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_stored_as_its_linux_amd64_child() {
    let story = Story::begin("index").await;
    let child = |platform: &str, text: &str| {
        let content = layer(&[("platform", text.as_bytes())]);
        let annotations = [("org.example.platform", platform)];
        let digest = story.registry.push_image("app", "", &[(CONTENT, &content)], &annotations);
        let (os, architecture) = platform.split_once('/').unwrap();
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest,
            "size": 1, "platform": {"os": os, "architecture": architecture}})
    };
    let children = [child("linux/arm64", "arm"), child("linux/amd64", "amd")];
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": children});
    let digest = story.registry.push_manifest("app", "multi", kind, index.to_string());
    let source = story.stored("multi", json!({})).await;
    let artifact = &source["status"]["artifact"];
    assert_eq!(artifact["revision"], format!("multi@{digest}"));
    assert_eq!(artifact["metadata"], json!({"org.example.platform": "linux/amd64"}));
    assert_eq!(story.files(&source).await["platform"], b"amd");
}

/// oci A13: on its way to the first artifact an object says nothing that the contract does not
/// name, in the contract's order. Steps may be left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_the_first_artifact_is_told_in_the_contracts_words() {
    let story = Story::begin("way").await;
    let digest = story.push("6.1.6", &[("cm.yaml", CONFIG_MAP)]);
    let revision = format!("6.1.6@{digest}");
    let host = story.registry.host();
    let wanted = [
        "processing object: new generation -1 -> 1".to_owned(),
        "building artifact".into(),
        format!("building artifact: new revision '{revision}' for '{host}/app:6.1.6'"),
        format!("stored artifact for digest '{revision}'"),
    ];
    let object = story.source(json!({"ref": {"tag": "6.1.6"}}));
    // Only what lasts is told of.
    let hang = registry::Fault::new("GET", "/blobs/", 1, registry::Effect::Hang);
    story.registry.misbehave(hang);
    story.apply(&object).await;
    story
        .wait("OCIRepository", "src", "building", |source| {
            condition(source, "Reconciling")["message"] == wanted[2].as_str()
        })
        .await;
    story.delete("OCIRepository", "src").await;
    story.clock.advance(std::time::Duration::from_secs(61));
    story.wait_gone("OCIRepository", "src").await;
    let is_last = |object: &Value| condition(object, "Ready")["message"] == wanted[3].as_str();
    let states = story.told(&object, is_last).await;
    let texts = |state: &Value| {
        ["Reconciling", "Ready"].map(|kind| condition(state, kind)["message"].clone())
    };
    let texts = states.iter().flat_map(texts);
    let mut told: Vec<String> = texts.filter_map(|text| text.as_str().map(str::to_owned)).collect();
    told.dedup();
    in_order(&told, &wanted);
}
