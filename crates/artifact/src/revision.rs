//! The human-readable identity of an artifact's content.

use std::fmt;

/// `tag@sha256:…`, or a bare `sha256:…` for a digest reference (ocirepository.md, 8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    /// A revision as written in a status.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text after the last `@`, which names the stored file (ocirepository.md, 11).
    pub fn file_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(_, digest)| digest)
    }

    /// The text as it stands in a status.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_after_the_last_at() {
        assert_eq!(Revision::new("6.1.6@sha256:ab").file_part(), "sha256:ab");
        assert_eq!(Revision::new("a@b@sha256:ab").file_part(), "sha256:ab");
        assert_eq!(Revision::new("sha256:ab").file_part(), "sha256:ab");
    }
}
