//! Drift: where the live object differs from what an apply would make of it.
//!
//! Both sides went through the API server, so defaults and foreign fields stand on both. Labels,
//! annotations and everything outside `metadata` and `status` count; finalizers, owner references
//! and the server's own fields do not (kustomization.md, 9.3).

use std::fmt;

use manifest::{Object, Value};

use crate::digest::{Hasher, Sum};
use crate::managed::changed_by;
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

/// A field of a live object that an apply would change; never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it is, as `spec.containers[0].image`.
    pub path: String,
    /// Who other than us set it last, if anybody.
    pub manager: Option<String>,
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.path)?;
        self.manager.iter().try_for_each(|manager| write!(out, " by {manager}"))
    }
}

/// The fields that an apply would change, in the order of the live object; `live` and `dry_run` are
/// its sides without what is ignored.
pub(crate) fn fields(object: &Object, live: &Value, dry_run: &Value) -> Vec<Field> {
    let mut found = Differences::default();
    let (Some(live_root), Some(dry_root)) = (live.as_map(), dry_run.as_map()) else {
        return Vec::new();
    };
    for key in live_root.keys().chain(dry_root.keys().filter(|key| !live_root.contains_key(key))) {
        match key.as_str() {
            "metadata" => {
                for part in METADATA {
                    let empty = Value::Map(manifest::Map::new());
                    let side = |object: &'_ Value| object.at(&["metadata", part]).cloned();
                    let live = side(live).unwrap_or_else(|| empty.clone());
                    let dry_run = side(dry_run).unwrap_or(empty);
                    found.inside("metadata", |found| {
                        found.at(part, Some(&live), Some(&dry_run));
                    });
                }
            }
            _ if counts(key) => found.at(key, live_root.get(key), dry_root.get(key)),
            _ => {}
        }
    }
    let field = |place: Vec<Part>| {
        let parts: Vec<String> = place.iter().map(Part::name).collect();
        Field { path: path(&place), manager: changed_by(object, &parts) }
    };
    found.places.into_iter().map(field).collect()
}

/// One step into an object.
#[derive(Clone, Debug)]
enum Part {
    Key(String),
    Index(usize),
}

impl Part {
    fn name(&self) -> String {
        match self {
            Self::Key(key) => key.clone(),
            Self::Index(at) => at.to_string(),
        }
    }
}

fn path(place: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Key(key) => format!(".{key}"),
        Part::Index(at) => format!("[{at}]"),
    };
    let text: String = place.iter().map(text).collect();
    text.trim_start_matches('.').to_owned()
}

/// Where two objects differ.
#[derive(Default)]
struct Differences {
    here: Vec<Part>,
    places: Vec<Vec<Part>>,
}

impl Differences {
    fn inside(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        self.here.push(Part::Key(key.to_owned()));
        look(self);
        self.here.pop();
    }

    fn at(&mut self, key: &str, live: Option<&Value>, dry_run: Option<&Value>) {
        self.inside(key, |found| found.compare(live, dry_run));
    }

    fn compare(&mut self, live: Option<&Value>, dry_run: Option<&Value>) {
        match (live, dry_run) {
            (Some(Value::Map(live)), Some(Value::Map(dry_run))) => {
                for key in live.keys().chain(dry_run.keys().filter(|key| !live.contains_key(key))) {
                    self.at(key, live.get(key), dry_run.get(key));
                }
            }
            (Some(Value::List(live)), Some(Value::List(dry_run)))
                if live.len() == dry_run.len() =>
            {
                for (at, (live, dry_run)) in live.iter().zip(dry_run).enumerate() {
                    self.here.push(Part::Index(at));
                    self.compare(Some(live), Some(dry_run));
                    self.here.pop();
                }
            }
            (live, dry_run) if live == dry_run => {}
            _ => self.places.push(self.here.clone()),
        }
    }
}
