//! Encrypted documents of every format, with the real key where it fits and another where not: they
//! open or are refused, and what opens can be written in every format. The wrapped keys of a
//! document reach the readers of age and OpenPGP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sops::{DataKeys, Format, age, pgp};
use zeroize::Zeroizing;

const IDENTITY: &str = include_str!("../../crates/sops/tests/documents/keys/one.agekey");
const SECRET_KEY: &str = include_str!("../../crates/sops/tests/documents/keys/ecc.asc");
const FORMATS: [Format; 5] =
    [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary];

thread_local! {
    static IDENTITIES: (age::Identities, pgp::SecretKeys) = {
        let (mut age, mut pgp) = (age::Identities::default(), pgp::SecretKeys::default());
        age.add(IDENTITY).expect("it is one");
        pgp.add(SECRET_KEY).expect("it is one");
        (age, pgp)
    };
}

fuzz_target!(|data: &[u8]| IDENTITIES.with(|(age, pgp)| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = age::Identities::default().add(text);
        let _ = pgp::SecretKeys::default().add(text);
    }
    for from in FORMATS {
        let Ok(wrapped) = sops::wrapped(data, from) else { continue };
        let outcomes: Vec<_> = wrapped
            .groups
            .iter()
            .map(|group| {
                let own = group.iter().find_map(|key| {
                    age.unwrap(&key.wrapped).or_else(|_| pgp.unwrap(&key.wrapped)).ok()
                });
                vec![Ok(own.unwrap_or_else(|| Zeroizing::new(vec![7; 32])))]
            })
            .collect();
        let mut keys = DataKeys::default();
        keys.insert(wrapped.clone(), wrapped.conclude(&outcomes));
        for to in FORMATS {
            let _ = sops::decrypt(data, from, to, &keys);
        }
    }
}));
