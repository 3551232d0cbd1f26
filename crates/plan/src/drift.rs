//! Drift: where the live object differs from what an apply would make of it.
//!
//! Both sides went through the API server, so defaults and foreign fields stand on both. Labels,
//! annotations and everything outside `metadata` and `status` count; finalizers, owner references
//! and the server's own fields do not (kustomization.md, 9.3).

use manifest::Value;

use crate::digest::{Hasher, Sum};
use crate::reports::asked;

/// The parts of the metadata that count.
const METADATA: [&str; 2] = ["labels", "annotations"];

/// Whether a top-level field counts, beside the metadata.
fn counts(key: &str) -> bool {
    !["metadata", "status", "apiVersion", "kind"].contains(&key)
}

/// The digest of everything that counts: two states of an object between which [`fields`] finds no
/// difference have the same, and so have two that differ in what controllers report only.
pub(crate) fn content(object: &Value) -> Sum {
    let mut hasher = Hasher::default();
    let root = object.as_map().into_iter().flatten();
    let parts = root.map(|(key, value)| (key.as_str(), value));
    hasher.pairs(parts.filter(|(key, _)| counts(key)));
    for part in METADATA {
        hasher.pairs(asked(object, part));
    }
    hasher.finish()
}

/// Paths of the fields that an apply would change, in the order of the live object.
pub(crate) fn fields(live: &Value, dry_run: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let (Some(live_root), Some(dry_root)) = (live.as_map(), dry_run.as_map()) else { return out };
    for key in live_root.keys().chain(dry_root.keys().filter(|key| !live_root.contains_key(key))) {
        match key.as_str() {
            "metadata" => {
                for part in METADATA {
                    let empty = Value::Map(manifest::Map::new());
                    let side = |object: &'_ Value| object.at(&["metadata", part]).cloned();
                    let live = side(live).unwrap_or_else(|| empty.clone());
                    let dry_run = side(dry_run).unwrap_or(empty);
                    compare(&format!("metadata.{part}"), Some(&live), Some(&dry_run), &mut out);
                }
            }
            _ if counts(key) => compare(key, live_root.get(key), dry_root.get(key), &mut out),
            _ => {}
        }
    }
    out
}

fn compare(path: &str, live: Option<&Value>, dry_run: Option<&Value>, out: &mut Vec<String>) {
    match (live, dry_run) {
        (Some(Value::Map(live)), Some(Value::Map(dry_run))) => {
            for key in live.keys().chain(dry_run.keys().filter(|key| !live.contains_key(key))) {
                compare(&format!("{path}.{key}"), live.get(key), dry_run.get(key), out);
            }
        }
        (Some(Value::List(live)), Some(Value::List(dry_run))) if live.len() == dry_run.len() => {
            for (at, (live, dry_run)) in live.iter().zip(dry_run).enumerate() {
                compare(&format!("{path}[{at}]"), Some(live), Some(dry_run), out);
            }
        }
        (live, dry_run) if live == dry_run => {}
        _ => out.push(path.to_owned()),
    }
}
