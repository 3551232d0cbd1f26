//! The order in which objects come out.

use std::collections::HashMap;
use std::sync::LazyLock;

use manifest::Gvk;

use crate::Error;
use crate::kustomization::SortOptions;
use crate::resource::Id;
use crate::resources::Resources;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Orders as the options of a kustomization file say.
pub(crate) fn apply(resources: &mut Resources, options: &SortOptions) -> Result<(), Error> {
    match (options.order.as_str(), &options.legacy_sort_options) {
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => Err(Error::rule(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is \
             'fifo', not 'legacy'",
        )),
        ("legacy", None) => {
            legacy(resources);
            Ok(())
        }
        ("legacy", Some(lists)) => {
            sort(resources, &ranks(&lists.order_first, &lists.order_last));
            Ok(())
        }
        _ => Err(Error::rule("the field 'sortOptions.order' must be one of [fifo, legacy]")),
    }
}

/// Orders by kustomize's list of kinds, then by identity.
pub(crate) fn legacy(resources: &mut Resources) {
    sort(resources, &ranks(&FIRST, &LAST));
}

/// Where a kind stands among others.
pub(crate) fn rank(gvk: &Gvk) -> (i64, String) {
    static RANKS: LazyLock<HashMap<String, i64>> = LazyLock::new(|| ranks(&FIRST, &LAST));
    (RANKS.get(&gvk.kind).copied().unwrap_or_default(), gvk_key(gvk))
}

fn ranks<T: AsRef<str>>(first: &[T], last: &[T]) -> HashMap<String, i64> {
    let position = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let early =
        first.iter().enumerate().map(|(at, kind)| (kind, position(at) - position(first.len())));
    let late = last.iter().enumerate().map(|(at, kind)| (kind, position(at) + 1));
    early.chain(late).map(|(kind, rank)| (kind.as_ref().to_owned(), rank)).collect()
}

fn sort(resources: &mut Resources, ranks: &HashMap<String, i64>) {
    let key = |id: &Id| {
        let kind = gvk_key(&id.gvk);
        let namespace = or(&id.namespace, "~X");
        let rank = ranks.get(&id.gvk.kind).copied().unwrap_or_default();
        let whole =
            format!("{}|{namespace}|{}", crate::resource::gvk_text(&id.gvk), or(&id.name, "~N"));
        (rank, kind, whole)
    };
    // Namespaces of the core group come before those of other groups.
    resources.0.sort_by_cached_key(|resource| {
        let id = resource.id();
        let core_namespace = id.gvk.kind == "Namespace" && id.gvk.group.is_empty();
        let (rank, kind, whole) = key(&id);
        (rank, !core_namespace && id.gvk.kind == "Namespace", kind, whole)
    });
}

fn gvk_key(gvk: &Gvk) -> String {
    let (group, version) = (or(&gvk.group, "~G"), or(&gvk.version, "~V"));
    format!("{group}_{version}_{}", or(&gvk.kind, "~K"))
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}
