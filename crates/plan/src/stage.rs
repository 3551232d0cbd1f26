//! Stages: what must be applied, and ready, before the rest (kustomization.md, 9.2).

use manifest::{GroupKind, Object};

/// One stage of an apply, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// CustomResourceDefinitions, Namespaces and ClusterRoles; awaited.
    Definitions,
    /// Kinds whose name ends in `Class`; awaited.
    Classes,
    /// Kinds that the operator's settings name.
    Custom,
    /// Everything else.
    Rest,
}

/// The kinds that come first, in their order.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// The kinds that come last, in their order.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

impl Stage {
    /// The stage of a kind.
    ///
    /// The test for definitions is bound to the group and ignores the case of the kind; the suffix
    /// `Class` is case-sensitive (kustomization.md, 22.8).
    pub fn of(object: &Object, custom: &[GroupKind]) -> Self {
        let gvk = object.gvk();
        let definition = match (gvk.group.as_str(), gvk.kind.to_ascii_lowercase().as_str()) {
            ("apiextensions.k8s.io", "customresourcedefinition")
            | ("rbac.authorization.k8s.io", "clusterrole") => true,
            ("", "namespace") => gvk.version == "v1",
            _ => false,
        };
        if definition {
            Self::Definitions
        } else if gvk.kind.ends_with("Class") {
            Self::Classes
        } else if custom.contains(&gvk.group_kind()) {
            Self::Custom
        } else {
            Self::Rest
        }
    }

    /// Whether the next stage waits until this one is ready.
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Definitions | Self::Classes)
    }
}

/// Where a kind stands inside a stage; its name alone decides, whatever the group.
pub fn rank(kind: &str) -> usize {
    let middle = FIRST.len();
    FIRST
        .iter()
        .position(|first| *first == kind)
        .or_else(|| LAST.iter().position(|last| *last == kind).map(|at| middle + 1 + at))
        .unwrap_or(middle)
}

/// Sorts objects into stages, each in apply order; empty stages are left out.
pub fn stages(objects: Vec<Object>, custom: &[GroupKind]) -> Vec<(Stage, Vec<Object>)> {
    let mut keyed: Vec<_> = objects
        .into_iter()
        .map(|object| ((Stage::of(&object, custom), rank(object.kind()), object.id()), object))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut stages: Vec<(Stage, Vec<Object>)> = Vec::new();
    for ((stage, ..), object) in keyed {
        match stages.last_mut() {
            Some((last, objects)) if *last == stage => objects.push(object),
            _ => stages.push((stage, vec![object])),
        }
    }
    stages
}
