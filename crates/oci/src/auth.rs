//! Answers to a registry's challenge (ocirepository.md, 6.5; security E1).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::Failure;
use crate::keychain::{Credential, Keychain};
use crate::reference::Reference;
use crate::transport::{Call, Transport, authority, is_inside, read_body, refusal};

/// A token answer is small.
const TOKEN_BYTES_MAX: u64 = 1 << 20;
/// How long a token lives when its answer does not say, as the token specification has it.
const TOKEN_LIFE: Duration = Duration::from_mins(1);
/// A token is not used this long before it ends.
const TOKEN_MARGIN: Duration = Duration::from_secs(5);
/// Challenges and tokens kept by one client; beyond it they are asked for again.
const CACHE_MAX: usize = 256;
/// Sent with a refresh token.
const CLIENT_ID: &str = "sluice";

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Pull,
    Push,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: Url, service: String },
}

struct Token {
    value: String,
    ends: Instant,
}

type TokenKey = (String, String, Access);

/// Challenges and tokens of one client; each is asked for once and used until it ends.
pub(crate) struct Auth {
    keychain: Keychain,
    realms: Vec<String>,
    challenges: Mutex<HashMap<String, Challenge>>,
    tokens: Mutex<HashMap<TokenKey, Token>>,
}

/// Hosts whose token service has another domain than the registry.
const KNOWN_REALMS: [(&str, &str); 2] =
    [("nvcr.io", "authn.nvidia.com"), ("registry.redhat.io", "sso.redhat.com")];

/// Domains under which anybody can have a name; only the very same host is trusted there.
const SHARED_DOMAINS: [&str; 12] = [
    "amazonaws.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudfront.net",
    "github.io",
    "gitlab.io",
    "googleapis.com",
    "herokuapp.com",
    "pkg.dev",
    "run.app",
    "windows.net",
    "workers.dev",
];

/// Second-level labels that are registries themselves below a country's domain (`co.uk`).
const SECOND_LEVEL: [&str; 7] = ["ac", "co", "com", "edu", "gov", "net", "org"];

impl Auth {
    pub(crate) fn new(keychain: Keychain, realms: Vec<String>) -> Self {
        Self { keychain, realms, challenges: Mutex::default(), tokens: Mutex::default() }
    }

    /// The header for a registry whose challenge is known; `None` before the first 401.
    pub(crate) async fn header(
        &self,
        transport: &Transport,
        reference: &Reference,
        access: Access,
    ) -> Result<Option<HeaderValue>, Failure> {
        let challenge = lock(&self.challenges).get(reference.registry()).cloned();
        let credential = self.keychain.find(reference);
        let Some(challenge) = challenge else { return Ok(None) };
        match (challenge, credential) {
            (Challenge::Basic, Some(Credential::Basic { username, password })) => {
                Ok(secret(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))))
            }
            (_, Some(Credential::Registry(token))) => Ok(secret(&format!("Bearer {token}"))),
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service }, credential) => {
                let key: TokenKey =
                    (reference.registry().into(), reference.repository().into(), access);
                let now = transport.clock().now();
                let known = lock(&self.tokens)
                    .get(&key)
                    .filter(|token| token.ends > now + TOKEN_MARGIN)
                    .map(|token| token.value.clone());
                if let Some(token) = known {
                    return Ok(secret(&format!("Bearer {token}")));
                }
                let scope = scope(reference, access);
                let asked = Ask { transport, realm, service, scope };
                let token = asked.token(credential).await?;
                let header = secret(&format!("Bearer {}", token.value));
                let mut tokens = lock(&self.tokens);
                if tokens.len() >= CACHE_MAX {
                    tokens.clear();
                }
                tokens.insert(key, token);
                Ok(header)
            }
        }
    }

    /// Learns from a 401. Gives `false` if it says nothing about how to authorise.
    pub(crate) fn learn(
        &self,
        reference: &Reference,
        access: Access,
        response: &Response,
    ) -> Result<bool, Failure> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let mut texts = headers.iter().filter_map(|header| header.to_str().ok());
        let Some(challenge) = texts.find_map(parse_challenge) else { return Ok(false) };
        if let Challenge::Bearer { realm, .. } = &challenge {
            self.check_realm(reference, response.url(), realm)?;
        }
        let (registry, repository) = (reference.registry(), reference.repository());
        lock(&self.tokens).remove(&(registry.into(), repository.into(), access));
        let mut challenges = lock(&self.challenges);
        if challenges.len() >= CACHE_MAX {
            challenges.clear();
        }
        challenges.insert(registry.into(), challenge);
        Ok(true)
    }

    /// A token service may be on the registry's own host or domain, on a known one, or on one the
    /// operator names. Nobody else is shown credentials.
    pub(crate) fn check_realm(
        &self,
        reference: &Reference,
        asked: &Url,
        realm: &Url,
    ) -> Result<(), Failure> {
        let refuse = |problem| {
            let host = realm.host_str().unwrap_or_default().to_owned();
            Err(Failure::Realm { realm: host, registry: reference.registry().into(), problem })
        };
        let host = realm.host_str().unwrap_or_default();
        let own = asked.host_str().unwrap_or_default();
        if !realm.username().is_empty() || realm.password().is_some() {
            return refuse("it carries credentials");
        }
        let same_scheme = realm.scheme() == "https" || realm.scheme() == asked.scheme();
        if !same_scheme || !matches!(realm.scheme(), "http" | "https") {
            return refuse("it is not encrypted");
        }
        if self.realms.iter().any(|allowed| allowed == host) {
            return Ok(());
        }
        if realm.scheme() == "http" && host != own {
            return refuse("it is not encrypted");
        }
        let known = KNOWN_REALMS.contains(&(own, host));
        if host == own || known || (!is_inside(host) && same_domain(host, own)) {
            return Ok(());
        }
        refuse("it is on another domain; --allow-token-realm names it as trusted")
    }
}

/// Whether two hosts have one registrable domain.
fn same_domain(a: &str, b: &str) -> bool {
    matches!((domain(a), domain(b)), (Some(a), Some(b)) if a == b)
}

fn domain(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if host.parse::<std::net::IpAddr>().is_ok() || host.contains(':') || labels.len() < 2 {
        return None;
    }
    let [.., second, first] = labels.as_slice() else { return None };
    let long = first.len() == 2 && SECOND_LEVEL.contains(second);
    let count = if long { 3 } else { 2 };
    let domain = labels.get(labels.len().checked_sub(count)?..)?.join(".");
    (!SHARED_DOMAINS.contains(&domain.as_str())).then_some(domain)
}

fn scope(reference: &Reference, access: Access) -> String {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    format!("repository:{}:{actions}", reference.repository())
}

/// Reads `Basic …` or `Bearer realm="…",service="…"`.
pub(crate) fn parse_challenge(header: &str) -> Option<Challenge> {
    let (kind, rest) = header.split_once(' ').unwrap_or((header, ""));
    if kind.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !kind.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest);
    let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let realm = Url::parse(find("realm")?).ok()?;
    Some(Challenge::Bearer { realm, service: find("service").cloned().unwrap_or_default() })
}

/// Reads `key="value", key=value`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        rest = next.trim_start_matches([',', ' ']);
    }
    found
}

/// One question to a token service.
struct Ask<'a> {
    transport: &'a Transport,
    realm: Url,
    service: String,
    scope: String,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Ask<'_> {
    /// A refresh token is posted; a service that does not know that is asked as for a password.
    async fn token(&self, credential: Option<&Credential>) -> Result<Token, Failure> {
        if let Some(Credential::Identity(refresh)) = credential {
            let (method, response) = self.post(refresh).await?;
            if response.status() != StatusCode::NOT_FOUND {
                return self.read(&method, response).await;
            }
        }
        let (method, response) = self.get(credential).await?;
        self.read(&method, response).await
    }

    async fn get(&self, credential: Option<&Credential>) -> Result<(Method, Response), Failure> {
        let mut url = self.realm.clone();
        url.query_pairs_mut().append_pair("scope", &self.scope);
        if !self.service.is_empty() {
            url.query_pairs_mut().append_pair("service", &self.service);
        }
        let mut call = Call::new(Method::GET, url);
        if let Some(Credential::Basic { username, password }) = credential {
            let text = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
            call.headers.extend(secret(&text).map(|header| (AUTHORIZATION, header)));
        }
        Ok((Method::GET, self.transport.send(&call).await?))
    }

    async fn post(&self, refresh: &str) -> Result<(Method, Response), Failure> {
        let mut form = self.realm.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", &self.service)
            .append_pair("client_id", CLIENT_ID)
            .append_pair("scope", &self.scope)
            .append_pair("refresh_token", refresh);
        let mut call = Call::new(Method::POST, self.realm.clone());
        call.body = form.query().unwrap_or_default().to_owned().into();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        call.headers.insert(CONTENT_TYPE, form_type);
        Ok((Method::POST, self.transport.send(&call).await?))
    }

    async fn read(&self, method: &Method, response: Response) -> Result<Token, Failure> {
        // Parameters stay out of texts: some services put secrets there.
        let what = format!("token service {:?}", authority(&self.realm).0.unwrap_or_default());
        if !response.status().is_success() {
            return Err(refusal(method, response).await);
        }
        let body = read_body(response, TOKEN_BYTES_MAX, &what).await?;
        let malformed =
            |problem: &str| Failure::Malformed { what: what.clone(), problem: problem.into() };
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| malformed("its answer is no token"))?;
        let (new, old) = (answer.access_token, answer.token);
        let value = if new.is_empty() { old } else { new };
        if value.is_empty() {
            return Err(malformed("no token in bearer response"));
        }
        let life = answer.expires_in.map_or(TOKEN_LIFE, Duration::from_secs);
        let now = self.transport.clock().now();
        let ends = now.checked_add(life).unwrap_or(now + TOKEN_LIFE);
        Ok(Token { value, ends })
    }
}

/// A header value that is not printed.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::PlainHttp;

    fn trusted(registry: &str, realm: &str, allowed: &[&str]) -> bool {
        let allowed = allowed.iter().map(|realm| (*realm).to_owned()).collect();
        let auth = Auth::new(Keychain::default(), allowed);
        let reference = Reference::parse(&format!("oci://{registry}/app"), PlainHttp::LocalOnly);
        let asked = Url::parse(&format!("https://{registry}/v2/"));
        match (reference, asked, Url::parse(realm)) {
            (Ok(reference), Ok(asked), Ok(realm)) => {
                auth.check_realm(&reference, &asked, &realm).is_ok()
            }
            _ => false,
        }
    }

    #[test]
    fn only_the_registrys_own_domain_sees_credentials() {
        assert!(trusted("reg.example.com", "https://reg.example.com:8443/token", &[]));
        assert!(trusted("reg.example.com", "https://auth.example.com/token", &[]));
        assert!(trusted("docker.io", "https://auth.docker.io/token", &[]));
        assert!(trusted("a.b:5000", "https://other.org/token", &["other.org"]));
        for realm in [
            "https://evil.com/token",
            "https://reg.example.com.evil.com/token",
            "http://reg.example.com/token",
            "https://user:pw@reg.example.com/token",
            "https://127.0.0.1/token",
            "https://169.254.169.254/token",
            "ftp://reg.example.com/token",
        ] {
            assert!(!trusted("reg.example.com", realm, &[]), "{realm}");
        }
        assert!(!trusted("reg.victim.co.uk", "https://evil.co.uk/token", &[]));
        assert!(!trusted("victim.azurecr.io", "https://evil.azurecr.io/token", &[]));
    }

    #[test]
    fn challenges_are_read() {
        let found = parse_challenge(r#"Bearer realm="https://a.b/t",service="s, x",scope="y""#);
        let realm = Url::parse("https://a.b/t").ok();
        let expected = realm.map(|realm| Challenge::Bearer { realm, service: "s, x".into() });
        assert_eq!(found, expected);
        assert_eq!(parse_challenge(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(parse_challenge("Negotiate"), None);
    }
}
