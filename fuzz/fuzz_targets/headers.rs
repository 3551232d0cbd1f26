//! What a registry writes into the headers of its answers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| oci::hostile::header(text));
