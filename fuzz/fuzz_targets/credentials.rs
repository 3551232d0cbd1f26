//! A Docker configuration, and below a line `=====` the registry that is looked for: entries without
//! a wildcard are found for their own host only.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (config, registry) = sluice_fuzz::halves(data).unwrap_or((data, b"registry.example.com"));
    let registry = String::from_utf8_lossy(registry);
    let registry = registry.trim_end();
    let found = oci::hostile::credential(config, registry);
    let text = String::from_utf8_lossy(config);
    // A key may be escaped or be a pattern, and the hub has several names.
    let keys_are_plain = !text.contains(['\\', '*', '?', '[']);
    let is_host = registry.contains(['.', ':']) && !registry.contains('/');
    if found.is_some() && keys_are_plain && is_host && !registry.contains("docker.io") {
        assert!(text.contains(registry), "a credential of somebody else");
    }
});
