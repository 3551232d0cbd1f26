//! Every reader of what a registry or a secret gives, at once, for fuzzing.

use artifact::Digest;
use artifact::digest::Algorithm;
use bytes::Bytes;

use super::attached::{Attachment, Index, read};
use super::bundle::Bundle;
use super::key::PublicKey;
use super::keyless::{Identity, Keyless};
use super::notation::hostile;
use super::simple::Simple;

/// Reads `bytes` as everything that it could be, and judges it by `keyless`.
pub fn judge(bytes: &[u8], keyless: &Keyless) {
    let bytes = Bytes::copy_from_slice(bytes);
    let digest = Digest::of(Algorithm::Sha256, b"the image");
    let _ = read::<Index>(&bytes, "index");
    let _ = PublicKey::from_pem(&bytes);
    if let Ok(bundle) = Bundle::parse(&bytes) {
        assert!(keyless.judge_bundle(&bundle, &digest).is_err(), "nobody signed this");
        let _ = bundle.content().and_then(|content| content.is_for(&digest));
    }
    if let Ok(attachment) = read::<Attachment>(&bytes, "attachment") {
        for part in &attachment.layers {
            if let Ok(simple) = Simple::new(part, bytes.clone()) {
                assert!(keyless.judge_simple(&simple).is_err(), "nobody signed this");
                let _ = simple.is_for(&digest);
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(&bytes) {
        let _ = Identity::new(text, text);
    }
    hostile(&bytes);
}
