//! Who may send notices: whoever knows the token.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};

/// A shorter token could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// A longer file is another file.
const TOKEN_BYTES_MAX: usize = 1024;

/// Knows the token of a file, also when the file changes.
pub(crate) struct Guard {
    path: PathBuf,
    known: Mutex<(Option<Stamp>, Arc<Token>)>,
}

/// What of a file changes with its content: when it was written, its length, and which file it is.
type Stamp = (SystemTime, u64, u64);

/// Knows the token, and never tells it.
pub(super) struct Token {
    key: Key,
    /// The token under itself: what is compared in its place, so that neither its bytes nor its
    /// length show in the time that it takes.
    mark: Tag,
}

impl Guard {
    /// Reads the token from a file; white space around it does not count.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let stamp = stamp(path);
        let token = Arc::new(Token::read(path)?);
        Ok(Self { path: path.to_owned(), known: Mutex::new((stamp, token)) })
    }

    /// The token that the file has now, or while it has none the one that it had.
    pub(super) fn token(&self) -> Arc<Token> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if known.0 != stamp {
            known.0 = stamp;
            match Token::read(&self.path) {
                Ok(token) => known.1 = Arc::new(token),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the former token still counts");
                }
            }
        }
        Arc::clone(&known.1)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}

impl Token {
    fn read(path: &Path) -> anyhow::Result<Self> {
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
    pub(super) fn is(&self, token: &str) -> bool {
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
        let known = Token::new("0123456789abcdef");
        for (token, wanted) in
            [("0123456789abcdef", true), ("0123456789abcdeF", false), ("", false)]
        {
            assert_eq!(known.is(token), wanted, "{token}");
        }
    }

    /// The example of GitHub's documentation of signatures.
    #[test]
    fn a_signature_is_that_of_the_body() {
        let token = Token::new("It's a Secret to Everybody");
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signature = hex::decode(signature).unwrap_or_default();
        assert!(token.signed(b"Hello, World!", &signature));
        assert!(!token.signed(b"Hello, World", &signature));
        assert!(!token.signed(b"Hello, World!", &signature[1..]));
    }

    #[test]
    fn a_new_token_counts_at_once_and_the_old_one_until_there_is_one() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("token");
        let (old, new) = ("the old token, long enough", "the new token, which is longer");
        std::fs::write(&path, old)?;
        let guard = Guard::open(&path)?;
        assert!(guard.token().is(old));
        for unfit in [Some("short"), None] {
            match unfit {
                Some(text) => std::fs::write(&path, text)?,
                None => std::fs::remove_file(&path)?,
            }
            assert!(guard.token().is(old), "{unfit:?}");
        }
        std::fs::write(&path, new)?;
        assert!(guard.token().is(new) && !guard.token().is(old));
        Ok(())
    }

    #[test]
    fn weak_and_missing_tokens_are_refused() {
        let refusal = |content: Option<&str>| -> anyhow::Result<String> {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("token");
            if let Some(content) = content {
                std::fs::write(&path, content)?;
            }
            Ok(Guard::open(&path).err().map(|error| error.to_string()).unwrap_or_default())
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
