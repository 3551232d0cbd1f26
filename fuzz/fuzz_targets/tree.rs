//! A whole tree of files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sluice_fuzz::check(&sluice_fuzz::tree(data)));
