//! What the registry holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::Digest as _;

use crate::fault::Fault;
use crate::server::Guard;

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Whether it carried credentials or a token that was valid.
    pub authorised: bool,
}

#[derive(Clone)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Repository {
    pub(crate) blobs: BTreeMap<String, Bytes>,
    pub(crate) manifests: BTreeMap<String, Manifest>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) log: Vec<Entry>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) tokens: BTreeSet<String>,
    pub(crate) issued: u64,
    pub(crate) uploads: u64,
}

pub(crate) struct State {
    pub(crate) guard: Guard,
    pub(crate) page: usize,
    pub(crate) redirect_blobs: bool,
    pub(crate) token_life_seconds: u64,
    pub(crate) base: String,
    held: Mutex<Held>,
}

impl State {
    pub(crate) fn new(setup: &crate::server::Setup, base: String) -> Self {
        Self {
            guard: setup.guard.clone(),
            page: setup.page,
            redirect_blobs: setup.redirect_blobs,
            token_life_seconds: setup.token_life_seconds,
            base,
            held: Mutex::default(),
        }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `sha256:…` of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}
