//! Requests and answers in the words of the reference's messages (ocirepository.md, 7).

use std::fmt::Write;

use http::{Method, StatusCode};
use reqwest::Url;
use serde_json::Value;

/// `Get "https://…"`, as Go's client begins its errors.
pub(crate) fn quoted_call(method: &Method, url: &Url) -> String {
    let name = method.as_str().to_ascii_lowercase();
    let (first, rest) = name.split_at(1);
    format!("{}{rest} \"{}\"", first.to_ascii_uppercase(), shown(url))
}

/// Parameters of a query that are no secrets.
const SHOWN_PARAMETERS: [&str; 7] = ["digest", "from", "last", "mount", "n", "scope", "service"];

/// An address as it may stand in a text: without a user, and without values of parameters that
/// may be signatures.
pub(crate) fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    // Neither fails for an address that a request went to.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if url.query_pairs().all(|(key, _)| SHOWN_PARAMETERS.contains(&key.as_ref())) {
        return shown;
    }
    shown.query_pairs_mut().clear().extend_pairs(url.query_pairs().map(|(key, value)| {
        let secret = !SHOWN_PARAMETERS.contains(&key.as_ref());
        (key, if secret { "REDACTED".into() } else { value })
    }));
    shown
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = std::error::Error::source(error);
    std::iter::from_fn(move || {
        let current = next?;
        // An I/O error keeps what it wraps behind its own door.
        next = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
        Some(current)
    })
}

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    let found = sources(error).filter_map(|source| source.downcast_ref::<std::io::Error>());
    found.map(std::io::Error::kind).last()
}

pub(crate) fn is_reset(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind as Kind;
    let closed = sources(error).any(|source| source.to_string().contains("connection closed"));
    let broken =
        [Kind::ConnectionReset, Kind::BrokenPipe, Kind::UnexpectedEof, Kind::ConnectionAborted];
    closed || io_kind(error).is_some_and(|kind| broken.contains(&kind))
}

/// What went wrong with a connection, in Go's words where we know them. `proxy` is whom it was
/// opened to, if that was not the host of `url`.
pub(crate) fn connection_text(url: &Url, proxy: Option<&Url>, error: &reqwest::Error) -> String {
    let tls = sources(error).find_map(|source| source.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return tls_text(tls, url);
    }
    let (peer, through) = match proxy {
        Some(proxy) => (proxy, "proxyconnect tcp: "),
        None => (url, ""),
    };
    let host = peer.host_str().unwrap_or_default();
    let dial = format!("{through}dial tcp {host}:{}", port(peer));
    let chain: Vec<String> = sources(error).map(ToString::to_string).collect();
    if chain.iter().any(|text| text.contains("dns error")) {
        return format!("{through}dial tcp: lookup {host}: no such host");
    }
    if proxy.is_some() && chain.iter().any(|text| text.contains("proxy authorization required")) {
        return "Proxy Authentication Required".into();
    }
    match io_kind(error) {
        Some(std::io::ErrorKind::ConnectionRefused) => {
            format!("{dial}: connect: connection refused")
        }
        Some(std::io::ErrorKind::UnexpectedEof) => "unexpected EOF".into(),
        Some(std::io::ErrorKind::ConnectionReset) => "read: connection reset by peer".into(),
        _ if error.is_timeout() => format!("{dial}: i/o timeout"),
        _ if is_reset(error) => "EOF".into(),
        _ => chain.last().cloned().unwrap_or_else(|| "unknown error".into()),
    }
}

/// The port of an address; SOCKS has one of its own.
fn port(url: &Url) -> u16 {
    let socks = url.scheme().starts_with("socks").then_some(1080);
    url.port_or_known_default().or(socks).unwrap_or_default()
}

fn tls_text(error: &rustls::Error, url: &Url) -> String {
    use rustls::{CertificateError as Bad, Error as Tls};
    let problem = match error {
        Tls::InvalidCertificate(bad) => match bad {
            // An authority of the same name with another key is another authority.
            Bad::UnknownIssuer | Bad::BadSignature => {
                "certificate signed by unknown authority".into()
            }
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. } => {
                "certificate has expired or is not yet valid".into()
            }
            Bad::NotValidForName => name_text(url, &[]),
            Bad::NotValidForNameContext { presented, .. } => name_text(url, presented),
            bad => bad.to_string(),
        },
        Tls::InvalidMessage(_) => return "http: server gave HTTP response to HTTPS client".into(),
        Tls::AlertReceived(alert) => return format!("remote error: tls: {}", alert_text(*alert)),
        error => return format!("tls: {error}"),
    };
    format!("tls: failed to verify certificate: x509: {problem}")
}

/// Names that a certificate is for are written `DnsName("a.b")` or `IpAddress(1.2.3.4)`.
fn name_text(url: &Url, presented: &[String]) -> String {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let wanted_ip = host.parse::<std::net::IpAddr>().is_ok();
    let names: Vec<&str> = presented
        .iter()
        .filter(|name| name.starts_with("IpAddress") == wanted_ip)
        .filter_map(|name| name.split_once('(')?.1.strip_suffix(')'))
        .map(|name| name.trim_matches('"'))
        .collect();
    match (names.is_empty(), wanted_ip) {
        (false, _) => format!("certificate is valid for {}, not {host}", names.join(", ")),
        (true, true) => {
            format!("cannot validate certificate for {host} because it doesn't contain any IP SANs")
        }
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {host}")
        }
    }
}

/// Why the other side hung up.
fn alert_text(alert: rustls::AlertDescription) -> String {
    use rustls::AlertDescription as Alert;
    let text = match alert {
        Alert::HandshakeFailure => "handshake failure",
        Alert::BadCertificate => "bad certificate",
        Alert::UnsupportedCertificate => "unsupported certificate",
        Alert::CertificateRevoked => "revoked certificate",
        Alert::CertificateExpired => "expired certificate",
        Alert::CertificateUnknown => "unknown certificate",
        Alert::UnknownCA => "unknown certificate authority",
        Alert::AccessDenied => "access denied",
        Alert::DecryptError => "error decrypting message",
        Alert::ProtocolVersion => "protocol version not supported",
        Alert::InsufficientSecurity => "insufficient security level",
        Alert::InternalError => "internal error",
        Alert::UnrecognisedName => "unrecognized name",
        Alert::CertificateRequired => "certificate required",
        Alert::NoApplicationProtocol => "no application protocol",
        other => return format!("{other:?}"),
    };
    text.into()
}

/// A broken body, in Go's words.
pub(crate) fn body_text(error: &reqwest::Error) -> String {
    if error.is_body() || error.is_decode() || is_reset(error) {
        return "unexpected EOF".into();
    }
    error.to_string()
}

pub(crate) fn refusal_text(status: StatusCode, body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors: Vec<String> =
        parsed["errors"].as_array().into_iter().flatten().map(diagnostic).collect();
    let reason = status.canonical_reason().unwrap_or_default();
    match errors.as_slice() {
        [] if body.is_empty() => format!("unexpected status code {} {reason}", status.as_u16()),
        [] => {
            let body = String::from_utf8_lossy(body);
            format!("unexpected status code {} {reason}: {body}", status.as_u16())
        }
        [one] => one.clone(),
        several => format!("multiple errors returned: {}", several.join("; ")),
    }
}

fn diagnostic(error: &Value) -> String {
    let field = |name: &str| error[name].as_str().unwrap_or_default();
    let mut text = format!("{}: {}", field("code"), field("message"));
    if !error["detail"].is_null() {
        let _ = write!(text, "; {}", go_value(&error["detail"]));
    }
    text
}

/// A JSON value as Go prints it with `%v`.
fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(go_value).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut fields: Vec<_> =
                map.iter().map(|(key, value)| format!("{key}:{}", go_value(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_like_the_references() {
        let check = |body: &str, expected: &str| {
            assert_eq!(refusal_text(StatusCode::NOT_FOUND, body.as_bytes()), expected);
        };
        check("", "unexpected status code 404 Not Found");
        check("gone", "unexpected status code 404 Not Found: gone");
        let detail =
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"m","detail":{"b":1,"a":"x"}}]}"#;
        check(detail, "NAME_UNKNOWN: m; map[a:x b:1]");
        let two = r#"{"errors":[{"code":"A","message":"a"},{"code":"B","message":"b"}]}"#;
        check(two, "multiple errors returned: A: a; B: b");
    }

    #[test]
    fn signatures_stay_out_of_texts() {
        let url = Url::parse("https://user:pw@a.b/x?n=1000&X-Sig=secret").ok();
        let text = url.map(|url| quoted_call(&Method::GET, &url));
        assert_eq!(text.as_deref(), Some("Get \"https://a.b/x?n=1000&X-Sig=REDACTED\""));
    }
}
