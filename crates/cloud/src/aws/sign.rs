//! Signature version 4.

use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use reqwest::Url;
use ring::digest::{SHA256, digest};
use ring::hmac;

use super::Keys;
use crate::error::Error;
use crate::http::{Ask, host};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How times are written.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// What a signature is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Signs a request with all of its headers.
pub(crate) fn sign(
    ask: &mut Ask<'_>,
    keys: &Keys,
    scope: Scope<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let time = now.strftime(TIME).to_string();
    let mut add = |name: &'static str, text: &str| {
        let problem = "a header cannot hold this";
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| Error::Malformed { what: name.into(), problem })?;
        value.set_sensitive(true);
        ask.headers.insert(name, value);
        Ok(())
    };
    add("x-amz-date", &time)?;
    if let Some(session) = &keys.session {
        add("x-amz-security-token", session.reveal())?;
    }
    add("host", &host(&ask.url))?;
    let (names, headers) = canonical_headers(&ask.headers);
    let request = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        ask.method,
        ask.url.path(),
        canonical_query(&ask.url),
        hex::encode(digest(&SHA256, &ask.body))
    );
    let place = scope.place(&time);
    let (id, signature) = (&keys.id, signature(keys, scope, &time, &request));
    let header = format!(
        "{ALGORITHM} Credential={id}/{place}, SignedHeaders={names}, Signature={signature}"
    );
    // The client writes it, unless a detour needs another.
    ask.headers.remove(HOST);
    let mut value = HeaderValue::from_str(&header).map_err(|_| Error::Malformed {
        what: "access key id".into(),
        problem: "a header cannot hold this",
    })?;
    value.set_sensitive(true);
    ask.headers.insert(http::header::AUTHORIZATION, value);
    Ok(())
}

/// Signs the address of a GET, so that whoever has it can send it: with the headers, which go with
/// it, for so many seconds.
pub(crate) fn presign(
    mut url: Url,
    headers: &[(&str, &str)],
    keys: &Keys,
    scope: Scope<'_>,
    (now, seconds): (Timestamp, u32),
) -> Url {
    let time = now.strftime(TIME).to_string();
    let host = host(&url);
    let mut all = vec![("host", host.as_str())];
    all.extend(headers);
    all.sort_unstable();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let line = |(name, value): &(&str, &str)| format!("{name}:{value}\n");
    let lines: String = all.iter().map(line).collect();
    let session = keys.session.as_ref().map(|session| ("X-Amz-Security-Token", session.reveal()));
    url.query_pairs_mut()
        .append_pair("X-Amz-Algorithm", ALGORITHM)
        .append_pair("X-Amz-Credential", &format!("{}/{}", keys.id, scope.place(&time)))
        .append_pair("X-Amz-Date", &time)
        .append_pair("X-Amz-Expires", &seconds.to_string())
        .append_pair("X-Amz-SignedHeaders", &names)
        .extend_pairs(session);
    let query = canonical_query(&url);
    let nothing = hex::encode(digest(&SHA256, b""));
    let request = format!("GET\n{}\n{query}\n{lines}\n{names}\n{nothing}", url.path());
    let signature = signature(keys, scope, &time, &request);
    url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
    url
}

impl Scope<'_> {
    /// What the signature of a time is good for, as it says itself.
    fn place(&self, time: &str) -> String {
        let date = time.get(..8).unwrap_or_default();
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }
}

/// The signature of a request in its canonical form.
fn signature(keys: &Keys, scope: Scope<'_>, time: &str, request: &str) -> String {
    let hash = hex::encode(digest(&SHA256, request.as_bytes()));
    let text = format!("{ALGORITHM}\n{time}\n{}\n{hash}", scope.place(time));
    let first = format!("AWS4{}", keys.secret.reveal()).into_bytes();
    let date = time.get(..8).unwrap_or_default();
    let chain = [date, scope.region, scope.service, "aws4_request", &text];
    hex::encode(chain.iter().fold(first, |key, part| mac(&key, part)))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The names of all headers, and the headers, in the order of their names.
fn canonical_headers(headers: &HeaderMap) -> (String, String) {
    let mut all: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let line = |(name, value): &(&str, &HeaderValue)| {
        format!("{name}:{}\n", String::from_utf8_lossy(value.as_bytes()).trim())
    };
    (names.join(";"), all.iter().map(line).collect())
}

fn canonical_query(url: &Url) -> String {
    let mut pairs: Vec<_> =
        url.query_pairs().map(|(name, value)| (escape(&name), escape(&value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Escapes all that RFC 3986 does not leave alone everywhere.
fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::http::Way;

    /// The signature of a request of AWS's published test suite.
    fn signature(method: Method, path: &str, body: &'static str) -> String {
        let keys = Keys {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned().into(),
            session: None,
            ends: Timestamp::MAX,
        };
        let url = Url::parse(&format!("https://example.amazonaws.com{path}"));
        let (Ok(url), Ok(now)) = (url, "2015-08-30T12:36:00Z".parse()) else {
            return String::new();
        };
        let mut ask = Ask::get("test", Way::Far, url);
        ask.method = method;
        if !body.is_empty() {
            ask.body = body.as_bytes().to_vec().into();
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            ask.headers.insert("content-type", kind);
        }
        let scope = Scope { region: "us-east-1", service: "service" };
        assert!(sign(&mut ask, &keys, scope, now).is_ok());
        let header = ask.headers.get("authorization").and_then(|value| value.to_str().ok());
        let header = header.unwrap_or_default();
        header.rsplit_once('=').map_or("", |(_, signature)| signature).to_owned()
    }

    /// get-vanilla, get-vanilla-query-order-key-case, post-vanilla, post-vanilla-query and
    /// post-x-www-form-urlencoded.
    #[test]
    fn published_vectors_are_signed_as_published() {
        for (method, path, body, expected) in [
            ("GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "GET",
                "/?Param2=value2&Param1=value1",
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            ("POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "POST",
                "/?Param1=value1",
                "",
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            (
                "POST",
                "/",
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let method = method.parse().unwrap_or_default();
            assert_eq!(signature(method, path, body), expected, "{path}");
        }
    }
}
