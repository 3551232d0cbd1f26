//! An object and a JSON patch on it.
#![no_main]

use kustomize::LoadRestriction;
use kustomize::files::Memory;
use libfuzzer_sys::fuzz_target;

const FORM: &[u8] = b"resources: [object.yaml]
patches: [{path: patch.yaml, target: {name: .*}}]
";

fuzz_target!(|data: &[u8]| {
    let Some((object, patch)) = sluice_fuzz::halves(data) else { return };
    let parts = [("kustomization.yaml", FORM), ("object.yaml", object), ("patch.yaml", patch)];
    sluice_fuzz::check(&parts.into_iter().collect::<Memory>(), LoadRestriction::Tree);
});
