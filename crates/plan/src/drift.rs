//! Drift: where the live object differs from what an apply would make of it.
//!
//! Both sides went through the API server, so defaults and foreign fields stand on both. Labels,
//! annotations and everything outside `metadata` and `status` count; finalizers, owner references
//! and the server's own fields do not (kustomization.md, 9.3).

use manifest::{Object, Value};

/// Paths of the fields that an apply would change, in the order of the live object.
pub(crate) fn fields(live: &Object, dry_run: &Object) -> Vec<String> {
    let mut out = Vec::new();
    let root = |object: &Object| object.value().as_map().cloned().unwrap_or_default();
    let (live_root, dry_root) = (root(live), root(dry_run));
    for key in live_root.keys().chain(dry_root.keys().filter(|key| !live_root.contains_key(key))) {
        match key.as_str() {
            "metadata" => {
                for part in ["labels", "annotations"] {
                    let side = |object: &Object| object.at(&["metadata", part]).cloned();
                    let empty = || Value::Map(manifest::Map::new());
                    let live_part = side(live).unwrap_or_else(empty);
                    let dry_part = side(dry_run).unwrap_or_else(empty);
                    compare(
                        &format!("metadata.{part}"),
                        Some(&live_part),
                        Some(&dry_part),
                        &mut out,
                    );
                }
            }
            "status" | "apiVersion" | "kind" => {}
            _ => compare(key, live_root.get(key), dry_root.get(key), &mut out),
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
