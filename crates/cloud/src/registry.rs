//! Logins of the clouds' registries (ocirepository.md, 6.4).

use jiff::Timestamp;

use crate::cache::Lasting;
use crate::clouds::Clouds;
use crate::error::Error;
use crate::secret::Secret;
use crate::who::Who;
use crate::{aws, azure, gcp};

/// A cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// User and password of a registry.
#[derive(Clone, Debug)]
pub struct Login {
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
    pub(crate) ends: Timestamp,
}

impl Lasting for Login {
    fn ends(&self) -> Timestamp {
        self.ends
    }
}

impl Clouds {
    /// The login of a registry (`host`, perhaps with a port) of a cloud.
    ///
    /// A host that is not the cloud's is refused before anything is sent.
    pub async fn login(
        &self,
        provider: Provider,
        registry: &str,
        who: &Who,
    ) -> Result<Login, Error> {
        let key = self.key(who, &["login", registry]);
        let token = |error| Error::RegistryToken(Box::new(error));
        let refused = |error| Error::RegistryLogin(Box::new(error));
        match provider {
            Provider::Aws => {
                let registry = aws::parse_registry(registry)?;
                let keys = self.aws(who, &registry.region).await.map_err(token)?;
                let wire = self.wire();
                let fetch = async { aws::login(&wire, &registry, &keys).await.map_err(refused) };
                self.logins().get(key, &who.object, fetch).await
            }
            Provider::Azure => {
                let registry = azure::Registry::parse(registry, self.wire().surroundings).await?;
                let bearer = self.azure(who, &registry.scope).await.map_err(token)?;
                let wire = self.wire();
                let fetch =
                    async { azure::login(&wire, &registry, &bearer).await.map_err(refused) };
                self.logins().get(key, &who.object, fetch).await
            }
            Provider::Gcp => {
                gcp::check_registry(registry)?;
                let bearer = self.gcp(who).await.map_err(token)?;
                Ok(gcp::login(bearer))
            }
        }
    }
}
