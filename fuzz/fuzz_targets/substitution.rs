//! A template, and below a line `=====` variables as lines `name=value`: what is substituted is
//! bounded, the same however often it is done, and no error shows a value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use render::substitute::{TEXT_BYTES_MAX, Unset, Variables, substitute};

/// Stands before every value, so that it is known again.
const CANARY: &str = "canary-7f3a";

fn variables(text: &str) -> Variables {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), format!("{CANARY}{value}"))).collect()
}

fuzz_target!(|data: &[u8]| {
    let (template, values) = sluice_fuzz::halves(data).unwrap_or((data, b"v=x\ne="));
    let Ok(template) = std::str::from_utf8(template) else { return };
    let known = variables(&String::from_utf8_lossy(values));
    for unset in [Unset::Refused, Unset::Empty] {
        match substitute(template, &known, unset) {
            Ok(out) => {
                assert!(out.len() <= TEXT_BYTES_MAX);
                if !template.contains("${") && !template.contains(['\0', '$']) {
                    assert_eq!(out, template.as_bytes());
                }
            }
            Err(error) => {
                let text = error.to_string();
                assert!(template.contains(CANARY) || !text.contains(CANARY), "{text}");
            }
        }
    }
});
