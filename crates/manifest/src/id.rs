//! What kind an object is of, and which object it is.

use std::fmt;

/// Group, version and kind; the core group is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group, empty for core kinds.
    pub group: String,
    /// Version inside the group.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// A kind whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// API group, empty for core kinds.
    pub group: String,
    /// Kind.
    pub kind: String,
}

impl Gvk {
    /// Splits an `apiVersion` (`v1`, `apps/v1`) and joins it with a kind.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The same kind without its version.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
}

/// One object of a cluster, whatever the version it is read in.
///
/// Its text form is the one that `status.inventory.entries[].id` stores (kustomization.md, 10).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// API group, empty for core kinds.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const RBAC_KINDS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

impl ObjectId {
    /// The form used in messages: `Kind/namespace/name` or `Kind/name`.
    pub fn subject(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }

    /// The object's kind.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }

    /// Reads the inventory's text form.
    ///
    /// The first `_` ends the namespace, the last two delimit group and kind, and `__` in the name
    /// stands for `:` whatever the kind (kustomization.md, 10 and 22.9).
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, rest) = text.split_once('_')?;
        let (rest, kind) = rest.rsplit_once('_')?;
        let (name, group) = rest.rsplit_once('_')?;
        Some(Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.replace("__", ":"),
        })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rbac = self.group == RBAC_GROUP && RBAC_KINDS.contains(&self.kind.as_str());
        let name = if rbac { self.name.replace(':', "__") } else { self.name.clone() };
        write!(out, "{}_{name}_{}_{}", self.namespace, self.group, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_text_keeps_the_parts() {
        for text in
            ["apps_web__Service", "_ns1__Namespace", "_a__b_rbac.authorization.k8s.io_ClusterRole"]
        {
            assert_eq!(ObjectId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        assert_eq!(ObjectId::parse("a_b_c"), None);
    }
}
