#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]
//! The registry refuses what real ones may let pass.

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use registry::Registry;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Sends one request; gives its status and the `Location` of its answer.
async fn send(
    registry: &Registry,
    method: Method,
    path: &str,
    content_type: &str,
    body: &str,
) -> (u16, String) {
    let stream = tokio::net::TcpStream::connect(registry.host()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "registry");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let request = request.body(Full::<bytes::Bytes>::from(body.to_owned())).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().into());
    let status = response.status().as_u16();
    let _ = response.into_body().collect().await;
    connection.abort();
    (status, location.unwrap_or_default())
}

#[tokio::test]
async fn chunks_make_a_blob_whose_digest_must_fit() {
    let registry = Registry::start().await;
    // sha256 of "ab"
    let digest = "sha256:fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";
    for (last, expected) in [("b", StatusCode::CREATED), ("x", StatusCode::BAD_REQUEST)] {
        let (_, upload) = send(&registry, Method::POST, "/v2/app/blobs/uploads/", "", "").await;
        let (status, _) = send(&registry, Method::PATCH, &upload, "", "a").await;
        assert_eq!(status, 202);
        let done = format!("{upload}?digest={digest}");
        assert_eq!(send(&registry, Method::PUT, &done, "", last).await.0, expected.as_u16());
    }
}

#[tokio::test]
async fn manifests_must_be_whole() {
    let registry = Registry::start().await;
    registry.push_files("app", "v1", &[]);
    let put = async |content_type: &str, body: &str| {
        send(&registry, Method::PUT, "/v2/app/manifests/v2", content_type, body).await.0
    };
    assert_eq!(put("", "{}").await, 400, "no media type");
    assert_eq!(put(MANIFEST, "no json").await, 400);
    assert_eq!(put(MANIFEST, r#"{"mediaType": "other"}"#).await, 400);
    let unknown = r#"{"layers": [{"digest": "sha256:00", "size": 1}]}"#;
    assert_eq!(put(MANIFEST, unknown).await, 400, "unknown blob");
    assert_eq!(put(MANIFEST, r#"{"layers": []}"#).await, 201);
}

#[tokio::test]
async fn names_must_be_well_formed_and_deletions_are_seen() {
    let registry = Registry::start().await;
    registry.push_files("app", "v1", &[]);
    let get = async |path: &str| send(&registry, Method::GET, path, "", "").await.0;
    assert_eq!(get("/v2/App/tags/list").await, 400);
    assert_eq!(get("/v2/-app/tags/list").await, 400);
    assert_eq!(get("/v2/none/tags/list").await, 404);
    assert_eq!(get("/v2/app/manifests/v1").await, 406, "nothing accepted");
    assert_eq!(send(&registry, Method::DELETE, "/v2/app/manifests/v1", "", "").await.0, 202);
    assert_eq!(get("/v2/app/manifests/v1").await, 404);
}
