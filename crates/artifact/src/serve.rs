//! Stored artifacts over HTTP, read-only (ocirepository.md, 12; security G1).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeFile;

use crate::store::{KIND, Store, is_plain_name};

const NOT_FOUND: &str = "404 page not found\n";

impl Store {
    /// Serves the artifacts of this store.
    ///
    /// Only artifact paths exist: there are no listings, and what the store keeps for itself is
    /// not reachable. `GET /` answers 200, which is the readiness probe of a deployment.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(Arc::new(self.root().to_owned()))
    }
}

async fn serve(State(root): State<Arc<PathBuf>>, mut request: Request) -> Response {
    // Every other method is answered as GET is, and changes as little (H16).
    if request.method() != Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    let path = request.uri().path();
    if path == "/" {
        return StatusCode::OK.into_response();
    }
    match artifact_file(&root, path) {
        Some(file) => serve_file(&file, request).await,
        None => not_found(),
    }
}

/// The file behind `/ocirepository/<namespace>/<name>/<file>`; nothing else has one. An encoded
/// character other than a colon makes the path somebody else's.
fn artifact_file(root: &Path, path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix('/')?.replace("%3A", ":").replace("%3a", ":");
    let parts: Vec<&str> = path.split('/').collect();
    let [KIND, namespace, name, file] = parts.as_slice() else { return None };
    let plain = [namespace, name, file].into_iter().all(|part| is_plain_name(part));
    (plain && file.ends_with(".tar.gz")).then(|| root.join(&path))
}

async fn serve_file(file: &Path, request: Request) -> Response {
    let Ok(metadata) = tokio::fs::metadata(file).await else { return not_found() };
    if !metadata.is_file() {
        return not_found();
    }
    let etag = etag(&metadata);
    let known = request.headers().get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| Some(known) == etag.as_ref()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = match ServeFile::new(file).try_call(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => return not_found(),
    };
    let headers = response.headers_mut();
    if let Some(etag) = etag {
        headers.insert(header::ETAG, etag);
    }
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    }
    response
}

/// Changes when the file behind a name is replaced. Weak: it is not made from the bytes.
fn etag(metadata: &std::fs::Metadata) -> Option<HeaderValue> {
    let age = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    HeaderValue::from_str(&format!("W/\"{:x}-{:x}\"", age.as_nanos(), metadata.len())).ok()
}

fn not_found() -> Response {
    let headers = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (StatusCode::NOT_FOUND, headers, NOT_FOUND).into_response()
}
