//! The only door to files: what a build may read, and how paths stay inside.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A path below a root: relative, normalised, unable to leave it. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Follows a relative path from here; `None` when it is absolute or leaves the root.
    pub fn join(&self, path: &str) -> Option<Self> {
        if path.starts_with('/') {
            return None;
        }
        self.walk(path, |parts| parts.pop().is_some())
    }

    /// Follows a path from here and stops at the root instead of leaving it.
    #[must_use]
    pub fn join_clamped(&self, path: &str) -> Self {
        let stay = |parts: &mut Vec<&str>| {
            parts.pop();
            true
        };
        self.walk(path, stay).unwrap_or_default()
    }

    fn walk(&self, path: &str, up: impl Fn(&mut Vec<&str>) -> bool) -> Option<Self> {
        let mut parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        let outer: &str = path;
        for part in outer.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if !up(&mut parts) {
                        return None;
                    }
                }
                name => parts.push(name),
            }
        }
        Some(Self(parts.join("/")))
    }

    /// The directory that holds this.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned())
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Whether this is `directory` or below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.0.is_empty()
            || self
                .0
                .strip_prefix(&directory.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path without a leading slash; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The way from a directory to this, with `..` where needed.
    pub(crate) fn relative_to(&self, directory: &Self) -> String {
        let split = |path: &Self| -> Vec<String> {
            path.0.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let (target, base) = (split(self), split(directory));
        let common = target.iter().zip(&base).take_while(|(a, b)| a == b).count();
        let ups = std::iter::repeat_n("..".to_owned(), base.len() - common);
        ups.chain(target.into_iter().skip(common)).collect::<Vec<_>>().join("/")
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "/{}", self.0)
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something to read.
    File,
    /// Something to list.
    Directory,
}

/// Why a path cannot be read or listed: a text such as `permission denied`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// A tree of files that a build may read.
pub trait Files {
    /// What is at a path, if anything.
    fn kind(&self, path: &FilePath) -> Option<Kind>;
    /// The content of a file.
    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable>;
    /// The names in a directory with their kinds, in byte order.
    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable>;

    /// Where in this tree a remote file or directory lies, if whoever gives the files fetched it.
    /// By default nothing was, and remote references are refused.
    fn remote(&self, reference: &str) -> Option<FilePath> {
        let _ = reference;
        None
    }
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<FilePath, Vec<u8>>,
    directories: BTreeSet<FilePath>,
}

impl Memory {
    /// Adds a file and the directories that lead to it.
    pub fn insert(&mut self, path: FilePath, content: Vec<u8>) {
        self.insert_directory(path.parent());
        self.files.insert(path, content);
    }

    /// Adds an empty directory and those that lead to it.
    pub fn insert_directory(&mut self, path: FilePath) {
        let mut path = path;
        while !path.as_str().is_empty() && self.directories.insert(path.clone()) {
            path = path.parent();
        }
    }
}

impl<P: AsRef<str>, C: Into<Vec<u8>>> FromIterator<(P, C)> for Memory {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let mut memory = Self::default();
        for (path, content) in files {
            memory.insert(FilePath::root().join_clamped(path.as_ref()), content.into());
        }
        memory
    }
}

impl Files for Memory {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        if self.files.contains_key(path) {
            return Some(Kind::File);
        }
        let directory = path.as_str().is_empty() || self.directories.contains(path);
        directory.then_some(Kind::Directory)
    }

    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable> {
        let content = self.files.get(path).map(|content| Cow::Borrowed(content.as_slice()));
        content.ok_or_else(|| Unreadable("no such file or directory".to_owned()))
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        // Everything below a directory is together in the order of paths.
        let prefix = if path.0.is_empty() { String::new() } else { format!("{}/", path.0) };
        let start = FilePath(prefix.clone());
        let below = |child: &&FilePath| child.0.starts_with(&prefix);
        let direct = |child: &&FilePath| !child.0[prefix.len()..].contains('/');
        let directories = self.directories.range(&start..).take_while(below).filter(direct);
        let files = self.files.range(&start..).map(|(file, _)| file);
        let files = files.take_while(below).filter(direct);
        let mut names: Vec<_> = directories
            .map(|path| (path.name().to_owned(), Kind::Directory))
            .chain(files.map(|path| (path.name().to_owned(), Kind::File)))
            .collect();
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(names)
    }
}

/// Replaced files over untouched ones.
pub struct Overlay<'a> {
    under: &'a dyn Files,
    over: Memory,
}

impl<'a> Overlay<'a> {
    /// Puts files over others.
    pub fn new(under: &'a dyn Files, over: Memory) -> Self {
        Self { under, over }
    }
}

impl Files for Overlay<'_> {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        match self.over.kind(path) {
            Some(Kind::File) => Some(Kind::File),
            _ => self.under.kind(path),
        }
    }

    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable> {
        self.over.read(path).or_else(|_| self.under.read(path))
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        let mut names: BTreeMap<String, Kind> = self.under.list(path)?.into_iter().collect();
        let replaced = self.over.list(path)?;
        names.extend(replaced.into_iter().filter(|(_, kind)| *kind == Kind::File));
        Ok(names.into_iter().collect())
    }

    fn remote(&self, reference: &str) -> Option<FilePath> {
        self.under.remote(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let base = FilePath::root().join_clamped("a/b");
        assert_eq!(base.join("../c/./d").map(|path| path.to_string()).as_deref(), Some("/a/c/d"));
        assert_eq!(base.join("../../.."), None);
        assert_eq!(base.join("/etc"), None);
        assert_eq!(base.join_clamped("../../../x").as_str(), "x");
        assert!(base.is_within(&FilePath::root().join_clamped("a")));
        assert!(!base.is_within(&FilePath::root().join_clamped("a/bb")));
    }
}
