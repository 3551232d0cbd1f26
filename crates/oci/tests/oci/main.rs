#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]
//! The client against the strict registry.

use std::io::Read;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use futures::future::BoxFuture;
use oci::image::LayerSelector;
use oci::keychain::Credential;
use oci::reference::PlainHttp;
use oci::transport::Clock;
use oci::verify::Trusted;
use oci::{Client, Error, Image, Options, Pin, Reference, Select};
use registry::Registry;
use tokio::time::Instant;

mod auth;
mod cosign;
mod keyless;
mod network;
mod notation;
mod pull;
mod push;
mod store;
mod tls;

/// A clock that never waits and only moves when it is asked to wait or told to.
#[derive(Clone)]
pub(crate) struct Moved {
    start: Instant,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Moved {
    pub(crate) fn forward(&self, by: Duration) {
        self.waits.lock().unwrap().push(by);
    }

    pub(crate) fn waits(&self) -> Vec<u64> {
        self.waits.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

impl Clock for Moved {
    fn now(&self) -> Instant {
        self.start + self.waits.lock().unwrap().iter().sum()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.forward(wait);
        Box::pin(std::future::ready(()))
    }
}

/// The TLS provider, once.
pub(crate) fn install_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) client: Client,
    pub(crate) clock: Moved,
    temp: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(registry: Registry, change: impl FnOnce(&mut Options)) -> Self {
        install_provider();
        let temp = tempfile::tempdir().unwrap();
        let clock = Moved { start: Instant::now(), waits: Arc::default() };
        let mut options = Options::new(temp.path());
        options.clock = Arc::new(clock.clone());
        change(&mut options);
        Self { registry, client: Client::new(&options).unwrap(), clock, temp }
    }

    pub(crate) async fn open() -> Self {
        Self::new(Registry::start().await, |_| ())
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::parse(&self.registry.url("team/app"), PlainHttp::LocalOnly).unwrap()
    }

    pub(crate) async fn resolve(&self, tag: &str) -> Result<Pin, Error> {
        self.client.resolve(&self.reference(), &Select::Tag(tag.into())).await
    }

    pub(crate) async fn image(&self, tag: &str) -> Result<Image, Error> {
        let pin = self.resolve(tag).await?;
        self.client.pull(&self.reference(), &Trusted::not_requested(pin)).await
    }

    /// The bytes of the first layer.
    pub(crate) async fn fetch(&self, tag: &str, operation: &str) -> Result<Vec<u8>, Error> {
        let selector = LayerSelector { media_type: None, operation: operation.into() };
        let layer = self.image(tag).await?.layer(&selector)?;
        let blob = self.client.fetch_layer(&self.reference(), &layer).await?;
        let mut bytes = Vec::new();
        blob.into_reader().read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }

    /// Nothing is left in the temporary folder.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(std::fs::read_dir(self.temp.path()).unwrap().count(), 0);
    }
}

/// The whole text of a failure; `-` for none. Addresses are written `HOST`.
pub(crate) fn text<T>(bench: &Bench, result: Result<T, Error>) -> String {
    result.err().map_or_else(
        || "-".into(),
        |error| artifact::text::explain(&error).replace(bench.registry.host(), "HOST"),
    )
}

pub(crate) fn password(user: &str, password: &str) -> Credential {
    Credential::Basic { username: user.into(), password: password.into() }
}
