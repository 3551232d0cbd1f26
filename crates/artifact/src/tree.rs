//! Unpacked files: an index in memory, their bytes in one spool.
//!
//! Names from an archive never become names on disk, so there is nothing to escape from; the
//! spool is an unnamed temporary file and disappears with the tree, whatever happens.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tempfile::SpooledTempFile;

use crate::error::Error;

/// Files by path, as an in-memory file tree takes them.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// Up to here unpacked bytes stay in memory.
const SPOOL_MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// What an archive may hold; each has a flag (decisions.md, limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together, after decompression; archive headers count too.
    pub unpacked_bytes_max: u64,
    /// Files and directories.
    pub entries_max: u64,
    /// Path components of one entry.
    pub depth_max: u64,
    /// Bytes of all entry names together.
    pub names_bytes_max: u64,
    /// Bytes of the compressed layer.
    pub compressed_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes_max: 4 << 30,
            entries_max: 500_000,
            depth_max: 256,
            names_bytes_max: 64 << 20,
            compressed_bytes_max: 1 << 30,
        }
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File { offset: u64, size_bytes: u64, executable: bool },
}

/// A path in walk order: by name in each directory, parents before their children.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WalkPath(String);

impl Ord for WalkPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for WalkPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Files and directories of one archive.
pub struct Tree {
    nodes: BTreeMap<WalkPath, Node>,
    names_bytes: u64,
    limits: Limits,
    spool: Mutex<SpooledTempFile>,
    end: u64,
}

impl Tree {
    /// An empty tree whose bytes beyond a few MiB go to an unnamed file in `spool_dir`.
    pub(crate) fn new(limits: Limits, spool_dir: &Path) -> Self {
        Self::with_spool(limits, SpooledTempFile::new_in(SPOOL_MEMORY_BYTES, spool_dir))
    }

    fn with_spool(limits: Limits, spool: SpooledTempFile) -> Self {
        Self { nodes: BTreeMap::new(), names_bytes: 0, limits, spool: Mutex::new(spool), end: 0 }
    }

    /// A tree of files that are in memory already; paths as in an archive.
    pub fn from_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Error> {
        let mut tree = Self::with_spool(Limits::default(), SpooledTempFile::new(usize::MAX));
        for (path, bytes) in files {
            tree.add_file(&clean(path)?, bytes, bytes.len() as u64, Mode::Plain)?;
        }
        Ok(tree)
    }

    /// Every file with its bytes. The caller bounds memory by the limits it unpacked with.
    pub fn entries(&self) -> Result<Entries, Error> {
        let files = self.nodes.iter().filter(|(_, node)| matches!(node, Node::File { .. }));
        files.map(|(path, node)| Ok((path.0.clone(), self.read(*node)?))).collect()
    }

    /// Makes a directory and its parents.
    pub(crate) fn add_directory(&mut self, path: &str) -> Result<(), Error> {
        if path.is_empty() {
            return Ok(());
        }
        match self.nodes.get(&WalkPath(path.into())) {
            Some(Node::Directory) => return Ok(()),
            Some(Node::File { .. }) => return Err(Error::Clash(path.into())),
            None => {}
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add_directory(parent)?;
        }
        self.insert(path, Node::Directory)
    }

    /// Makes a file of the next `size_bytes` of `from`, and its parents; the last one of a name
    /// wins (ocirepository.md, 8.1).
    pub(crate) fn add_file(
        &mut self,
        path: &str,
        from: impl Read,
        size_bytes: u64,
        mode: Mode,
    ) -> Result<(), Error> {
        if path.is_empty() {
            return Err(Error::InvalidName(path.into()));
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add_directory(parent)?;
        }
        let key = WalkPath(path.into());
        if self.nodes.get(&key) == Some(&Node::Directory) {
            return Err(Error::Clash(path.into()));
        }
        let offset = self.end;
        self.append(from, size_bytes)?;
        let executable = mode == Mode::Executable;
        self.insert(path, Node::File { offset, size_bytes, executable })
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), Error> {
        self.nodes.insert(WalkPath(path.into()), node);
        self.names_bytes += path.len() as u64;
        bounded(self.nodes.len() as u64, self.limits.entries_max, "files")?;
        bounded(self.names_bytes, self.limits.names_bytes_max, "bytes of names")
    }

    fn append(&mut self, mut from: impl Read, size_bytes: u64) -> Result<(), Error> {
        let spool = self.spool.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = vec![0; size_bytes.min(64 * 1024) as usize];
        let mut left = size_bytes;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = from.read(&mut buffer[..want]).map_err(Error::ReadEntry)?;
            if count == 0 {
                return Err(Error::ReadEntry(unexpected_eof()));
            }
            spool.write_all(&buffer[..count]).map_err(Error::Spool)?;
            left -= count as u64;
            self.end += count as u64;
        }
        Ok(())
    }

    /// All nodes in walk order, without the root.
    pub(crate) fn walk(&self) -> impl Iterator<Item = (&str, Node)> {
        self.nodes.iter().map(|(path, node)| (path.0.as_str(), *node))
    }

    /// The bytes of one file.
    pub(crate) fn read(&self, node: Node) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.copy(node, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the bytes of one file to `out`.
    pub(crate) fn copy(&self, node: Node, out: &mut impl Write) -> Result<(), Error> {
        let Node::File { offset, size_bytes, .. } = node else { return Ok(()) };
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        spool.seek(SeekFrom::Start(offset)).map_err(Error::Spool)?;
        std::io::copy(&mut (&mut *spool).take(size_bytes), out).map_err(Error::Pack)?;
        Ok(())
    }
}

/// Whether a file carries an execute bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Executable,
}

/// The path an entry's name stands for, without `.` and empty components; empty for the root.
///
/// Refused are empty and absolute names, `..`, backslashes and NUL (ocirepository.md, 8.1;
/// security A1).
pub(crate) fn clean(name: &str) -> Result<String, Error> {
    let bad = name.is_empty() || name.starts_with('/') || name.contains(['\\', '\0']);
    let mut path = String::with_capacity(name.len());
    for part in name.split('/') {
        match part {
            _ if bad => return Err(Error::InvalidName(name.into())),
            ".." => return Err(Error::InvalidName(name.into())),
            "" | "." => {}
            part if path.is_empty() => path.push_str(part),
            part => path.extend(["/", part]),
        }
    }
    Ok(path)
}

/// Refuses a count above its limit.
pub(crate) fn bounded(count: u64, limit: u64, unit: &'static str) -> Result<(), Error> {
    if count > limit { Err(Error::Limit { limit, unit }) } else { Ok(()) }
}

fn unexpected_eof() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "unexpected EOF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_tree() {
        for name in ["", "/a", "..", "../a", "a/../b", "a/..", "a\\b", "a\0b"] {
            assert!(clean(name).is_err(), "{name:?}");
        }
        for (name, path) in [("./", ""), ("./a//b/", "a/b"), ("foo..bar", "foo..bar")] {
            assert_eq!(clean(name).ok().as_deref(), Some(path));
        }
    }

    #[test]
    fn walks_parents_first_and_by_name() -> Result<(), Error> {
        let tree = Tree::from_files([("a.b", b"".as_slice()), ("a/z", b""), ("a-c", b"")])?;
        let walk: Vec<_> = tree.walk().map(|(path, _)| path).collect();
        assert_eq!(walk, ["a", "a/z", "a-c", "a.b"]);
        Ok(())
    }
}
