//! Everything that can go wrong with an artifact.

use std::io;
use std::path::PathBuf;

use crate::text::quoted;

/// A failed operation on an archive or on the store.
///
/// Texts and their order follow ocirepository.md, 8.1; print the whole chain with
/// [`explain`](crate::text::explain).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The layer is not gzip.
    #[error("requires gzip-compressed body")]
    NotGzip(#[source] io::Error),
    /// The archive cannot be read.
    #[error("tar error")]
    ReadTar(#[source] io::Error),
    /// The archive holds something that is no tar.
    #[error("tar error: archive/tar: {0}")]
    BadTar(&'static str),
    /// An entry's bytes cannot be read.
    #[error("error copying buffer")]
    ReadEntry(#[source] io::Error),
    /// An entry's name could leave the tree, or is no name.
    #[error("tar contained invalid name error {}", quoted(.0))]
    InvalidName(String),
    /// A device, fifo or other special file.
    #[error("tar file entry {name} contained unsupported file type {kind}")]
    UnsupportedKind {
        /// The entry.
        name: String,
        /// What it is.
        kind: String,
    },
    /// A file where a directory is, or below a file.
    #[error("open {0}: file and directory of the same name")]
    Clash(String),
    /// More than a [`Limits`](crate::Limits) field allows.
    #[error("archive exceeds the limit of {limit} {unit}")]
    Limit {
        /// The bound.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// The spool of unpacked bytes cannot be written or read.
    #[error("failed to spool unpacked files")]
    Spool(#[source] io::Error),
    /// More ignore patterns than are matched.
    #[error("failed to load source ignore patterns from repository: more than {0} patterns")]
    TooManyPatterns(usize),
    /// The bytes of the archive cannot be read.
    #[error("failed to read archive")]
    Read(#[source] io::Error),
    /// The archive cannot be written.
    #[error("failed to write archive")]
    Pack(#[source] io::Error),
    /// A namespace, name or revision that cannot be part of a path.
    #[error("cannot store an artifact as {}", quoted(.0))]
    InvalidPath(String),
    /// A file operation of the store.
    #[error("{operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Stored bytes are not what their digest says (security: poisoned cache).
    #[error("computed digest doesn't match '{0}'")]
    Corrupt(String),
}

impl Error {
    /// Whether a stored file that was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
