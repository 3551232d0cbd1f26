use artifact::digest::Algorithm;
use artifact::{Error, Revision, Store};
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

struct Served {
    root: tempfile::TempDir,
    store: Store,
    path: String,
}

impl Served {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), "h", Algorithm::Sha256).unwrap();
        let path = store.path("ns", "obj", &Revision::new("sha256:aa")).unwrap();
        store.write(&path, |out| out.write_all(b"0123456789").map_err(Error::Pack)).unwrap();
        store.point_latest(&path).unwrap();
        Self { root, store, path: format!("/{path}") }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.store.router().oneshot(request).await.unwrap()
    }

    async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
            .await
            .status()
    }
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn artifacts_are_read_whole_or_in_part() {
    let served = Served::new();
    for path in [
        served.path.clone(),
        "/ocirepository/ns/obj/latest.tar.gz".into(),
        served.path.replace(':', "%3A"),
    ] {
        let response = served.send(Request::get(&path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/gzip");
        assert_eq!(text(response).await, "0123456789");
    }
    let part = Request::get(&served.path).header(header::RANGE, "bytes=2-4").body(Body::empty());
    let part = served.send(part.unwrap()).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(text(part).await, "234");
    let head = served.send(Request::head(&served.path).body(Body::empty()).unwrap()).await;
    assert_eq!(head.headers()[header::CONTENT_LENGTH], "10");
    assert_eq!(text(head).await, "");
}

#[tokio::test]
async fn a_known_artifact_is_not_sent_again() {
    let served = Served::new();
    let first = served.send(Request::get(&served.path).body(Body::empty()).unwrap()).await;
    for (ask, tell) in
        [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)]
    {
        let known = first.headers()[tell].clone();
        let request = Request::get(&served.path).header(ask, known).body(Body::empty()).unwrap();
        assert_eq!(served.send(request).await.status(), StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn nothing_else_is_reachable() {
    let served = Served::new();
    std::fs::write(served.root.path().join("secret.tar.gz"), b"x").unwrap();
    for path in [
        "/ocirepository",
        "/ocirepository/",
        "/ocirepository/ns/obj/",
        "/ocirepository/ns/obj/none.tar.gz",
        "/secret.tar.gz",
        "/.blobs/x",
        "/ocirepository/ns/../../secret.tar.gz",
        "/ocirepository/ns/%2e%2e/secret.tar.gz",
        "/ocirepository/ns%2Fobj/x/latest.tar.gz",
        "/ocirepository/ns/obj%2flatest.tar.gz",
        "//etc/passwd",
        "/../../etc/passwd",
    ] {
        assert_eq!(served.status(Method::GET, path).await, StatusCode::NOT_FOUND, "{path}");
    }
    let missing = served.send(Request::get("/x").body(Body::empty()).unwrap()).await;
    assert_eq!(text(missing).await, "404 page not found\n");
    assert_eq!(served.status(Method::GET, "/").await, StatusCode::OK);
    // Any method reads.
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        assert_eq!(served.status(method, &served.path).await, StatusCode::OK);
    }
}
