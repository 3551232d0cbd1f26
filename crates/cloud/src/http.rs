//! Requests to a cloud: bounded, without redirects, and silent about what they carry.

use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Error;

/// How long a cloud may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the metadata service of a node may take: where there is none, nobody answers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// Tokens, keys and refusals are small.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What is shown of a refusal.
const REFUSAL_CHARS_MAX: usize = 500;

/// Connections to the clouds.
#[derive(Clone)]
pub(crate) struct Http {
    /// To services of the world, perhaps through a proxy.
    client: reqwest::Client,
    /// To the metadata service of the node, never through one.
    near: reqwest::Client,
    detour: Option<Url>,
}

/// Which way a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To a service of the world.
    Far,
    /// To the metadata service of the node.
    Near,
}

/// One request.
pub(crate) struct Ask<'a> {
    /// The operation, as texts name it.
    pub(crate) what: &'static str,
    pub(crate) way: Way,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// What an answer may repeat and a text may not.
    pub(crate) secrets: Vec<&'a str>,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(what: &'static str, way: Way, url: Url) -> Self {
        let (method, headers) = (Method::GET, HeaderMap::new());
        Self { what, way, method, url, headers, body: Zeroizing::default(), secrets: Vec::new() }
    }

    /// A form; the fields of `secrets` are those that nobody may see.
    pub(crate) fn form(
        what: &'static str,
        url: Url,
        fields: &[(&str, &str)],
        secrets: Vec<&'a str>,
    ) -> Self {
        let mut form = Url::parse("form:").unwrap_or_else(|_| url.clone());
        form.query_pairs_mut().clear().extend_pairs(fields);
        let body = form.query().unwrap_or_default().as_bytes().to_vec();
        Self::post(what, url, "application/x-www-form-urlencoded", body, secrets)
    }

    /// A JSON document.
    pub(crate) fn json(what: &'static str, url: Url, body: &Value, secrets: Vec<&'a str>) -> Self {
        Self::post(what, url, "application/json", body.to_string().into_bytes(), secrets)
    }

    pub(crate) fn post(
        what: &'static str,
        url: Url,
        media_type: &'static str,
        body: Vec<u8>,
        secrets: Vec<&'a str>,
    ) -> Self {
        let headers = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static(media_type),
        )]);
        let (method, body) = (Method::POST, Zeroizing::new(body));
        Self { what, way: Way::Far, method, url, headers, body, secrets }
    }

    /// Adds a header that holds a secret or what a variable said.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, Error> {
        let malformed =
            |_| Error::Malformed { what: self.what.into(), problem: "a header cannot hold this" };
        let mut value = HeaderValue::from_str(value).map_err(malformed)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }
}

impl Http {
    /// Makes the connections; the caller has installed a TLS provider. Without a proxy the
    /// environment's is used.
    pub(crate) fn new(proxy: Option<reqwest::Proxy>, detour: Option<Url>) -> Result<Self, Error> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
        };
        let far = match proxy {
            Some(proxy) => builder().no_proxy().proxy(proxy),
            None => builder(),
        };
        let client = far.timeout(REQUEST_TIMEOUT).build().map_err(Error::Http)?;
        let near = builder().no_proxy().timeout(METADATA_TIMEOUT).build().map_err(Error::Http)?;
        Ok(Self { client, near, detour })
    }

    /// Sends a request and gives the body of an answer that agrees.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Ask { what, way, method, url, mut headers, body, secrets } = ask;
        let unreachable =
            |error: reqwest::Error| Error::Unreachable { what, problem: problem(&error) };
        let client = if way == Way::Near { &self.near } else { &self.client };
        let url = self.diverted(url, &mut headers);
        let request = client.request(method, url).headers(headers).body(body.to_vec());
        let mut response = request.send().await.map_err(unreachable)?;
        let mut answer = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                let problem = "the answer is too large";
                return Err(Error::Malformed { what: what.into(), problem });
            }
            answer.extend_from_slice(&chunk);
        }
        let status = response.status();
        if status.is_success() {
            return Ok(answer);
        }
        let mut text = refusal(&answer);
        if text.is_empty() {
            text.push_str(status.canonical_reason().unwrap_or("no reason given"));
        }
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        let text = text.chars().filter(|c| !c.is_control()).take(REFUSAL_CHARS_MAX).collect();
        Err(Error::Refused { what, status: status.as_u16(), text })
    }

    /// Sends a request whose answer is JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Error> {
        let what = ask.what;
        let body = self.send(ask).await?;
        // The parser's own words may quote the answer.
        let problem = "the answer is not what it should be";
        serde_json::from_slice(&body).map_err(|_| Error::Malformed { what: what.into(), problem })
    }

    fn diverted(&self, mut url: Url, headers: &mut HeaderMap) -> Url {
        let Some(detour) = &self.detour else { return url };
        if let Ok(host) = HeaderValue::from_str(&host(&url)) {
            headers.insert(HOST, host);
        }
        // The scheme of a special address changes into that of another one.
        let _ = url.set_scheme(detour.scheme());
        let _ = url.set_host(detour.host_str());
        let _ = url.set_port(detour.port());
        url
    }
}

/// The `Host` header of an address.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Why a request did not get through: the innermost cause, without the address.
fn problem(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { "timed out".into() } else { cause.to_string() }
}

/// What a refusing answer says: the fields that the clouds put their reasons into.
fn refusal(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let error = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        let texts =
            ["__type", "code", "status", "error", "message", "Message", "error_description"];
        let found = texts.iter().filter_map(|name| error.get(name)?.as_str());
        return found.collect::<Vec<_>>().join(": ");
    }
    let text = String::from_utf8_lossy(body);
    let found = ["Code", "Message"].iter().filter_map(|name| element(&text, name));
    found.collect::<Vec<_>>().join(": ")
}

/// The text of the first XML element of a name; the services write it without attributes.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_form() {
        for (body, expected) in [
            (
                "<E><Error><Code>AccessDenied</Code><Message>no</Message></Error></E>",
                "AccessDenied: no",
            ),
            (
                r#"{"error": "invalid_client", "error_description": "AADSTS1: no"}"#,
                "invalid_client: AADSTS1: no",
            ),
            (r#"{"error": {"code": 403, "message": "no", "status": "DENIED"}}"#, "DENIED: no"),
            (r#"{"__type": "X", "message": "no"}"#, "X: no"),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(refusal(body.as_bytes()), expected);
        }
    }
}
