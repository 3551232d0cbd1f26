//! Markers: labels or annotations by which one object asks to be treated otherwise.
//!
//! Every marker may stand as label or annotation; its value is compared without regard to case
//! (kustomization.md, 9.3 and 20.6).

use manifest::Object;

const PREFIX: &str = "kustomize.toolkit.fluxcd.io";

/// Whether `object` carries the marker `name` (the part after the slash) with this value.
pub fn has(object: &Object, name: &str, value: &str) -> bool {
    let key = format!("{PREFIX}/{name}");
    [object.label(&key), object.annotation(&key)]
        .into_iter()
        .flatten()
        .any(|text| text.eq_ignore_ascii_case(value))
}

/// Whether an object asks, in the source or in the cluster, to be left alone.
pub fn is_excluded(desired: &Object, live: Option<&Object>) -> bool {
    std::iter::once(desired)
        .chain(live)
        .any(|object| has(object, "reconcile", "disabled") || has(object, "ssa", "Ignore"))
        || (live.is_some() && has(desired, "ssa", "IfNotPresent"))
}

/// Whether a live object asks to be kept although it left the source.
pub fn is_kept(live: &Object) -> bool {
    has(live, "prune", "disabled")
        || has(live, "reconcile", "disabled")
        || has(live, "ssa", "Ignore")
}

/// Whether fields that others set are left as they are.
pub fn merges(desired: &Object, live: &Object) -> bool {
    has(desired, "ssa", "Merge") || has(live, "ssa", "Merge")
}

/// Whether one object asks, in the source or in the cluster, to be created anew when it cannot be
/// changed.
pub(crate) fn forces(desired: &Object, live: &Object) -> bool {
    has(desired, "force", "enabled") || has(live, "force", "enabled")
}
