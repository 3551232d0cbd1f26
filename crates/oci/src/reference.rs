//! Addresses of repositories (ocirepository.md, 4 and 20.1 to 20.3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

const SCHEME: &str = "oci://";
/// Where an address without a registry lives, and the name users know it by.
const HUB: &str = "index.docker.io";
const HUB_ALIAS: &str = "docker.io";
const HUB_LIBRARY: &str = "library";

const REPOSITORY_BYTES: std::ops::RangeInclusive<usize> = 2..=255;
const REPOSITORY_CHARACTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-./";
/// A longer host is no host.
const HOST_BYTES_MAX: usize = 253;

/// A repository in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    url: String,
    registry: String,
    repository: String,
    plain_http: PlainHttp,
}

/// Whether requests may go over plain HTTP when HTTPS fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlainHttp {
    /// Only to loopback hosts and private IPv4 addresses.
    LocalOnly,
    /// To this host, because the source says `insecure: true`.
    Allowed,
}

/// A text that is no address; it stalls the source (ocirepository.md, 15).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Another scheme, or none.
    #[error("URL must be in format 'oci://<domain>/<org>/<repo>'")]
    Scheme,
    /// Nothing behind the scheme.
    #[error("a repository name must be specified")]
    Empty,
    /// Too short or too long.
    #[error("repository must be between 2 and 255 characters in length: {0}")]
    Length(String),
    /// A character that repositories do not have.
    #[error("repository can only contain the characters `{REPOSITORY_CHARACTERS}`: {0}")]
    Characters(String),
    /// No host.
    #[error("registries must be valid RFC 3986 URI authorities: {0}")]
    Registry(String),
}

impl Reference {
    /// Reads `oci://[host[:port]/]path`. A tag or digest in it is refused.
    pub fn parse(url: &str, plain_http: PlainHttp) -> Result<Self, InvalidReference> {
        let name = url.strip_prefix(SCHEME).ok_or(InvalidReference::Scheme)?;
        if name.is_empty() {
            return Err(InvalidReference::Empty);
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) => (host, path),
            _ => ("", name),
        };
        if !REPOSITORY_BYTES.contains(&repository.len()) {
            return Err(InvalidReference::Length(repository.into()));
        }
        if !repository.chars().all(|c| REPOSITORY_CHARACTERS.contains(c)) {
            return Err(InvalidReference::Characters(repository.into()));
        }
        if !registry.is_empty() && !is_authority(registry) {
            return Err(InvalidReference::Registry(registry.into()));
        }
        let registry = if registry.is_empty() || registry == HUB_ALIAS { HUB } else { registry };
        let library = registry == HUB && !repository.contains('/');
        Ok(Self {
            url: url.into(),
            registry: registry.into(),
            repository: if library {
                format!("{HUB_LIBRARY}/{repository}")
            } else {
                repository.into()
            },
            plain_http,
        })
    }

    /// The address as written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host[:port]`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Whether plain HTTP may be tried: asked for, an exact loopback host, or a private IPv4
    /// address (decisions.md, plain HTTP).
    pub fn allows_plain_http(&self) -> bool {
        self.plain_http == PlainHttp::Allowed || is_local(host_of(&self.registry))
    }

    pub(crate) fn is_hub(&self) -> bool {
        self.registry == HUB
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.repository)
    }
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether `host` is a loopback host or a private IPv4 address.
pub(crate) fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_private())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// A host name, IPv4 or bracketed IPv6 address with an optional port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|c| c.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    port_fits && (text.starts_with('[') || is_host_name(host))
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        let character = |c: char| match c {
            '-' | '_' => true,
            c if c.is_ascii() => c.is_ascii_alphanumeric(),
            c => !c.is_whitespace() && !c.is_control(),
        };
        !label.is_empty() && label.chars().all(character)
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= HOST_BYTES_MAX && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(url: &str, expected: Result<&str, &str>) {
        let found = Reference::parse(url, PlainHttp::LocalOnly);
        let found = found.map(|found| found.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn the_first_part_is_a_host_if_it_looks_like_one() {
        check("oci://localhost:5000/app", Ok("localhost:5000/app"));
        check("oci://localhost/app", Ok("index.docker.io/localhost/app"));
        check("oci://docker.io/app", Ok("index.docker.io/library/app"));
        check("oci://[::1]:5000/app", Ok("[::1]:5000/app"));
    }

    #[test]
    fn malformed_addresses_say_why() {
        let length = "repository must be between 2 and 255 characters in length: x";
        check("oci://reg:5000/x", Err(length));
        let host =
            |host: &str| format!("registries must be valid RFC 3986 URI authorities: {host}");
        for bad in [":5000", "(a.b)", "a.b*", "a..b", "a.b:99999", "user@a.b", "[::1"] {
            check(&format!("oci://{bad}/app"), Err(&host(bad)));
        }
    }

    #[test]
    fn plain_http_is_for_hosts_that_are_local_and_nothing_like_them() {
        let allowed = |url: &str, plain| {
            Reference::parse(url, plain).is_ok_and(|reference| reference.allows_plain_http())
        };
        for host in
            ["localhost:1", "x.localhost", "127.0.0.1:5", "10.1.2.3", "[::1]", "192.168.0.1:9"]
        {
            assert!(allowed(&format!("oci://{host}/app"), PlainHttp::LocalOnly), "{host}");
        }
        for host in ["127.0.0.1.example.com", "x127.0.0.1:1", "[2001:db8::1]", "172.32.0.1", "a.b"]
        {
            assert!(!allowed(&format!("oci://{host}/app"), PlainHttp::LocalOnly), "{host}");
            assert!(allowed(&format!("oci://{host}/app"), PlainHttp::Allowed), "{host}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_address_reads_back(url in "oci://[a-z0-9.:/@_\\[\\]-]{0,40}") {
            if let Ok(found) = Reference::parse(&url, PlainHttp::LocalOnly) {
                let again = Reference::parse(&format!("oci://{found}"), PlainHttp::LocalOnly);
                prop_assert_eq!(again.map(|again| again.to_string()), Ok(found.to_string()));
            }
        }
    }
}
