//! Answers to requests.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::State as Extracted;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::fault::{Effect, damage, take};
use crate::guard::{authorised, challenge, token};
use crate::server::Guard;
use crate::state::{Entry, Manifest, Repository, State, digest};

pub(crate) const BODY_BYTES_MAX: usize = 1 << 30;
pub(crate) const DIGEST: &str = "docker-content-digest";

/// What stands between a repository's name and the rest of a path.
pub(crate) const KINDS: [&str; 5] =
    ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/", "/referrers/"];

/// A request, read to its end.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    fn query(&self, name: &str) -> Option<String> {
        let pairs = self.uri.query().unwrap_or_default().split('&');
        let found = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.replace("%3A", ":"))
    }
}

pub(crate) async fn answer(
    Extracted(state): Extracted<Arc<State>>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let effect = take(&state, &asked.method, &asked.uri);
    if effect == Some(Effect::ForgetTokens) {
        state.held().tokens.clear();
    }
    let authorised = authorised(&state, &asked);
    let path = asked.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let response = match &effect {
        Some(Effect::Status(status, retry_after)) => {
            let mut response = StatusCode::from_u16(*status).unwrap().into_response();
            let wait = retry_after.map(HeaderValue::from);
            response.headers_mut().extend(wait.map(|wait| (header::RETRY_AFTER, wait)));
            response
        }
        Some(Effect::Hang) => {
            // Logged now: there is no later.
            let entry = Entry {
                method: asked.method.to_string(),
                path: path.clone(),
                status: 0,
                authorised,
            };
            state.held().log.push(entry);
            std::future::pending().await
        }
        Some(Effect::Error(status, code)) => refuse(*status, code, "as asked"),
        Some(Effect::Redirect(target)) => redirect(target),
        _ => route(&state, &asked, authorised),
    };
    let status = response.status().as_u16();
    let entry = Entry { method: asked.method.to_string(), path, status, authorised };
    state.held().log.push(entry);
    damage(response, effect).await
}

fn route(state: &State, asked: &Asked, authorised: bool) -> Response {
    let path = asked.uri.path();
    if path == "/token" {
        return token(state, asked);
    }
    if let Some(rest) = path.strip_prefix("/elsewhere/") {
        return elsewhere(state, asked, rest);
    }
    let Some(path) = path.strip_prefix("/v2/") else {
        return refuse(404, "NOT_FOUND", "no such page");
    };
    if !authorised && state.guard != Guard::Open {
        return challenge(state, path);
    }
    if path.is_empty() {
        return json!({}).to_string().into_response();
    }
    for kind in KINDS {
        if let Some((name, rest)) = path.split_once(kind) {
            if kind == "/manifests/" && !is_tag_or_digest(rest) {
                return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
            }
            if !is_name(name) {
                return refuse(400, "NAME_INVALID", "invalid repository name");
            }
            let target = Target { state, asked, name, rest };
            return match kind {
                "/manifests/" => target.manifest(),
                "/blobs/uploads/" => target.upload(),
                "/blobs/" => target.blob(),
                "/referrers/" => target.referrers(),
                _ => target.tags(),
            };
        }
    }
    refuse(404, "NAME_UNKNOWN", "repository name not known to registry")
}

/// Where blobs are when they are redirected; like object stores, it takes no foreign credentials.
fn elsewhere(state: &State, asked: &Asked, rest: &str) -> Response {
    if asked.headers.contains_key(header::AUTHORIZATION) {
        return refuse(400, "InvalidArgument", "credentials that are not for here");
    }
    let held = state.held();
    let Some((name, digest)) = rest.rsplit_once('/') else {
        return refuse(404, "NoSuchKey", "no such key");
    };
    let blob = held.repositories.get(name).and_then(|repository| repository.blobs.get(digest));
    blob.map_or_else(
        || refuse(404, "NoSuchKey", "no such key"),
        |blob| blob.clone().into_response(),
    )
}

struct Target<'a> {
    state: &'a State,
    asked: &'a Asked,
    name: &'a str,
    rest: &'a str,
}

impl Target<'_> {
    fn with<T>(&self, look: impl FnOnce(&mut Repository) -> T) -> Option<T> {
        self.state.held().repositories.get_mut(self.name).map(look)
    }

    fn tags(&self) -> Response {
        let Some(tags) = self.with(|found| found.tags.keys().cloned().collect::<Vec<_>>()) else {
            let detail = json!({"name": self.name});
            let message = "repository name not known to registry";
            return refuse_with(404, "NAME_UNKNOWN", message, &detail);
        };
        let asked = self.asked.query("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
        let size = asked.min(self.state.page);
        let last = self.asked.query("last").unwrap_or_default();
        let rest: Vec<_> = tags.into_iter().filter(|tag| *tag > last).collect();
        let page: Vec<_> = rest.iter().take(size).cloned().collect();
        let body = json!({"name": self.name, "tags": page}).to_string();
        let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let (true, Some(last)) = (rest.len() > page.len(), page.last()) {
            let next = format!("</v2/{}/tags/list?n={size}&last={last}>; rel=\"next\"", self.name);
            response.headers_mut().insert(header::LINK, next.parse().unwrap());
        }
        response
    }

    fn manifest(&self) -> Response {
        match self.asked.method {
            Method::GET | Method::HEAD => self.read_manifest(),
            Method::PUT => self.write_manifest(),
            Method::DELETE => {
                let removed = self.with(|found| {
                    found.tags.remove(self.rest).is_some()
                        || found.manifests.remove(self.rest).is_some()
                });
                match removed {
                    Some(true) => StatusCode::ACCEPTED.into_response(),
                    _ => refuse(404, "MANIFEST_UNKNOWN", "manifest unknown"),
                }
            }
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }

    fn read_manifest(&self) -> Response {
        let found = self.with(|found| {
            let digest = found.tags.get(self.rest).map_or(self.rest, String::as_str);
            found.manifests.get(digest).map(|manifest| (digest.to_owned(), manifest.clone()))
        });
        let Some(Some((digest, manifest))) = found else {
            let detail = if self.rest.contains(':') {
                json!({"Name": self.name, "Revision": self.rest})
            } else {
                json!({"Tag": self.rest})
            };
            return refuse_with(404, "MANIFEST_UNKNOWN", "manifest unknown", &detail);
        };
        let accept = self.asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        if !accept.is_some_and(|accept| accept.contains(&manifest.media_type)) {
            return refuse(406, "UNSUPPORTED", "media type not accepted");
        }
        let headers = [
            (header::CONTENT_TYPE.as_str(), manifest.media_type),
            (header::CONTENT_LENGTH.as_str(), manifest.body.len().to_string()),
            (DIGEST, digest),
        ];
        let head = self.asked.method == Method::HEAD;
        (headers_of(&headers), if head { Bytes::new() } else { manifest.body }).into_response()
    }

    fn write_manifest(&self) -> Response {
        let body = self.asked.body.clone();
        let content_type = self.asked.headers.get(header::CONTENT_TYPE);
        let Some(media_type) = content_type.and_then(|value| value.to_str().ok()) else {
            return refuse(400, "MANIFEST_INVALID", "no media type");
        };
        let Ok(parsed) = serde_json::from_slice::<Value>(&body) else {
            return refuse(400, "MANIFEST_INVALID", "not JSON");
        };
        if parsed.get("mediaType").is_some_and(|stated| stated != media_type) {
            return refuse(400, "MANIFEST_INVALID", "two media types");
        }
        let digest = digest(&body);
        if self.rest.contains(':') && self.rest != digest {
            return refuse(400, "DIGEST_INVALID", "provided digest did not match content");
        }
        let layers = parsed["layers"].as_array().into_iter().flatten();
        let named: Vec<&Value> = layers.chain(parsed.get("config")).collect();
        let stored = self.with(|found| {
            let known = named.iter().all(|one| {
                let blob = found.blobs.get(one["digest"].as_str().unwrap_or_default());
                blob.is_some_and(|blob| one["size"] == blob.len())
            });
            if known {
                let manifest = Manifest { media_type: media_type.into(), body };
                found.manifests.insert(digest.clone(), manifest);
                if !self.rest.contains(':') {
                    found.tags.insert(self.rest.into(), digest.clone());
                }
            }
            known
        });
        if stored != Some(true) {
            return refuse(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
        }
        let location = format!("/v2/{}/manifests/{digest}", self.name);
        let headers = [(header::LOCATION.as_str(), location), (DIGEST, digest)];
        (StatusCode::CREATED, headers_of(&headers)).into_response()
    }

    fn blob(&self) -> Response {
        let found = self.with(|found| found.blobs.get(self.rest).cloned());
        let Some(Some(blob)) = found else {
            return refuse(404, "BLOB_UNKNOWN", "blob unknown to registry");
        };
        let get = self.asked.method == Method::GET;
        if get && self.state.redirect_blobs {
            // Another host name for the same address.
            let base = self.state.base.replace("127.0.0.1", "localhost");
            return redirect(&format!("{base}/elsewhere/{}/{}", self.name, self.rest));
        }
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH.as_str(), blob.len().to_string()),
            (DIGEST, self.rest.to_owned()),
        ];
        (headers_of(&headers), if get { blob } else { Bytes::new() }).into_response()
    }

    fn upload(&self) -> Response {
        let mut held = self.state.held();
        held.uploads += 1;
        let id = if self.rest.is_empty() { format!("u{}", held.uploads) } else { self.rest.into() };
        let repository = held.repositories.entry(self.name.into()).or_default();
        if self.asked.method == Method::POST {
            repository.uploads.insert(id.clone(), Vec::new());
        }
        let Some(bytes) = repository.uploads.get_mut(&id) else {
            return refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        };
        bytes.extend_from_slice(&self.asked.body);
        let Some(wanted) = self.asked.query("digest") else {
            let location = format!("/v2/{}/blobs/uploads/{id}", self.name);
            return (StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response();
        };
        let bytes = repository.uploads.remove(&id).unwrap_or_default();
        if digest(&bytes) != wanted {
            return refuse(400, "DIGEST_INVALID", "provided digest did not match content");
        }
        repository.blobs.insert(wanted.clone(), bytes.into());
        let location = format!("/v2/{}/blobs/{wanted}", self.name);
        (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
    }

    fn referrers(&self) -> Response {
        let entry = |(digest, manifest): (&String, &Manifest)| {
            let body: Value = serde_json::from_slice(&manifest.body).ok()?;
            let kind = body.get("artifactType").unwrap_or(&body["config"]["mediaType"]);
            (body["subject"]["digest"] == self.rest).then(|| {
                json!({"mediaType": manifest.media_type, "digest": digest,
                    "size": manifest.body.len(), "artifactType": kind})
            })
        };
        let found = self.with(|found| found.manifests.iter().filter_map(entry).collect::<Vec<_>>());
        let media_type = "application/vnd.oci.image.index.v1+json";
        let body = json!({"schemaVersion": 2, "mediaType": media_type,
            "manifests": found.unwrap_or_default()});
        ([(header::CONTENT_TYPE, media_type)], body.to_string()).into_response()
    }
}

fn headers_of(headers: &[(&str, String)]) -> HeaderMap {
    let parsed = headers
        .iter()
        .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()));
    parsed.collect()
}

fn redirect(target: &str) -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.to_owned())]).into_response()
}

/// A refusal.
pub(crate) fn refuse(status: u16, code: &str, message: &str) -> Response {
    refuse_with(status, code, message, &Value::Null)
}

/// A refusal with the details that CNCF Distribution gives.
pub(crate) fn refuse_with(status: u16, code: &str, message: &str, detail: &Value) -> Response {
    let mut error = json!({"code": code, "message": message});
    if !detail.is_null() {
        error["detail"] = detail.clone();
    }
    let body = json!({"errors": [error]}).to_string();
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

fn is_tag_or_digest(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
    !text.is_empty() && text.chars().all(fits)
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut characters = part.chars();
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let (first, last) = (characters.clone().next(), characters.clone().next_back());
        edge(first)
            && edge(last)
            && characters.all(|c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
            })
    };
    name.split('/').all(part)
}
