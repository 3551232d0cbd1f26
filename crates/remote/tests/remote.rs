#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]
//! What is asked of whom, on loopback.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::get;
use remote::Remote;

async fn serve() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new()
        .route("/a.yaml", get(|| async { "kind: A" }))
        .route("/page", get(|| async { Html("<p>") }))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/large", get(|| async { vec![b'a'; 17 << 20] }))
        .route("/again", get(|| async { Redirect::temporary("/again") }))
        .route("/moved", get(|| async { Redirect::temporary("/a.yaml") }))
        .route("/metadata", get(|| async { Redirect::temporary("http://169.254.169.254/a") }))
        .route("/login", get(|| async { Redirect::temporary("http://user:canary@localhost/a") }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port.to_string()
}

async fn said(remote: &Remote, address: &str) -> String {
    match remote.fetch(address).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// security.md, B4, G6.
#[tokio::test]
async fn a_file_is_fetched_within_limits_and_nothing_else() {
    let port = serve().await;
    let remote = Remote::new(["localhost".to_owned()], "test").unwrap();
    for (path, text) in [
        ("a.yaml", "kind: A"),
        ("moved", "kind: A"),
        ("gone", "the server answered 410"),
        ("page", "the server answered with a page: name the raw file; Git bases are not fetched"),
        ("large", "it has more than 16777216 bytes"),
        ("again", "too many redirects"),
        ("login", "credentials in an address are refused"),
    ] {
        assert_eq!(said(&remote, &format!("http://localhost:{port}/{path}")).await, text, "{path}");
    }
    let metadata = said(&remote, &format!("http://localhost:{port}/metadata")).await;
    assert!(metadata.starts_with("host 169.254.169.254 is on the inside"), "{metadata}");
    for (address, text) in [
        ("file:///etc/passwd", "it is no address of http or https"),
        ("nonsense", "it is no address of http or https"),
        ("https://user:canary@host/a", "credentials in an address are refused"),
    ] {
        assert_eq!(said(&remote, address).await, text);
    }
}

/// security.md, B4: neither by number nor by a name, whatever it stands for when it is looked up.
#[tokio::test]
async fn hosts_of_the_inside_are_asked_only_if_they_are_named() {
    let port = serve().await;
    let remote = Remote::new([], "test").unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let text = said(&remote, &format!("http://{host}:{port}/a.yaml")).await;
        assert!(text.contains("is on the inside of a network"), "{host}: {text}");
    }
}
