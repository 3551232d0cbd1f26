//! OCIRepository: which files of a layer are left out.

use e2e::Story;
use serde_json::{Value, json};

/// What is kept of `files` under the ignore rules of a spec.
async fn kept(story: &Story, tag: &str, files: &[&str], ignore: Value) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|file| {
            let (path, text) = file.split_once('=').unwrap_or((file, "x"));
            (path, text)
        })
        .collect();
    story.push(tag, &files);
    let source = story.stored(tag, json!({"ignore": ignore})).await;
    assert_eq!(source["status"]["observedIgnore"], ignore);
    story.files(&source).await.into_keys().collect()
}

const COMMON: [&str; 7] =
    [".git/config", ".gitignore", "a.png", ".github/x", ".sops.yaml", "d/.flux.yaml", "app.yaml"];

/// oci G01, G02, G03: without rules the defaults count; one rule switches them off, a comment does
/// not.
#[tokio::test(flavor = "multi_thread")]
async fn defaults_count_until_there_is_a_rule() {
    let story = Story::begin("defaults").await;
    assert_eq!(kept(&story, "none", &COMMON, Value::Null).await, ["app.yaml"]);
    assert_eq!(kept(&story, "comment", &COMMON, json!("# only a comment")).await, ["app.yaml"]);
    let with_foo = [COMMON.as_slice(), &["foo.txt"]].concat();
    let left = kept(&story, "rule", &with_foo, json!("foo.txt")).await;
    assert_eq!(left, [".github/x", ".sops.yaml", "a.png", "app.yaml", "d/.flux.yaml"]);
}

/// oci G04, G06, G07, G11: what is left out may be brought back; rules of a folder are its own; a
/// slash at the end means folders.
#[tokio::test(flavor = "multi_thread")]
async fn later_and_deeper_rules_win() {
    let story = Story::begin("rules").await;
    let deploy =
        ["deploy/a.yaml", "deploy/x/b.yaml", "deploy/x/README.md", "deploy/y.md", "other/c.yaml"];
    let left = kept(&story, "deploy", &deploy, json!("/*\n!/deploy\n/deploy/**/*.md")).await;
    assert_eq!(left, ["deploy/a.yaml", "deploy/x/b.yaml"]);
    let nested = ["a.txt", "sub/.sourceignore=*.txt", "sub/b.txt", "sub/deep/c.txt", "sub/d.yaml"];
    let left = kept(&story, "nested", &nested, Value::Null).await;
    assert_eq!(left, ["a.txt", "sub/.sourceignore", "sub/d.yaml"]);
    let root = [".sourceignore=*.txt", "keep.txt", "drop.txt", "x.yaml"];
    let left = kept(&story, "root", &root, json!("!keep.txt")).await;
    assert_eq!(left, [".sourceignore", "keep.txt", "x.yaml"]);
    let build = ["build", "x/build/out", "x/y"];
    assert_eq!(kept(&story, "build", &build, json!("build/")).await, ["build", "x/y"]);
}
