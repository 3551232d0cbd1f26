//! The definitions: they install both ways, refuse what they must, and lose no field.

use std::path::Path;

use e2e::{Story, World};
use serde_json::json;

/// They install by client-side and by server-side apply, and OCIRepository is served as v1beta2 too.
#[tokio::test(flavor = "multi_thread")]
async fn they_install_both_ways_and_serve_the_older_version() {
    let story = Story::begin("versions").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    let folder = folder.to_str().unwrap();
    World::shared().kubectl(&["apply", "--dry-run=server", "-k", folder]);
    World::shared().kubectl(&["apply", "--server-side", "--dry-run=server", "-k", folder]);
    let mut older = story.source(json!({"ref": {"tag": "v1"}}));
    older["apiVersion"] = json!("source.toolkit.fluxcd.io/v1beta2");
    story.apply(&older).await;
    let stored = story.get("OCIRepository", "src").await.unwrap();
    assert_eq!(stored["spec"]["ref"]["tag"], "v1");
    assert_eq!(stored["spec"]["timeout"], "60s");
    assert_eq!(stored["spec"]["provider"], "generic");
}

/// ks A14, A16; oci C01.
#[tokio::test(flavor = "multi_thread")]
async fn they_refuse_what_they_must() {
    let story = Story::begin("refusals").await;
    let cases = [
        (story.kustomization("k", json!({"retryInterval": "500ms10"})), "spec.retryInterval"),
        (story.kustomization("k", json!({"interval": "1d"})), "spec.interval"),
        (story.kustomization("k", json!({"prune": null})), "spec.prune: Required value"),
        (
            story.kustomization("k", json!({"sourceRef": {"kind": "HelmChart"}})),
            "spec.sourceRef.kind: Unsupported value",
        ),
        (
            story.kustomization("k", json!({"kubeConfig": {}})),
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
        ),
        (story.source(json!({"url": "https://x/y"})), "spec.url"),
        (story.source(json!({"interval": null})), "spec.interval: Required value"),
        (story.source(json!({"timeout": "1h"})), "spec.timeout"),
    ];
    for (object, text) in cases {
        let error = story.refused(&object).await;
        assert!(error.contains(text), "{error}");
    }
}

/// Short names, categories and columns.
#[tokio::test(flavor = "multi_thread")]
async fn the_columns_and_names_are_those_that_people_type() {
    let story = Story::begin("columns").await;
    story.apply(&story.source(json!({}))).await;
    let ns = &story.namespace;
    let table = World::shared().kubectl(&["-n", ns, "get", "ocirepo"]);
    assert!(table.starts_with("NAME   URL"), "{table}");
    assert!(
        World::shared()
            .kubectl(&["-n", ns, "get", "fluxcd", "-o", "name"])
            .contains("ocirepository")
    );
}
