//! The clouds, and the tokens that an identity gets there.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::{Cache, Clock, Count, Key, Lasting, Limits};
use crate::cluster::Entrance;
use crate::error::Error;
use crate::http::Http;
use crate::registry::Login;
use crate::secret::Secret;
use crate::surroundings::Surroundings;
use crate::who::{Account, Identity, Issuer, Who};
use crate::{aws, azure, gcp};

/// A bearer token, and when it ends.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    pub(crate) ends: Timestamp,
}

impl Token {
    /// A token that lives for so many seconds from now.
    pub(crate) fn lasting(value: Secret, seconds: u64, now: Timestamp) -> Self {
        let ends = now.saturating_add(Duration::from_secs(seconds)).unwrap_or(now);
        Self { value, ends }
    }
}

impl Lasting for Token {
    fn ends(&self) -> Timestamp {
        self.ends
    }
}

/// What a question to a cloud is asked with.
pub(crate) struct Wire<'a> {
    pub(crate) http: &'a Http,
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) now: Timestamp,
}

/// The clouds. Cheap to clone.
#[derive(Clone)]
pub struct Clouds {
    shared: Arc<Shared>,
    http: Http,
    /// The proxy in the way; part of what a token was asked for with.
    proxy: String,
}

struct Shared {
    surroundings: Surroundings,
    clock: Arc<dyn Clock>,
    issuer: Arc<dyn Issuer>,
    keys: Cache<aws::Keys>,
    tokens: Cache<Token>,
    logins: Cache<Login>,
    entrances: Cache<Entrance>,
}

impl Clouds {
    /// Makes the clouds known; the caller has installed a TLS provider.
    pub fn new(
        surroundings: Surroundings,
        limits: Limits,
        clock: Arc<dyn Clock>,
        issuer: Arc<dyn Issuer>,
        count: Arc<dyn Count>,
    ) -> Result<Self, Error> {
        let http = Http::new(None, surroundings.detour().cloned())?;
        let shared = Shared {
            surroundings,
            keys: Cache::new(limits, Arc::clone(&clock), Arc::clone(&count)),
            tokens: Cache::new(limits, Arc::clone(&clock), Arc::clone(&count)),
            logins: Cache::new(limits, Arc::clone(&clock), Arc::clone(&count)),
            entrances: Cache::new(limits, Arc::clone(&clock), count),
            clock,
            issuer,
        };
        Ok(Self { shared: Arc::new(shared), http, proxy: String::new() })
    }

    /// The same clouds behind a proxy; `name` tells proxies apart. Metadata services are near, and
    /// asked without one.
    pub fn through(&self, name: String, proxy: reqwest::Proxy) -> Result<Self, Error> {
        let http = Http::new(Some(proxy), self.shared.surroundings.detour().cloned())?;
        Ok(Self { shared: Arc::clone(&self.shared), http, proxy: name })
    }

    pub(crate) fn wire(&self) -> Wire<'_> {
        let Shared { surroundings, clock, .. } = &*self.shared;
        Wire { http: &self.http, surroundings, now: clock.now() }
    }

    pub(crate) fn logins(&self) -> &Cache<Login> {
        &self.shared.logins
    }

    pub(crate) fn entrances(&self) -> &Cache<Entrance> {
        &self.shared.entrances
    }

    /// What makes the tokens of an identity its own.
    pub(crate) fn key(&self, who: &Who, parts: &[&str]) -> Key {
        let account = match &who.identity {
            Identity::Ambient => String::new(),
            Identity::Account(account) => {
                format!("{}\n{:?}\n{:?}", account.key(), account.annotations, account.audiences)
            }
        };
        let mut all = parts.to_vec();
        all.extend([account.as_str(), self.proxy.as_str()]);
        Key::of(&all)
    }

    /// Keys of an identity on AWS, in a region.
    pub(crate) async fn aws(&self, who: &Who, region: &str) -> Result<aws::Keys, Error> {
        let wire = self.wire();
        let fetch = async {
            let account = match &who.identity {
                Identity::Ambient => return aws::ambient(&wire, region).await.map_err(ambient),
                Identity::Account(account) => account,
            };
            let role = aws::role(account).map_err(|error| account.unfit(error))?;
            let token = self.issue(account, aws::AUDIENCE).await?;
            let session = format!("{}.{}.{region}.fluxcd.io", account.name, account.namespace);
            aws::assume(&wire, region, (role, &session), &token).await.map_err(of(account))
        };
        self.shared.keys.get(self.key(who, &["aws", region]), &who.object, fetch).await
    }

    /// A token of an identity on Azure, for a scope.
    pub(crate) async fn azure(&self, who: &Who, scope: &str) -> Result<Token, Error> {
        let wire = self.wire();
        let fetch = async {
            let account = match &who.identity {
                Identity::Ambient => return azure::ambient(&wire, scope).await.map_err(ambient),
                Identity::Account(account) => account,
            };
            let client = azure::client(account).map_err(|error| account.unfit(error))?;
            let token = self.issue(account, azure::AUDIENCE).await?;
            let proof = azure::Proof::Assertion(&token);
            azure::token(&wire, client, &proof, scope).await.map_err(of(account))
        };
        self.shared.tokens.get(self.key(who, &["azure", scope]), &who.object, fetch).await
    }

    /// A token of an identity on Google Cloud.
    pub(crate) async fn gcp(&self, who: &Who) -> Result<Token, Error> {
        let wire = self.wire();
        let fetch = async {
            let account = match &who.identity {
                Identity::Ambient => return gcp::ambient(&wire).await.map_err(ambient),
                Identity::Account(account) => account,
            };
            let audience =
                gcp::audience(&wire, account).await.map_err(|e| Error::Audience(Box::new(e)))?;
            let email = gcp::email(account).map_err(|error| account.unfit(error))?;
            let token = self.issue(account, &audience.token).await?;
            gcp::exchange(&wire, &audience.exchange, &token, email).await.map_err(of(account))
        };
        self.shared.tokens.get(self.key(who, &["gcp"]), &who.object, fetch).await
    }

    /// A token of an account, for an audience unless the account's tokens are for others.
    pub(crate) async fn issue(&self, account: &Account, audience: &str) -> Result<Secret, Error> {
        let usual = [audience.to_owned()];
        let audiences = if account.audiences.is_empty() { &usual } else { &*account.audiences };
        let issued = self.shared.issuer.issue(Some(account), audiences).await;
        issued.map_err(|problem| Error::Cluster { account: account.key(), problem })
    }

    /// A token of this process's own account, for an audience.
    pub(crate) async fn issue_own(&self, audience: &str) -> Result<Secret, Error> {
        let issued = self.shared.issuer.issue(None, &[audience.to_owned()]).await;
        issued.map_err(Error::OwnToken)
    }
}

fn ambient(error: Error) -> Error {
    Error::Ambient(Box::new(error))
}

fn of(account: &Account) -> impl FnOnce(Error) -> Error {
    |error| Error::Account { account: account.key(), source: Box::new(error) }
}
