//! OCIRepository: layers as registries hold them, well-made and not.

use std::io::Write as _;

use e2e::{Story, condition};
use flate2::Compression;
use flate2::write::GzEncoder;
use registry::{Effect, EntryType, Fault, layer, odd_layer};
use serde_json::{Value, json};

const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
const LAYER_FAILED: &str = "OCIArtifactLayerOperationFailed";
const EXTRACT: &str = "failed to extract layer contents from artifact: ";

/// Paths and bytes.
type Files = &'static [(&'static str, &'static [u8])];

fn push(story: &Story, tag: &str, bytes: &[u8]) {
    story.registry.push_image("app", tag, &[(CONTENT, bytes)], &[]);
}

fn copying() -> Value {
    json!({"layerSelector": {"operation": "copy"}})
}

/// oci F01, F02, F03, F04, F05, F06, F07: which layer is taken, and how.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_chosen_by_its_type_and_kept_as_asked() {
    let story = Story::begin("chosen").await;
    let (one, two) = (layer(&[("one", b"1")]), layer(&[("two", b"2")]));
    let registry = &story.registry;
    let layers: [(&str, &[u8]); 3] = [("text/plain", b"hello"), (CONTENT, &one), (CONTENT, &two)];
    let digest = registry.push_image("app", "several", &layers, &[]);
    registry.push_image("app", "none", &[], &[]);
    let selector = |media_type: &str, operation: &str| {
        json!({"ref": {"tag": "several"},
            "layerSelector": {"mediaType": media_type, "operation": operation}})
    };
    story.follow("typed", selector(CONTENT, "extract")).await;
    let typed = story.wait_ready("OCIRepository", "typed").await;
    assert_eq!(story.files(&typed).await.keys().collect::<Vec<_>>(), ["one"]);
    story.follow("raw", selector(CONTENT, "copy")).await;
    let raw = story.wait_ready("OCIRepository", "raw").await;
    let artifact = &raw["status"]["artifact"];
    let algorithm = artifact::digest::Algorithm::Sha256;
    assert_eq!(artifact["digest"], artifact::Digest::of(algorithm, &one).to_string());
    assert!(artifact["path"].as_str().unwrap().ends_with(&format!("/{digest}.tar.gz")));
    assert_eq!(story.http("GET", artifact["url"].as_str().unwrap()).await, (200, one));
    let text = story.stored("several", copying()).await;
    let url = text["status"]["artifact"]["url"].as_str().unwrap().to_owned();
    assert_eq!(story.http("GET", &url).await, (200, b"hello".to_vec()));
    story.follow("untyped", json!({"ref": {"tag": "several"}})).await;
    let text = story.failure("untyped", LAYER_FAILED).await;
    assert_eq!(text, format!("{EXTRACT}requires gzip-compressed body: gzip: invalid header"));
    story.follow("absent", selector("application/invalid.tar.gzip", "extract")).await;
    let text = story.failure("absent", LAYER_FAILED).await;
    let wanted = "failed to find layer with media type 'application/invalid.tar.gzip' in artifact";
    assert_eq!(text, wanted);
    story.follow("none", json!({"ref": {"tag": "none"}})).await;
    assert_eq!(story.failure("none", LAYER_FAILED).await, "no layers found in artifact");
}

/// oci F08, F12, F16: archives that are none are refused as a whole, and nothing of them stays.
#[tokio::test(flavor = "multi_thread")]
async fn archives_that_are_none_are_refused_as_a_whole() {
    let story = Story::begin("refused").await;
    let good = layer(&[("cm.yaml", &[b'x'; 4096])]);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let named = |name: &str| {
        odd_layer(&[("ok", EntryType::Regular, b"k"), (name, EntryType::Regular, b"x")])
    };
    let kind = |kind: EntryType| odd_layer(&[("odd", kind, b"")]);
    let invalid = "tar contained invalid name error \"";
    let cases = [
        ("cut", good[..good.len() / 2].to_vec(), "error copying buffer: unexpected EOF"),
        ("flipped", flipped, ""),
        ("up", named("../evil"), invalid),
        ("around", named("a/../../evil"), invalid),
        ("absolute", named("/abs"), invalid),
        ("backslash", named("a\\b"), invalid),
        ("nameless", named(""), invalid),
        (
            "device",
            kind(EntryType::Char),
            "tar file entry odd contained unsupported file type Dcrw-r--r--",
        ),
        (
            "fifo",
            kind(EntryType::Fifo),
            "tar file entry odd contained unsupported file type prw-r--r--",
        ),
    ];
    for (tag, bytes, _) in &cases {
        push(&story, tag, bytes);
        story.follow(tag, json!({"ref": {"tag": tag}})).await;
    }
    for (tag, _, problem) in &cases {
        let text = story.failure(tag, LAYER_FAILED).await;
        assert!(text.starts_with(&format!("{EXTRACT}{problem}")), "{tag}: {text}");
        let source = story.get("OCIRepository", tag).await.unwrap();
        assert_eq!(source["status"].get("artifact"), None, "{tag}");
    }
    assert!(!story.storage().join("ocirepository").exists());
    assert_eq!(std::fs::read_dir(story.storage().join(".unfinished")).unwrap().count(), 0);
}

/// oci F09, F11, E19: bytes that are not those of the manifest are never stored.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_another_layer_are_never_stored() {
    let story = Story::begin("bytes").await;
    let bytes = layer(&[("cm.yaml", b"x")]);
    let cases = [
        (
            "flip",
            Effect::Flip,
            "failed to copy layer from artifact: error verifying sha256 checksum after reading ",
        ),
        (
            "longer",
            Effect::Longer,
            "failed to copy layer from artifact: error verifying size; got ",
        ),
        ("cut", Effect::Truncate, "failed to copy layer from artifact: unexpected EOF"),
    ];
    for (tag, effect, problem) in cases {
        push(&story, tag, &bytes);
        story.registry.misbehave(Fault::new("GET", "/blobs/", 100, effect));
        let mut spec = copying();
        spec["ref"] = json!({"tag": tag});
        story.follow(tag, spec).await;
        let text = story.failure(tag, LAYER_FAILED).await;
        assert!(text.starts_with(problem), "{tag}: {text}");
        story.registry.calm();
        story.delete("OCIRepository", tag).await;
        story.wait_gone("OCIRepository", tag).await;
    }
    assert_eq!(std::fs::read_dir(story.storage().join(".blobs")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(story.storage().join(".unfinished")).unwrap().count(), 0);
}

/// oci F13, F14, F15, F20: odd names that are names, links, and entries that come twice.
#[tokio::test(flavor = "multi_thread")]
async fn odd_entries_are_taken_as_the_contract_says() {
    use EntryType::{Regular, Symlink};
    let story = Story::begin("entries").await;
    let cases: [(&str, Vec<u8>, Files); 4] = [
        (
            "names",
            odd_layer(&[("./ok.yaml", Regular, b"1"), ("foo..bar/x", Regular, b"2")]),
            &[("foo..bar/x", b"2"), ("ok.yaml", b"1")],
        ),
        (
            "through",
            odd_layer(&[("link", Symlink, b""), ("link/x", Regular, b"3")]),
            &[("link/x", b"3")],
        ),
        ("link", odd_layer(&[("link", Symlink, b""), ("ok", Regular, b"4")]), &[("ok", b"4")]),
        (
            "twice",
            odd_layer(&[("same", Regular, b"longer"), ("same", Regular, b"5")]),
            &[("same", b"5")],
        ),
    ];
    for (tag, bytes, wanted) in cases {
        push(&story, tag, &bytes);
        let source = story.stored(tag, json!({})).await;
        let files = story.files(&source).await;
        let files: Vec<_> =
            files.iter().map(|(path, body)| (path.as_str(), body.as_slice())).collect();
        assert_eq!(files, wanted, "{tag}");
    }
}

/// oci F18: a small layer that would become a large tree is stopped at the limit, and leaves
/// nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_grows_too_much_is_stopped() {
    let story = Story::begin_with("bomb", &["--source-unpacked-bytes-max=1048576"]).await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(64 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 17);
    push(&story, "bomb", &bomb);
    story.follow("bomb", json!({"ref": {"tag": "bomb"}})).await;
    let text = story.failure("bomb", LAYER_FAILED).await;
    assert!(
        text.starts_with(EXTRACT) && text.ends_with("the limit of 1048576 unpacked bytes"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(story.storage().join(".unfinished")).unwrap().count(), 0);
    push(&story, "fits", &layer(&[("ok", b"1")]));
    let source = story.stored("fits", json!({})).await;
    assert_eq!(condition(&source, "Ready")["status"], "True");
}

/// oci F19: many small files are no problem.
#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_are_stored() {
    let story = Story::begin("many").await;
    let names: Vec<String> = (0..200_000).map(|i| format!("d{:03}/f{i}", i % 500)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    push(&story, "many", &layer(&files));
    let source = story.stored("many", json!({})).await;
    assert_eq!(story.files(&source).await.len(), 200_000);
}
