//! Files of this machine, read when asked for: the only tree that lies on a disk.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use kustomize::files::{FilePath, Files, Kind, Unreadable};

/// The file system below its root; symbolic links are followed.
pub(crate) struct Local {
    root: PathBuf,
}

impl Local {
    /// Opens the file system and finds a directory in it.
    pub(crate) fn open(directory: &Path) -> std::io::Result<(Self, FilePath)> {
        // What is not there is told by whoever asks for it, in its own words.
        let absolute = directory.canonicalize().or_else(|_| std::path::absolute(directory))?;
        let path = FilePath::root().join_clamped(&absolute.to_string_lossy());
        Ok((Self { root: PathBuf::from("/") }, path))
    }

    fn real(&self, path: &FilePath) -> PathBuf {
        self.root.join(path.as_str())
    }
}

fn kind_of(path: &Path) -> Option<Kind> {
    let metadata = path.metadata().ok()?;
    Some(if metadata.is_dir() { Kind::Directory } else { Kind::File })
}

impl Files for Local {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        kind_of(&self.real(path))
    }

    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable> {
        let content = std::fs::read(self.real(path));
        content.map(Cow::Owned).map_err(|error| Unreadable(error.to_string()))
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        let broken = |error: std::io::Error| Unreadable(error.to_string());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.real(path)).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            if let Some(kind) = kind_of(&entry.path()) {
                names.push((entry.file_name().to_string_lossy().into_owned(), kind));
            }
        }
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(names)
    }
}
