//! Whether the Kustomizations that must be ready first are (kustomization.md, 4; W4, W11).

use api::condition::{ConditionStatus, READY};
use api::kustomization::{KustomizationSpec, KustomizationStatus};
use expression::{Error, Expression};
use kube::api::DynamicObject;

use super::request::{self, Dependency};
use super::source::Source;
use crate::objects::{generation, part};
use crate::runtime::cache::{Cache, Key};

/// Why a Kustomization cannot start, in the words of its condition.
pub(super) enum Obstacle {
    /// It has to wait.
    NotReady(String),
    /// An expression cannot be read.
    Invalid(String),
}

/// The Kustomization that depends, and what it depends on.
pub(super) struct Dependent<'a> {
    pub(super) object: &'a DynamicObject,
    pub(super) dependencies: &'a [Dependency],
    /// Its source and the revision that this offers.
    pub(super) source: (&'a Source, &'a str),
    /// Whether our own rules hold beside an expression (gate `AdditiveCELDependencyCheck`).
    pub(super) additive: bool,
}

/// Why a Kustomization cannot start; `None` when it can.
pub(super) fn obstacle(cache: &Cache, dependent: &Dependent<'_>) -> Option<Obstacle> {
    let key = Key::of(dependent.object);
    let keys: Vec<_> = dependent.dependencies.iter().map(|d| d.key.clone()).collect();
    if let Some(path) = cycle(cache, &key, &keys) {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let text = format!("circular dependency detected: {}", path.join(" -> "));
        return Some(Obstacle::NotReady(text));
    }
    dependent.dependencies.iter().find_map(|dependency| {
        let key = &dependency.key;
        let Some(object) = cache.get(key) else {
            return Some(Obstacle::NotReady(format!(
                "dependency '{key}' not found: kustomizations.kustomize.toolkit.fluxcd.io \"{}\" not found",
                key.name
            )));
        };
        if let Some(text) = &dependency.ready_expr {
            match judged(text, dependent.object, &object) {
                Ok(true) if !dependent.additive => return None,
                Ok(true) => {}
                Ok(false) => {
                    return Some(Obstacle::NotReady(format!(
                        "dependency '{key}' is not ready according to readyExpr eval"
                    )));
                }
                Err(error @ (Error::Evaluation { .. } | Error::NotTrueOrFalse(_))) => {
                    return Some(Obstacle::NotReady(error.to_string()));
                }
                // The reference says twice that it will not try again.
                Err(error) => {
                    return Some(Obstacle::Invalid(format!(
                        "Reconciliation failed terminally due to configuration error: terminal \
                         error: failed to evaluate dependency {}: {error}",
                        key.name
                    )));
                }
            }
        }
        unready(key, &object, dependent.source).map(Obstacle::NotReady)
    })
}

/// Whether an expression holds of a Kustomization (`self`) and its dependency (`dep`).
fn judged(
    text: &str,
    dependent: &DynamicObject,
    dependency: &DynamicObject,
) -> Result<bool, Error> {
    let expression = Expression::parse_bool(text, &["self", "dep"])?;
    let (dependent, dependency) = (tree(dependent), tree(dependency));
    expression.holds(&[("self", &dependent), ("dep", &dependency)])
}

fn tree(object: &DynamicObject) -> manifest::Value {
    // An object from the server has only text as keys, so it can always be written.
    serde_json::to_value(object).unwrap_or_default().into()
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
