//! A text is refused, or what is written of it reads as the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::yaml;

fuzz_target!(|text: &str| {
    for document in yaml::read_manifests(text).unwrap_or_default() {
        let written = yaml::to_string(&document.value);
        let read = yaml::read_configuration(&written);
        assert_eq!(read.as_ref(), Ok(&document.value), "written as\n{written}");
    }
    if let Ok(value) = yaml::read_configuration(text) {
        let written = yaml::to_string(&value);
        assert_eq!(
            yaml::read_configuration(&written).as_ref(),
            Ok(&value),
            "written as\n{written}"
        );
    }
});
