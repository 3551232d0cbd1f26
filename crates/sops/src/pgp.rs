//! OpenPGP: private keys, and the data keys that are encrypted for them.

use std::io::Read as _;

use pgp::composed::{Deserializable as _, Message, SignedSecretKey};
use pgp::types::Password;
use zeroize::Zeroizing;

/// A wrapped data key is small.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
const KEYS_MAX: usize = 1000;

/// Private keys, tried in turn.
#[derive(Default)]
pub struct SecretKeys(Vec<SignedSecretKey>);

impl SecretKeys {
    /// Adds the keys of an armored file.
    pub fn add(&mut self, armored: &str) -> Result<(), String> {
        let malformed = |_| "failed to import armored key data into GnuPG keyring".to_owned();
        let (keys, _) = SignedSecretKey::from_string_many(armored).map_err(malformed)?;
        for key in keys {
            let key = key.map_err(malformed)?;
            let locked = key.primary_key.secret_params().is_encrypted()
                || key.secret_subkeys.iter().any(|sub| sub.key.secret_params().is_encrypted());
            if locked {
                // Nobody is there to ask, and unlocking costs what the key says it does.
                return Err("the key is protected by a passphrase".into());
            }
            self.0.push(key);
            if self.0.len() > KEYS_MAX {
                return Err(format!("more than {KEYS_MAX} keys"));
            }
        }
        Ok(())
    }

    /// What a message holds, if it is for one of the keys.
    pub fn unwrap(&self, armored: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let failed = |what: &str| format!("failed to decrypt sops data key with pgp: {what}");
        if self.0.is_empty() {
            return Err(failed("no secret key"));
        }
        if armored.len() > MESSAGE_BYTES_MAX {
            return Err(failed("the message is too large"));
        }
        for key in &self.0 {
            let (message, _) = Message::from_string(armored).map_err(|_| failed("no message"))?;
            let Ok(mut opened) = message.decrypt(&Password::empty(), key) else { continue };
            if opened.is_compressed() {
                opened = opened.decompress().map_err(|_| failed("malformed message"))?;
            }
            let mut data = Zeroizing::new(Vec::new());
            let limit = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
            opened.take(limit).read_to_end(&mut data).map_err(|_| failed("malformed message"))?;
            return Ok(data);
        }
        Err(failed("no secret key"))
    }
}
