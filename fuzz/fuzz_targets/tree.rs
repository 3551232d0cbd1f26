//! A whole tree of files, with and without leave to read beside a kustomization.
#![no_main]

use kustomize::LoadRestriction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let files = sluice_fuzz::tree(data);
    sluice_fuzz::check(&files, LoadRestriction::Tree);
    sluice_fuzz::check(&files, LoadRestriction::RootOnly);
});
