//! Credentials from pull secrets (ocirepository.md, 6.3).

use artifact::glob::Glob;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use crate::reference::Reference;

/// The key of Docker Hub's credentials.
const HUB_KEY: &str = "index.docker.io";

/// What a registry asks for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// User and password.
    Basic {
        /// User.
        username: String,
        /// Password.
        password: String,
    },
    /// A refresh token to be exchanged for an access token.
    Identity(String),
    /// An access token, used as it is.
    Registry(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Credential(***)")
    }
}

/// Credentials by registry and path; helpers named in a file are never run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keychain {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    host: String,
    /// Empty, or begins with a slash.
    path: String,
    credential: Credential,
}

/// Bytes that are no Docker configuration; the text holds none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeychain {
    /// No JSON object of the expected form.
    #[error("malformed docker configuration")]
    Json,
    /// An `auth` that is not base64 of `user:password`.
    #[error("malformed auth of '{0}' in docker configuration")]
    Auth(String),
}

impl Keychain {
    /// Adds the entries of a `.dockerconfigjson`.
    pub fn add_docker_config_json(&mut self, bytes: &[u8]) -> Result<(), InvalidKeychain> {
        let file: Value = serde_json::from_slice(bytes).map_err(|_| InvalidKeychain::Json)?;
        if !file.is_object() {
            return Err(InvalidKeychain::Json);
        }
        match file.get("auths") {
            Some(auths) => self.add_entries(auths),
            None => Ok(()),
        }
    }

    /// Adds the entries of a legacy `.dockercfg`.
    pub fn add_docker_cfg(&mut self, bytes: &[u8]) -> Result<(), InvalidKeychain> {
        let file: Value = serde_json::from_slice(bytes).map_err(|_| InvalidKeychain::Json)?;
        self.add_entries(&file)
    }

    /// Adds a credential for a registry `host[:port]`.
    pub fn add(&mut self, registry: &str, credential: Credential) {
        self.entries.push(Entry { host: registry.into(), path: String::new(), credential });
    }

    /// Whether there is no credential at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add_entries(&mut self, auths: &Value) -> Result<(), InvalidKeychain> {
        for (key, entry) in auths.as_object().ok_or(InvalidKeychain::Json)? {
            let Some(credential) = credential(key, entry)? else { continue };
            let bare = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
            let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
            // What Docker writes for whole registries.
            let versioned = path.starts_with("/v1/") || path.starts_with("/v2/");
            let path = if versioned { &path[3..] } else { path };
            let path = if path == "/" { "" } else { path };
            self.entries.push(Entry { host: host.into(), path: path.into(), credential });
        }
        Ok(())
    }

    /// The credential for a repository: of the entries whose host and beginning of a path fit, the
    /// one whose key is last in the order of bytes, as in the reference. So a longer path wins over
    /// a shorter one, and a host over a pattern; of equal keys the first counts.
    pub(crate) fn find(&self, reference: &Reference) -> Option<&Credential> {
        let registry = if reference.is_hub() { HUB_KEY } else { reference.registry() };
        let path = format!("/{}", reference.repository());
        let fitting = self
            .entries
            .iter()
            .filter(|entry| host_matches(&entry.host, registry) && path.starts_with(&entry.path));
        let last = fitting.rev().max_by_key(|entry| format!("{}{}", entry.host, entry.path));
        last.map(|entry| &entry.credential)
    }
}

fn credential(key: &str, entry: &Value) -> Result<Option<Credential>, InvalidKeychain> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    if !field("registrytoken").is_empty() {
        return Ok(Some(Credential::Registry(field("registrytoken").into())));
    }
    if !field("identitytoken").is_empty() {
        return Ok(Some(Credential::Identity(field("identitytoken").into())));
    }
    if !field("auth").is_empty() {
        let invalid = || InvalidKeychain::Auth(key.into());
        let auth = field("auth").trim();
        let bytes = STANDARD.decode(auth).or_else(|_| STANDARD_NO_PAD.decode(auth));
        let text =
            bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)?;
        let (username, password) = text.split_once(':').ok_or_else(invalid)?;
        let password = password.trim_end_matches('\0');
        return Ok(Some(Credential::Basic {
            username: username.into(),
            password: password.into(),
        }));
    }
    if field("username").is_empty() && field("password").is_empty() {
        return Ok(None);
    }
    let (username, password) = (field("username").into(), field("password").into());
    Ok(Some(Credential::Basic { username, password }))
}

/// Whether a host, or a pattern of one, covers a host: label by label, and the same port.
fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let ((pattern, wanted_port), (host, port)) = (split_port(pattern), split_port(host));
    let (wanted, found): (Vec<_>, Vec<_>) =
        (pattern.split('.').collect(), host.split('.').collect());
    wanted_port == port
        && wanted.len() == found.len()
        && wanted.iter().zip(&found).all(|(wanted, found)| Glob::new(wanted).matches(found))
}

fn split_port(host: &str) -> (&str, &str) {
    host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).unwrap_or((host, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::PlainHttp;

    /// The user that is found for `url`, or `-`.
    fn check(config: &str, url: &str, expected: &str) {
        let mut keychain = Keychain::default();
        assert_eq!(keychain.add_docker_config_json(config.as_bytes()), Ok(()));
        let found = Reference::parse(url, PlainHttp::LocalOnly).ok();
        let found = found.and_then(|reference| match keychain.find(&reference) {
            Some(Credential::Basic { username, .. }) => Some(username.clone()),
            _ => None,
        });
        assert_eq!(found.as_deref().unwrap_or("-"), expected, "{url}");
    }

    #[test]
    fn the_closest_entry_wins() {
        let config = r#"{"auths": {
            "https://reg.example.com": {"username": "host", "password": "p"},
            "reg.example.com/team": {"auth": "dGVhbTpw"},
            "reg.example.com/team/app": {"username": "app", "password": "p"},
            "*.cloud.example.com": {"username": "glob", "password": "p"},
            "https://b.cloud.example.com/v2/": {"username": "b", "password": "p"},
            "r[0-9].example.com:5000/team": {"username": "class", "password": "p"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"}
        }, "credHelpers": {"other.example.com": "never-run"}}"#;
        check(config, "oci://reg.example.com/other/x", "host");
        check(config, "oci://reg.example.com/team/x", "team");
        check(config, "oci://reg.example.com/team/app", "app");
        check(config, "oci://reg.example.com/teams/x", "team");
        check(config, "oci://reg.example.com/tea", "host");
        check(config, "oci://a.cloud.example.com/xx", "glob");
        check(config, "oci://b.cloud.example.com/xx", "b");
        check(config, "oci://r7.example.com:5000/team/x", "class");
        check(config, "oci://r7.example.com:5001/team/x", "-");
        check(config, "oci://library/xx", "hub");
    }

    #[test]
    fn hosts_that_look_alike_get_nothing() {
        let config = r#"{"auths": {"reg.example.com": {"username": "u", "password": "p"},
            "*.x.io": {"username": "g", "password": "p"}}}"#;
        for url in [
            "oci://reg.example.com.evil.io/app",
            "oci://evilreg.example.com/app",
            "oci://reg.example.com:5000/app",
            "oci://a.b.x.io/app",
            "oci://a.x.io:5000/app",
            "oci://other.example.com/app",
        ] {
            check(config, url, "-");
        }
    }

    /// security.md, E8.
    #[test]
    fn helpers_are_never_asked() {
        let config = r#"{"credsStore": "/bin/false", "credHelpers": {"reg.example.com": "/bin/false"},
            "auths": {"reg.example.com": {}, "other.example.com": {"auth": ""}}}"#;
        for url in ["oci://reg.example.com/app", "oci://other.example.com/app"] {
            check(config, url, "-");
        }
    }

    #[test]
    fn malformed_files_are_named_without_their_bytes() {
        let error = |config: &str| Keychain::default().add_docker_config_json(config.as_bytes());
        assert_eq!(error("{"), Err(InvalidKeychain::Json));
        let auth = error(r#"{"auths": {"r.io": {"auth": "c2VjcmV0"}}}"#);
        assert_eq!(auth, Err(InvalidKeychain::Auth("r.io".into())));
    }
}
