//! Whether the Kustomizations that must be ready first are (kustomization.md, 4; W4, W11).

use api::condition::{ConditionStatus, READY};
use api::kustomization::{KustomizationSpec, KustomizationStatus};
use kube::api::DynamicObject;

use super::request;
use super::source::Source;
use crate::objects::{generation, part};
use crate::runtime::cache::{Cache, Key};

/// Why a Kustomization has to wait, in the words of its condition; `None` when it has not.
///
/// `source` and `revision` are those of the Kustomization that depends.
pub(super) fn obstacle(
    cache: &Cache,
    key: &Key,
    dependencies: &[Key],
    source: (&Source, &str),
) -> Option<String> {
    if let Some(path) = cycle(cache, key, dependencies) {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        return Some(format!("circular dependency detected: {}", path.join(" -> ")));
    }
    dependencies.iter().find_map(|dependency| match cache.get(dependency) {
        None => Some(format!(
            "dependency '{dependency}' not found: kustomizations.kustomize.toolkit.fluxcd.io \"{}\" not found",
            dependency.name
        )),
        Some(object) => unready(dependency, &object, source),
    })
}

fn unready(key: &Key, object: &DynamicObject, source: (&Source, &str)) -> Option<String> {
    let not_ready = || Some(format!("dependency '{key}' is not ready"));
    let (Ok(spec), Ok(status)) =
        (part::<KustomizationSpec>(object, "spec"), part::<KustomizationStatus>(object, "status"))
    else {
        return not_ready();
    };
    if status.observed_generation != Some(generation(object)) || !was_ready(&status) {
        return not_ready();
    }
    let same_source = request::source(key, &spec) == *source.0;
    if same_source && status.last_applied_revision.as_deref() != Some(source.1) {
        return Some(format!("dependency '{key}' revision is not up to date"));
    }
    None
}

/// Ready, or ready before a run that repeats what has already been applied: the Unknown of such a
/// run is no news (C15).
fn was_ready(status: &KustomizationStatus) -> bool {
    let ready = status.conditions.iter().find(|condition| condition.kind == READY);
    match ready.map(|condition| condition.status) {
        Some(ConditionStatus::True) => true,
        Some(ConditionStatus::Unknown) => {
            status.last_applied_revision.is_some()
                && status.last_applied_revision == status.last_attempted_revision
        }
        _ => false,
    }
}

/// The way from a Kustomization back to itself, if there is one.
fn cycle(cache: &Cache, start: &Key, dependencies: &[Key]) -> Option<Vec<Key>> {
    let mut seen = std::collections::HashSet::new();
    let mut paths: Vec<Vec<Key>> =
        dependencies.iter().rev().map(|next| vec![start.clone(), next.clone()]).collect();
    while let Some(path) = paths.pop() {
        let here = path.last()?.clone();
        if here == *start {
            return Some(path);
        }
        if !seen.insert(here.clone()) {
            continue;
        }
        let Some(spec) = cache.get(&here).and_then(|o| part::<KustomizationSpec>(&o, "spec").ok())
        else {
            continue;
        };
        for dependency in spec.depends_on.iter().flatten().rev() {
            let namespace = dependency.namespace.clone().unwrap_or_else(|| here.namespace.clone());
            let next = Key { namespace, name: dependency.name.clone() };
            paths.push(path.iter().cloned().chain([next]).collect());
        }
    }
    None
}
