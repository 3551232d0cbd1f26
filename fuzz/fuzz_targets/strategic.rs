//! An object and a strategic merge patch on it, once by target and once by name.
#![no_main]

use kustomize::LoadRestriction;
use kustomize::files::Memory;
use libfuzzer_sys::fuzz_target;

const FORMS: [&[u8]; 2] = [
    b"resources: [object.yaml]\npatches: [{path: patch.yaml, target: {name: .*}}]\n",
    b"resources: [object.yaml]\npatches: [{path: patch.yaml}]\n",
];

fuzz_target!(|data: &[u8]| {
    let Some((object, patch)) = sluice_fuzz::halves(data) else { return };
    for form in FORMS {
        let parts = [("kustomization.yaml", form), ("object.yaml", object), ("patch.yaml", patch)];
        sluice_fuzz::check(&parts.into_iter().collect::<Memory>(), LoadRestriction::Tree);
    }
});
