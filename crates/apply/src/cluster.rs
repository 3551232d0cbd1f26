//! What a cluster can be asked for.

use std::future::Future;

use manifest::{Object, ObjectId, Value};
use plan::health::Pods;

use crate::error::Refusal;

/// As whom requests are made. A request that must be impersonated cannot be built without it: the
/// cluster it is sent to was opened with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The operator itself.
    Operator,
    /// A service account (kustomization.md, 13).
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Identity {
    /// The user name to impersonate, if any.
    ///
    /// A name that no account can have is refused: with a `:` in it, it could stand for an account
    /// of another namespace, or for a user (security.md, C2).
    pub fn user(&self) -> Result<Option<String>, Refusal> {
        let Self::ServiceAccount { namespace, name } = self else { return Ok(None) };
        for part in [namespace, name] {
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            if part.is_empty() || !part.chars().all(allowed) {
                return Err(Refusal::Account(part.clone()));
            }
        }
        Ok(Some(format!("system:serviceaccount:{namespace}:{name}")))
    }
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// The object waits for its finalizers or its grace period.
    Terminating,
}

/// What is deleted: only this.
#[derive(Clone, Copy, Debug)]
pub struct Only<'a> {
    /// The incarnation.
    pub uid: &'a str,
    /// The state that it has to be in, if that matters.
    pub version: Option<&'a str>,
}

/// A cluster, seen with one identity.
pub trait Cluster: Send + Sync {
    /// Reads an object; `None` when it or its kind does not exist.
    fn read(
        &self,
        id: &ObjectId,
        version: &str,
    ) -> impl Future<Output = Result<Option<Object>, Refusal>> + Send;

    /// The pods of a workload, or the first ones where they are very many.
    fn pods(&self, pods: &Pods) -> impl Future<Output = Result<Vec<Object>, Refusal>> + Send;

    /// Gives the object without its namespace if its kind has none, after checking that the kind
    /// exists and that a namespace is there where one is needed.
    fn place(&self, object: Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Whether the kinds that a definition makes are served; true for any other object.
    fn serves(&self, definition: &Object) -> impl Future<Output = bool> + Send;

    /// What an apply would make of the object.
    fn dry_run(&self, object: &Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Asks whether the object could be created if it were not there: the refusal of a try to create
    /// it, and 409 if only that it is there speaks against it.
    fn try_create(&self, object: &Object) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Applies the object server-side, as the owner of all its fields.
    fn apply(&self, object: &Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Sends a JSON patch to the object.
    fn patch(
        &self,
        object: &Object,
        operations: &Value,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Deletes an object in the background; 409 if it is not what was meant.
    fn delete(
        &self,
        id: &ObjectId,
        version: &str,
        only: Only<'_>,
    ) -> impl Future<Output = Result<Deleted, Refusal>> + Send;
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn only_names_that_accounts_can_have_are_impersonated() {
        let user = |name: &str| {
            Identity::ServiceAccount { namespace: "ns".into(), name: name.into() }
                .user()
                .ok()
                .flatten()
        };
        assert_eq!(user("tenant").as_deref(), Some("system:serviceaccount:ns:tenant"));
        for bad in [
            "",
            "a:b",
            "kube-system:admin",
            "a b",
            "A",
            "system:masters",
            "a\nImpersonate-Group: x",
        ] {
            assert_eq!(user(bad), None, "{bad:?}");
        }
        assert!(matches!(Identity::Operator.user(), Ok(None)));
    }
}
