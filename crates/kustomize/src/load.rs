//! Finding and reading what a kustomization refers to.

use std::borrow::Cow;

use crate::files::{FilePath, Files, Kind};
use crate::kustomization::{FILE_NAMES, Kustomization};
use crate::migrate::migrate;
use crate::reference::{is_git, is_remote, shown};
use crate::{Error, LoadRestriction};

/// How many directories a build may load.
pub(crate) const DIRECTORIES_MAX: usize = 50_000;
/// How deep bases may nest.
pub(crate) const BASES_DEPTH_MAX: usize = 100;
/// How many bytes a build may read.
pub(crate) const BYTES_MAX: usize = 1 << 30;

/// A directory with the directories that led to it, outermost first.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) directory: FilePath,
    pub(crate) above: Vec<FilePath>,
}

impl Location {
    pub(crate) fn directory(&self) -> &FilePath {
        &self.directory
    }
}

/// Reads on behalf of one build, and keeps its bounds.
pub(crate) struct Loader<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) restriction: LoadRestriction,
    directories: usize,
    bytes: usize,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(files: &'a dyn Files, restriction: LoadRestriction) -> Self {
        Self { files, restriction, directories: 0, bytes: 0 }
    }

    /// Finds and reads the kustomization file of a directory.
    pub(crate) fn kustomization(
        &mut self,
        at: &Location,
        warnings: &mut Vec<String>,
    ) -> Result<(Kustomization, &'static str), Error> {
        self.directories += 1;
        if self.directories > DIRECTORIES_MAX {
            return Err(Error::Limit("number of bases"));
        }
        let directory = at.directory();
        let found: Vec<_> = FILE_NAMES
            .into_iter()
            .filter_map(|name| Some((name, directory.join(name)?)))
            .filter(|(_, path)| self.files.kind(path) == Some(Kind::File))
            .collect();
        let (name, path) = match found.as_slice() {
            [one] => one.clone(),
            [] => {
                return Err(Error::rule(format!(
                    "unable to find one of 'kustomization.yaml', 'kustomization.yml' or \
                     'Kustomization' in directory '{directory}'"
                )));
            }
            _ => {
                return Err(Error::rule(format!(
                    "Found multiple kustomization files under: {directory}\n"
                )));
            }
        };
        let text = self.read(&path)?;
        let mut file = Kustomization::parse(&text)?;
        warnings.append(&mut migrate(&mut file));
        if !file.gives_anything {
            return Err(Error::rule("kustomization.yaml is empty"));
        }
        let errors = file.header_errors();
        if !errors.is_empty() {
            return Err(Error::rule(format!(
                "Failed to read kustomization file under {directory}:\n{}",
                errors.join("\n")
            )));
        }
        Ok((file, name))
    }

    /// Reads a file that a kustomization names.
    pub(crate) fn load(&mut self, at: &Location, name: &str) -> Result<Vec<u8>, Error> {
        let directory = at.directory();
        let remote = self.remote(name)?;
        let is_local = remote.is_none();
        let Some(path) = remote.or_else(|| self.follow(directory, name)) else {
            return Err(outside("read", name));
        };
        let problem = match (self.files.kind(&path), self.restriction) {
            (Some(Kind::File), LoadRestriction::RootOnly)
                if is_local && !path.is_within(directory) =>
            {
                format!("security; file '{path}' is not in or below '{directory}'")
            }
            (Some(Kind::File), _) => return Ok(self.read_bytes(&path)?.into_owned()),
            (Some(Kind::Directory), LoadRestriction::RootOnly) => {
                format!("'{path}' must resolve to a file")
            }
            (Some(Kind::Directory), _) => format!("read {path}: is a directory"),
            (None, LoadRestriction::RootOnly) => self.not_there(&path),
            (None, _) => format!("open {path}: no such file or directory"),
        };
        Err(Error::File { problem })
    }

    /// The path of a file; inside a tree of its own nothing leads out, not even for a step.
    fn follow(&self, directory: &FilePath, name: &str) -> Option<FilePath> {
        match (self.restriction, name.strip_prefix('/')) {
            (LoadRestriction::Tree, _) => directory.join(name),
            (_, Some(absolute)) => Some(FilePath::root().join_clamped(absolute)),
            (_, None) => Some(directory.join_clamped(name)),
        }
    }

    /// Where a remote reference leads, if this is one: nowhere, unless it was fetched.
    fn remote(&self, name: &str) -> Result<Option<FilePath>, Error> {
        if !is_remote(name) {
            return Ok(None);
        }
        let refused = || {
            let shown = shown(name);
            Error::Refused(if is_git(name) {
                format!("Git base '{shown}' is refused: put its files into the artifact")
            } else {
                format!(
                    "remote resource '{shown}' is refused: only files of the artifact are built"
                )
            })
        };
        self.files.remote(name).map(Some).ok_or_else(refused)
    }

    /// Which part of a path is the first that does not exist.
    fn not_there(&self, path: &FilePath) -> String {
        let mut missing = path.clone();
        while !missing.as_str().is_empty() && self.files.kind(&missing.parent()).is_none() {
            missing = missing.parent();
        }
        if self.files.kind(&missing.parent()) == Some(Kind::File) {
            return format!("evalsymlink failure on '{path}' : not a directory");
        }
        format!("evalsymlink failure on '{path}' : lstat {missing}: no such file or directory")
    }

    /// Reads a text file that a kustomization names.
    pub(crate) fn load_text(&mut self, at: &Location, name: &str) -> Result<String, Error> {
        let bytes = self.load(at, name)?;
        let not_text = |_| Error::File { problem: format!("{name}: not UTF-8 text") };
        String::from_utf8(bytes).map_err(not_text)
    }

    fn read(&mut self, path: &FilePath) -> Result<String, Error> {
        let bytes = self.read_bytes(path)?.into_owned();
        let not_text = |_| Error::File { problem: format!("{path}: not UTF-8 text") };
        String::from_utf8(bytes).map_err(not_text)
    }

    fn read_bytes(&mut self, path: &FilePath) -> Result<Cow<'a, [u8]>, Error> {
        let files = self.files;
        let bytes = files
            .read(path)
            .map_err(|error| Error::File { problem: format!("open {path}: {error}") })?;
        self.bytes += bytes.len();
        if self.bytes > BYTES_MAX {
            return Err(Error::Limit("size of files read"));
        }
        Ok(bytes)
    }

    /// Fails if there is no directory at a path.
    pub(crate) fn confirm(&self, path: &FilePath) -> Result<(), Error> {
        let problem = match self.files.kind(path) {
            Some(Kind::Directory) => return Ok(()),
            Some(Kind::File) => format!("'{path}': file is not directory"),
            None => format!("not a valid directory: {}", self.not_there(path)),
        };
        Err(Error::File { problem }.during("must build at directory"))
    }

    /// Follows a reference to a directory.
    pub(crate) fn enter(&self, at: &Location, name: &str) -> Result<Location, Error> {
        if name.is_empty() {
            return Err(Error::rule("new root cannot be empty"));
        }
        let remote = self.remote(name)?;
        if name.starts_with('/') {
            return Err(Error::rule(format!("new root '{name}' cannot be absolute")));
        }
        let Some(path) = remote.or_else(|| at.directory().join(name)) else {
            return Err(outside("enter", name));
        };
        self.confirm(&path)?;
        let mut above = at.above.clone();
        above.push(at.directory.clone());
        if let Some(visited) = above.iter().rev().find(|visited| visited.is_within(&path)) {
            let trail: Vec<_> = above.iter().map(ToString::to_string).collect();
            return Err(Error::rule(format!(
                "cycle detected: candidate root '{path}' contains visited root '{visited}' (by \
                 way of {})",
                trail.join(" -> ")
            )));
        }
        if above.len() >= BASES_DEPTH_MAX {
            return Err(Error::Limit("nesting of bases"));
        }
        Ok(Location { directory: path, above })
    }
}

/// What the reference's confined file system answers.
fn outside(operation: &str, name: &str) -> Error {
    Error::Refused(format!(
        "fs-security-constraint {operation} {name}: path '{name}' is not in or below '/'"
    ))
}
