//! What registries send when something is pushed, in the formats of all eight senders.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use oci::Reference;
use oci::reference::PlainHttp;

static SOURCE: LazyLock<Reference> = LazyLock::new(|| {
    let url = "oci://registry.example.com/team/app";
    Reference::parse(url, PlainHttp::LocalOnly).expect("it is an address")
});

fuzz_target!(|data: &[u8]| controller::hostile::read(data, &SOURCE));
