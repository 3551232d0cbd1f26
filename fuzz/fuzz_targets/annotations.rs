//! A text as every annotation, marker and duration that we read: rules of a guard, markers of an
//! object, requests. Nothing panics, and what is read is written so that it means the same.
#![no_main]

use std::str::FromStr as _;

use api::duration::GoDuration;
use libfuzzer_sys::fuzz_target;
use manifest::{Object, ObjectId};
use plan::guard::{Guard, Pruning};
use plan::inventory::Entry;
use plan::markers;

const MARKERS: [(&str, &str); 7] = [
    ("reconcile", "disabled"),
    ("ssa", "Ignore"),
    ("ssa", "Merge"),
    ("ssa", "IfNotPresent"),
    ("prune", "disabled"),
    ("force", "enabled"),
    ("substitute", "disabled"),
];

fn marked(field: &str, text: &str) -> Object {
    let annotated: serde_json::Map<_, _> = MARKERS
        .iter()
        .map(|(name, _)| (format!("kustomize.toolkit.fluxcd.io/{name}"), text.into()))
        .collect();
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b", field: annotated},
    });
    Object::try_from(object).expect("it is an object")
}

fn guard(text: &str) {
    let gone = |name: &str, kind: &str| Entry {
        id: ObjectId { group: "".into(), kind: kind.into(), namespace: "b".into(), name: name.into() },
        version: "v1".into(),
    };
    let stale = [gone("a", "ConfigMap"), gone("b", "Namespace")];
    let pruning = Pruning { stale: &stale, owned: 3, built: 0 };
    let judged = match Guard::from_str(text) {
        Ok(guard) => guard.judge(&pruning, None),
        Err(invalid) => invalid.judge(&pruning, None),
    };
    let Err(blocked) = judged else { return };
    // Exactly what is refused may be allowed, and nothing else.
    for allowed in [Some(text), Some("")] {
        let judged = match Guard::from_str(text) {
            Ok(guard) => guard.judge(&pruning, allowed),
            Err(invalid) => invalid.judge(&pruning, allowed),
        };
        assert!(judged.is_err() || allowed == Some(&blocked.digest));
    }
    assert!(blocked.to_string().starts_with("nothing is pruned: "));
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for field in ["labels", "annotations"] {
        let object = marked(field, &text);
        for (name, value) in MARKERS {
            assert_eq!(markers::has(&object, name, value), text.eq_ignore_ascii_case(value));
        }
        let _ = (markers::is_kept(&object), markers::is_excluded(&object, Some(&object)));
        let _ = markers::merges(&object, &object);
    }
    guard(&text);
    if let Ok(duration) = GoDuration::from_str(&text) {
        assert_eq!(GoDuration::from_str(&duration.to_string()), Ok(duration), "{text}");
        let _ = (duration.std(), duration.round(GoDuration::from_nanoseconds(1_000_000_000)));
    }
});
