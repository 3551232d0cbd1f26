//! Who asks a cloud.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::error::Error;
use crate::secret::Secret;

/// Whose identity a cloud is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This process's: what its environment, or the metadata service of its node, says.
    Ambient,
    /// A ServiceAccount's, which its annotations tie to one of the cloud's.
    Account(Account),
}

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whom its tokens are for; whoever takes them when empty.
    pub audiences: Vec<String>,
}

impl Account {
    /// `namespace/name`.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// An annotation; empty when there is none.
    pub(crate) fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }

    /// Says that the annotations name no identity.
    pub(crate) fn unfit(&self, source: Error) -> Error {
        Error::Identity { account: self.key(), source: Box::new(source) }
    }
}

/// An object of ours that a token is for; the cache counts by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Who asks, and for what object.
#[derive(Clone, Debug)]
pub struct Who {
    /// Whose identity.
    pub identity: Identity,
    /// For which object.
    pub object: Object,
}

/// Makes tokens of ServiceAccounts: the cluster does.
pub trait Issuer: Send + Sync {
    /// A token of an account, or of this process where none is given, for audiences; or why there
    /// is none.
    fn issue<'a>(
        &'a self,
        account: Option<&'a Account>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Secret, String>>;
}
