//! What a registry and its token service answer with: manifests, indexes, tags, tokens, refusals.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| oci::hostile::body(data));
