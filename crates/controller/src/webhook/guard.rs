//! Who may send notices: whoever knows the token.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};

/// A shorter token could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// A longer file is another file.
const TOKEN_BYTES_MAX: usize = 1024;

/// Knows the token, and never tells it.
pub(crate) struct Guard {
    key: Key,
    /// The token under itself: what is compared in its place, so that neither its bytes nor its
    /// length show in the time that it takes.
    mark: Tag,
}

impl Guard {
    /// Reads the token from a file; white space around it does not count.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX as u64 + 1).read_to_string(&mut text))
            .with_context(|| format!("failed to read --webhook-token-file {}", path.display()))?;
        let token = text.trim();
        anyhow::ensure!(
            text.len() <= TOKEN_BYTES_MAX && token.len() >= TOKEN_BYTES_MIN,
            "the token in --webhook-token-file {} must have {TOKEN_BYTES_MIN} to \
             {TOKEN_BYTES_MAX} bytes",
            path.display()
        );
        Ok(Self::new(token))
    }

    fn new(token: &str) -> Self {
        let key = Key::new(HMAC_SHA256, token.as_bytes());
        let mark = sign(&key, token.as_bytes());
        Self { key, mark }
    }

    /// Whether this is the token.
    pub(super) fn knows(&self, token: &str) -> bool {
        verify(&self.key, token.as_bytes(), self.mark.as_ref()).is_ok()
    }

    /// Whether `signature` is that of `body` under the token.
    pub(super) fn signed(&self, body: &[u8], signature: &[u8]) -> bool {
        verify(&self.key, body, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_the_token() {
        let guard = Guard::new("0123456789abcdef");
        for (token, wanted) in
            [("0123456789abcdef", true), ("0123456789abcdeF", false), ("", false)]
        {
            assert_eq!(guard.knows(token), wanted, "{token}");
        }
    }

    /// The example of GitHub's documentation of signatures.
    #[test]
    fn a_signature_is_that_of_the_body() {
        let guard = Guard::new("It's a Secret to Everybody");
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signature = hex::decode(signature).unwrap_or_default();
        assert!(guard.signed(b"Hello, World!", &signature));
        assert!(!guard.signed(b"Hello, World", &signature));
        assert!(!guard.signed(b"Hello, World!", &signature[1..]));
    }

    #[test]
    fn weak_and_missing_tokens_are_refused() {
        let refusal = |content: Option<&str>| -> anyhow::Result<String> {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("token");
            if let Some(content) = content {
                std::fs::write(&path, content)?;
            }
            Ok(Guard::read(&path).err().map(|error| error.to_string()).unwrap_or_default())
        };
        let long = "x".repeat(TOKEN_BYTES_MAX + 1);
        for (content, wanted) in [
            (Some("0123456789abcdef\n"), ""),
            (Some("0123456789abcde\n"), "must have 16 to 1024 bytes"),
            (Some(long.as_str()), "must have 16 to 1024 bytes"),
            (None, "failed to read --webhook-token-file"),
        ] {
            let text = refusal(content).unwrap_or_else(|error| error.to_string());
            assert!(text.contains(wanted) && text.is_empty() == wanted.is_empty(), "{text}");
        }
    }
}
