//! Ids of an inventory, one a line: what is read is written so that it means the same, and two lists
//! of them unite and differ as sets do.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use manifest::ObjectId;
use plan::inventory::{Entry, stale, union};

/// Reads an id, and what was written of it again.
fn id(text: &str) -> Option<ObjectId> {
    let id = ObjectId::parse(text)?;
    let again = ObjectId::parse(&id.to_string()).expect("we wrote it");
    // A name with underscores, which no cluster has, can be read otherwise.
    if !id.name.contains("_") {
        assert_eq!(again, id, "{text}");
    }
    let _ = id.subject();
    Some(id)
}

fn ids(entries: &[Entry]) -> BTreeSet<&ObjectId> {
    entries.iter().map(|entry| &entry.id).collect()
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let entries: Vec<_> = text
        .lines()
        .filter_map(id)
        .map(|id| Entry { id, version: "v1".to_owned() })
        .collect();
    let (stored, desired) = entries.split_at(entries.len() / 2);
    let (left, all) = (stale(stored, desired), union(desired, stored));
    assert_eq!(ids(&all), ids(&entries));
    assert!(ids(&left).is_disjoint(&ids(desired)));
    let mut sorted = left.clone();
    plan::prune::sort(&mut sorted);
    assert_eq!(ids(&sorted), ids(&left));
});
