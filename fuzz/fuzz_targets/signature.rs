//! What a registry calls a signature, in every form that there is: it is read or refused, and none
//! that nobody signed is good.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use oci::verify::keyless::{Keyless, Root};

static PUBLIC: LazyLock<Keyless> = LazyLock::new(|| {
    Keyless::new(Root::Public, Vec::new()).expect("the root that is shipped can be read")
});

fuzz_target!(|data: &[u8]| oci::verify::hostile::judge(data, &PUBLIC));
