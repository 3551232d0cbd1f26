//! Files of which some were fetched. A build cannot fetch: it is tried, what it asked for is noted,
//! fetched by the caller, and it is tried anew (decisions.md, remote bases).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kustomize::files::{FilePath, Files, Kind, Memory, Unreadable};
use kustomize::reference::is_git;

/// Where fetched files lie. They are found by their address only: what an artifact has there is hidden
/// from the build that names one.
const FOLDER: &str = ".sluice-remote";

/// Fetched files of one build, and their bytes together.
const FILES_MAX: usize = 64;
const BYTES_MAX: usize = 64 << 20;

/// A build names more of other hosts than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a build may have {FILES_MAX} files of other hosts with {BYTES_MAX} bytes together")]
pub struct TooMuch;

/// Files with what was fetched for them.
pub struct Remotes<F> {
    files: F,
    fetched: Memory,
    known: BTreeMap<String, FilePath>,
    bytes: usize,
    asked: Mutex<BTreeSet<String>>,
}

impl<F: Files> Remotes<F> {
    /// Files for which nothing has been fetched.
    pub fn new(files: F) -> Self {
        let (fetched, known, asked) = (Memory::default(), BTreeMap::new(), Mutex::default());
        Self { files, fetched, known, bytes: 0, asked }
    }

    /// Adds what was fetched; fails when a build names too much.
    pub fn insert(&mut self, reference: String, content: Vec<u8>) -> Result<(), TooMuch> {
        let number = self.known.len();
        self.bytes += content.len();
        if number >= FILES_MAX || self.bytes > BYTES_MAX {
            return Err(TooMuch);
        }
        let path = FilePath::root().join_clamped(&format!("{FOLDER}/{number}.yaml"));
        self.fetched.insert(path.clone(), content);
        self.known.insert(reference, path);
        Ok(())
    }

    /// What builds have asked for in vain since this was asked last: addresses of files over HTTP.
    pub fn take_asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked())
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Files> Files for Remotes<F> {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        match self.fetched.kind(path) {
            Some(Kind::File) => Some(Kind::File),
            _ => self.files.kind(path),
        }
    }

    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable> {
        self.fetched.read(path).or_else(|_| self.files.read(path))
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        self.files.list(path)
    }

    fn remote(&self, reference: &str) -> Option<FilePath> {
        let known = self.known.get(reference).cloned();
        if known.is_none() && !is_git(reference) {
            self.asked().insert(reference.to_owned());
        }
        known
    }
}
