//! Registry clients, shared by sources that reach a registry in the same way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact::Digest;
use oci::image::LayerSelector;
use oci::transport::{Proxy, Tls, Transport};
use oci::{Client, Options, Pin, Reference, Select};

use super::access::Access;
use super::shared::Shared;
use crate::context::Context;

/// Clients that are kept; more are dropped with what they remember.
const CLIENTS_MAX: usize = 1024;
/// Transports that are kept: few clusters trust in many ways.
const TRANSPORTS_MAX: usize = 256;

/// One pool of connections an equal trust and proxy; one client, with its challenges and tokens,
/// an equal registry and access. Equal means equal content: a secret that is written again as it
/// was changes nothing, one that is changed is another.
///
/// Sources that ask the same in the same way share the answers too; nobody gets what another
/// credential was given.
#[derive(Default)]
pub struct Registries {
    known: Mutex<Known>,
    pub(super) pins: Shared<PinQuestion, Pin>,
    pub(super) contents: Shared<ContentQuestion, Content>,
}

/// What does this stand for now?
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PinQuestion {
    pub(super) reference: Reference,
    pub(super) select: Select,
    pub(super) access: Access,
}

/// What is stored of this layer?
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ContentQuestion {
    pub(super) reference: Reference,
    pub(super) digest: Digest,
    pub(super) layer: LayerSelector,
    pub(super) ignore: Option<String>,
    pub(super) access: Access,
}

/// Content that is stored, and the annotations of its image.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Default)]
struct Known {
    transports: HashMap<(Tls, Option<Proxy>), Arc<Transport>>,
    clients: HashMap<(String, Access), Arc<Client>>,
}

impl Registries {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client for a registry (`host[:port]`) under an access.
    pub(super) fn client(
        &self,
        context: &Context,
        registry: &str,
        access: &Access,
    ) -> Result<Arc<Client>, oci::Error> {
        let key = (registry.to_owned(), access.clone());
        let mut known = self.known();
        if let Some(client) = known.clients.get(&key) {
            return Ok(Arc::clone(client));
        }
        let mut options = Options::new(context.store.spool_dir());
        options.keychain = access.keychain.clone();
        options.token_realms.clone_from(&context.settings.token_realms);
        options.layer_bytes_max = context.settings.limits.compressed_bytes_max;
        options.clock = Arc::new(context.clock.clone());
        let transport = known.transport(&options, access)?;
        let client = Arc::new(Client::on(transport, &options));
        if known.clients.len() >= CLIENTS_MAX {
            known.clients.clear();
        }
        known.clients.insert(key, Arc::clone(&client));
        Ok(client)
    }
}

impl Known {
    fn transport(
        &mut self,
        options: &Options,
        access: &Access,
    ) -> Result<Arc<Transport>, oci::Error> {
        let key = (access.tls.clone(), access.proxy.clone());
        if let Some(transport) = self.transports.get(&key) {
            return Ok(Arc::clone(transport));
        }
        let (proxy, clock) = (access.proxy.as_ref(), Arc::clone(&options.clock));
        let transport = Arc::new(Transport::new(&access.tls, proxy, &options.user_agent, clock)?);
        if self.transports.len() >= TRANSPORTS_MAX {
            self.transports.clear();
        }
        self.transports.insert(key, Arc::clone(&transport));
        Ok(transport)
    }
}
