//! Whether the Kustomizations that must be ready first are (kustomization.md, 4; W4, W11).

use std::collections::HashMap;

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

/// The way from a Kustomization back to itself, if there is one. Every edge is followed once, however
/// many there are.
fn cycle(cache: &Cache, start: &Key, dependencies: &[Key]) -> Option<Vec<Key>> {
    // Where each was come from first.
    let mut before: HashMap<Key, Key> = HashMap::new();
    let mut edges: Vec<(Key, Key)> =
        dependencies.iter().rev().map(|next| (start.clone(), next.clone())).collect();
    while let Some((from, here)) = edges.pop() {
        if here == *start {
            return Some(way(&before, start, from));
        }
        if before.contains_key(&here) {
            continue;
        }
        before.insert(here.clone(), from);
        let Some(spec) = cache.get(&here).and_then(|o| part::<KustomizationSpec>(&o, "spec").ok())
        else {
            continue;
        };
        for dependency in spec.depends_on.iter().flatten().rev() {
            let namespace = dependency.namespace.clone().unwrap_or_else(|| here.namespace.clone());
            let next = Key { namespace, name: dependency.name.clone() };
            if !before.contains_key(&next) {
                edges.push((here.clone(), next));
            }
        }
    }
    None
}

/// From `start` to `last`, and back to `start`.
fn way(before: &HashMap<Key, Key>, start: &Key, last: Key) -> Vec<Key> {
    let steps = std::iter::successors(Some(last), |key| before.get(key).cloned());
    let mut way: Vec<Key> = std::iter::once(start.clone()).chain(steps).collect();
    if way.last() != Some(start) {
        way.push(start.clone());
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "ns".into(), name: name.into() }
    }

    fn put(cache: &Cache, name: &str, dependencies: &[String]) {
        let edges: Vec<_> = dependencies.iter().map(|name| json!({"name": name})).collect();
        let version = (cache.list().len() + 1).to_string();
        let object = json!({
            "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": version},
            "spec": {"interval": "1m", "prune": true, "dependsOn": edges,
                "sourceRef": {"kind": "OCIRepository", "name": "src"}},
        });
        let object: Result<DynamicObject, _> = serde_json::from_value(object);
        cache.put(object.unwrap_or_else(|_| unreachable!("it is well-formed")));
    }

    fn found(cache: &Cache, start: &str, dependencies: &[String]) -> Option<String> {
        let keys: Vec<_> = dependencies.iter().map(|name| key(name)).collect();
        let way = cycle(cache, &key(start), &keys)?;
        Some(way.iter().map(|key| key.name.clone()).collect::<Vec<_>>().join(" -> "))
    }

    /// security D3: the way is told, and nobody is on it who only leads to it.
    #[test]
    fn a_way_back_to_itself_is_found() {
        let cache = Cache::default();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (name, edges) in [("a", &["x", "b"][..]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])] {
            put(&cache, name, &names(edges));
        }
        let of = |name, edges: &[&str]| found(&cache, name, &names(edges));
        assert_eq!(of("a", &["x", "b"]).as_deref(), Some("a -> b -> c -> a"));
        assert_eq!(of("s", &["s"]).as_deref(), Some("s -> s"));
        assert_eq!(of("d", &["a", "a"]), None);
        assert_eq!(of("e", &["nobody"]), None);
    }

    /// security D3: thousands that depend on each other, many times over, cost each edge once.
    #[test]
    fn very_many_edges_cost_little() {
        const COUNT: usize = 300;
        let cache = Cache::default();
        let names: Vec<_> = (0..COUNT).map(|nth| format!("k{nth}")).collect();
        for (nth, name) in names.iter().enumerate() {
            let rest = [&names[nth + 1..], &names[nth + 1..]].concat();
            put(&cache, name, &rest);
        }
        assert_eq!(found(&cache, "k", &vec![names.clone(); 10].concat()), None);
        put(&cache, "last", &["k0".to_owned()]);
        put(&cache, "k299", &["last".to_owned()]);
        let way = found(&cache, "last", &["k0".to_owned()]).unwrap_or_default();
        assert!(way.starts_with("last -> k0 -> ") && way.ends_with(" -> last"), "{way}");
    }
}
