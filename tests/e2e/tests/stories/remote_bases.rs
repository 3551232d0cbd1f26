//! Builds that name files of other hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use e2e::{Story, condition};
use serde_json::json;

use super::sync::CONFIG_MAP;

/// Serves `/cm.yaml` and counts who asks; gives its port.
async fn serve() -> (u16, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = async move || {
        count.fetch_add(1, Ordering::Relaxed);
        (StatusCode::OK, CONFIG_MAP)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/cm.yaml", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (port, asked)
}

/// ks D20 and decisions.md, remote bases; security.md, B4, G6.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_other_hosts_are_built_as_far_as_they_may() {
    let (port, asked) = serve().await;
    let mut story = Story::begin_with("remote", &["--allow-remote-base-host=localhost"]).await;
    let kustomization = |resource: &str| format!("resources:\n- {resource}\nnamePrefix: my-\n");
    let file = |host: &str| format!("http://{host}:{port}/cm.yaml?token=canary-5b1f9c");
    story.push("latest", &[("kustomization.yaml", &kustomization(&file("localhost")))]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    assert_eq!(story.get("ConfigMap", "my-cm").await.unwrap()["data"]["key"], "v1");
    let count = || asked.load(Ordering::Relaxed);
    assert_eq!(count(), 1);

    let inside = format!(
        "failed to fetch remote resource 'http://127.0.0.1:{port}/cm.yaml': host 127.0.0.1 is on the \
         inside of a network"
    );
    let git = "Git base 'https://example.com/repo.git' is refused: put its files into the artifact";
    let gone =
        format!("remote resource 'http://localhost:{port}/gone.yaml': the server answered 404");
    for (resource, text) in [
        (file("127.0.0.1"), inside.as_str()),
        ("https://user:canary-5b1f9c@example.com/repo.git?ref=main".to_owned(), git),
        (file("localhost").replace("cm", "gone"), &gone),
    ] {
        let digest = story.push("latest", &[("kustomization.yaml", &kustomization(&resource))]);
        story.request("OCIRepository", "src", &digest).await;
        let told = |k: &serde_json::Value| {
            let ready = condition(k, "Ready");
            ready["reason"] == "BuildFailed" && ready["message"].as_str().unwrap().contains(text)
        };
        story.wait("Kustomization", "k", text, told).await;
    }
    assert!(story.get("ConfigMap", "my-cm").await.is_some(), "what is applied stays");

    story.kill_operator();
    story.set_flags(&["--allow-remote-base-host=localhost", "--no-remote-bases"]);
    story.start_operator().await;
    let before = count();
    let digest =
        story.push("latest", &[("kustomization.yaml", &kustomization(&file("localhost")))]);
    story.request("OCIRepository", "src", &digest).await;
    let text = format!(
        "remote resource 'http://localhost:{port}/cm.yaml' is refused: only files of the artifact"
    );
    story.wait_event("k", &text).await;
    assert_eq!(count(), before, "nobody was asked");
}
