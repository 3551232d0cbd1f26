//! A text is refused, or what is written of it reads as the same tree; and what the fast reader reads
//! is what the full parser reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::Value;
use manifest::yaml::{self, Dialect};

fuzz_target!(|text: &str| {
    for dialect in [Dialect::Manifest, Dialect::Configuration] {
        let (fast, full) = yaml::read_both_ways(text, dialect);
        assert!(fast.is_none_or(|fast| Ok(fast) == full), "{dialect:?}: two readers disagree");
    }
    for document in yaml::read_manifests(text).unwrap_or_default() {
        reads_as_written(&document.value);
    }
    if let Ok(value) = yaml::read_configuration(text) {
        reads_as_written(&value);
    }
});

fn reads_as_written(value: &Value) {
    let written = yaml::to_string(value);
    if !sluice_fuzz::has_other_breaks(&written) {
        assert_eq!(yaml::read_configuration(&written).as_ref(), Ok(value), "written as\n{written}");
    }
}
