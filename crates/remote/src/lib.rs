//! Files over HTTP that a build names.
//!
//! Takes an address that somebody wrote into a kustomization file, gives the bytes behind it. It
//! refuses credentials, pages for people, more bytes or time than a manifest takes, and addresses of
//! the inside: what a tenant writes is asked for by the operator, from where the operator stands
//! (security.md, B4). It knows neither a cluster nor a registry, and sends no credentials. Behind a proxy
//! of the environment the proxy finds the addresses of names, and what it lets through is reached.

mod inside;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url};

use inside::is_inside;

/// The most bytes of a file.
const FILE_BYTES_MAX: usize = 16 << 20;
/// How long a file may take, its redirects included.
const FILE_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects of one file.
const REDIRECTS_MAX: usize = 10;

/// Why a file is not had. No text shows more of an address than its host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address of a file.
    #[error("it is no address of http or https")]
    Address,
    /// An address with a user or a password.
    #[error("credentials in an address are refused")]
    Credentials,
    /// An address of the inside.
    #[error(
        "host {0} is on the inside of a network: put the file into the artifact, or allow the host \
         with --allow-remote-base-host={0}"
    )]
    Inside(String),
    /// The server said no.
    #[error("the server answered {0}")]
    Status(u16),
    /// A page for people.
    #[error("the server answered with a page: name the raw file; Git bases are not fetched")]
    Page,
    /// Too many bytes.
    #[error("it has more than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The server was not reached, or said something else than HTTP.
    #[error("{0}")]
    Transport(String),
}

/// Asks for files. One for all builds, so that connections are shared.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    allowed: Arc<HashSet<String>>,
}

impl Remote {
    /// May ask hosts of the inside only if they are `allowed`. A TLS provider must be installed.
    pub fn new(allowed: impl IntoIterator<Item = String>, agent: &str) -> Result<Self, Error> {
        let allowed = allowed.into_iter().map(|host| host.to_ascii_lowercase());
        let allowed: Arc<HashSet<String>> = Arc::new(allowed.collect());
        let known = Arc::clone(&allowed);
        let policy = Policy::custom(move |attempt| follow(attempt, &known));
        let resolver = Outside { allowed: Arc::clone(&allowed) };
        let builder = Client::builder()
            .timeout(FILE_TIMEOUT)
            .redirect(policy)
            .referer(false)
            .dns_resolver(Arc::new(resolver))
            .user_agent(agent);
        let client = builder.build().map_err(|error| transport(&error))?;
        Ok(Self { client, allowed })
    }

    /// The bytes behind an address.
    pub async fn fetch(&self, address: &str) -> Result<Vec<u8>, Error> {
        let url = Url::parse(address).map_err(|_| Error::Address)?;
        check(&url, &self.allowed)?;
        let answer = self.client.get(url).send().await.map_err(|error| transport(&error))?;
        if !answer.status().is_success() {
            return Err(Error::Status(answer.status().as_u16()));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(Error::Page);
        }
        read(answer).await
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| transport(&error))? {
        if bytes.len() + chunk.len() > FILE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What every address has to be, also one that a redirect leads to.
fn check(url: &Url, allowed: &HashSet<String>) -> Result<(), Error> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Address);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Credentials);
    }
    let host = url.host_str().ok_or(Error::Address)?;
    let literal = host.trim_matches(['[', ']']).parse().ok();
    if literal.is_some_and(is_inside) && !allowed.contains(host) {
        return Err(Error::Inside(host.to_owned()));
    }
    Ok(())
}

fn follow(attempt: Attempt<'_>, allowed: &HashSet<String>) -> reqwest::redirect::Action {
    let secure = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("too many redirects");
    }
    if secure && attempt.url().scheme() != "https" {
        return attempt.error("refused redirect: scheme downgrade");
    }
    match check(attempt.url(), allowed) {
        Ok(()) => attempt.follow(),
        Err(error) => attempt.error(error),
    }
}

/// Finds the addresses of hosts, and none of the inside: what is connected to is what was looked at, so
/// that a name cannot be changed in between.
struct Outside {
    allowed: Arc<HashSet<String>>,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let is_allowed = self.allowed.contains(&host);
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let (inside, outside): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| is_inside(address.ip()) && !is_allowed);
            if outside.is_empty() && !inside.is_empty() {
                return Err(Error::Inside(host).into());
            }
            let addresses: Addrs = Box::new(outside.into_iter());
            Ok(addresses)
        })
    }
}

/// The causes of an error, without the address.
fn transport(error: &reqwest::Error) -> Error {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(Error::Inside(host)) = cause.downcast_ref::<Error>() {
            return Error::Inside(host.clone());
        }
        causes.push(cause.to_string());
        source = cause.source();
    }
    if error.is_timeout() {
        causes = vec!["it took too long".to_owned()];
    }
    Error::Transport(if causes.is_empty() { "no answer".into() } else { causes.join(": ") })
}
