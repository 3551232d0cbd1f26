//! A [`Tree`] of a folder on disk, for what is pushed from there, and back into one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::tree::{Limits, Mode, Node, Tree, bounded, clean};

/// What a symbolic link in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Left out, as the archive of an artifact leaves it out.
    Skip,
    /// What it leads to, wherever that is; not again within itself, and not nothing.
    Follow,
}

/// A directory to be read.
struct Open {
    /// In the tree.
    path: String,
    /// On disk.
    place: PathBuf,
    /// The directories on the way there, free of links, if links are followed.
    above: Vec<PathBuf>,
}

impl Tree {
    /// Reads `folder`: regular files and directories within `limits`; special files are left out.
    /// Bytes beyond a few MiB are kept in an unnamed file in `spool_dir`.
    pub fn from_directory(
        folder: &Path,
        links: Links,
        limits: &Limits,
        spool_dir: &Path,
    ) -> Result<Self, Error> {
        let mut tree = Self::new(*limits, spool_dir);
        let root = Open { path: String::new(), place: folder.into(), above: Vec::new() };
        let mut open = vec![root];
        let mut total_bytes = 0;
        while let Some(Open { path, place, mut above }) = open.pop() {
            let failed = |source| Error::File { operation: "read", path: place.clone(), source };
            if links == Links::Follow {
                let place = fs::canonicalize(&place).map_err(failed)?;
                if above.contains(&place) {
                    continue;
                }
                above.push(place);
            }
            for entry in fs::read_dir(&place).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let (name, place) = (entry.file_name(), entry.path());
                let name = name
                    .to_str()
                    .ok_or_else(|| Error::InvalidName(place.to_string_lossy().into_owned()))?;
                let child = if path.is_empty() { name.into() } else { format!("{path}/{name}") };
                let child = clean(&child)?;
                bounded(child.split('/').count() as u64, limits.depth_max, "nested directories")?;
                let failed =
                    |source| Error::File { operation: "read", path: place.clone(), source };
                let metadata = match links {
                    Links::Skip => entry.metadata().map_err(failed)?,
                    Links::Follow => fs::metadata(&place).map_err(failed)?,
                };
                if metadata.is_dir() {
                    tree.add_directory(&child)?;
                    open.push(Open { path: child, place, above: above.clone() });
                } else if metadata.is_file() {
                    total_bytes += metadata.len();
                    bounded(total_bytes, limits.unpacked_bytes_max, "bytes")?;
                    let executable = metadata.permissions().mode() & 0o111 != 0;
                    let mode = if executable { Mode::Executable } else { Mode::Plain };
                    let file = File::open(&place).map_err(failed)?;
                    tree.add_file(&child, file, metadata.len(), mode)?;
                }
            }
        }
        Ok(tree)
    }

    /// Writes every file below `folder`, which exists. Files that are there are replaced, nothing
    /// else is removed, and a symbolic link in the way is an error: it is never followed.
    pub fn write_into(&self, folder: &Path) -> Result<(), Error> {
        for (path, node) in self.walk() {
            let target = folder.join(path);
            let failed = |source| Error::File { operation: "write", path: target.clone(), source };
            let found = fs::symlink_metadata(&target).ok();
            match (node, found.map(|found| found.file_type())) {
                (_, Some(kind)) if kind.is_symlink() => {
                    return Err(failed(io::Error::other("a symbolic link is in the way")));
                }
                (Node::Directory, Some(kind)) if kind.is_dir() => continue,
                (Node::Directory, _) => {
                    fs::create_dir(&target).map_err(failed)?;
                    continue;
                }
                (Node::File { .. }, Some(_)) => fs::remove_file(&target).map_err(failed)?,
                (Node::File { .. }, None) => {}
            }
            let executable = matches!(node, Node::File { executable: true, .. });
            let mode = if executable { 0o755 } else { 0o644 };
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&target);
            self.copy(node, &mut file.map_err(failed)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_and_follows_no_link() -> Result<(), Box<dyn std::error::Error>> {
        let (from, to, outside) =
            (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
        fs::create_dir(from.path().join("a"))?;
        fs::write(from.path().join("a/x.yaml"), "new")?;
        fs::write(from.path().join("run.sh"), "#!")?;
        fs::set_permissions(from.path().join("run.sh"), PermissionsExt::from_mode(0o700))?;
        fs::write(to.path().join("kept"), "kept")?;
        let tree = Tree::from_directory(from.path(), Links::Skip, &Limits::default(), from.path())?;
        tree.write_into(to.path())?;
        tree.write_into(to.path())?;
        assert_eq!(fs::read(to.path().join("a/x.yaml"))?, b"new");
        assert_eq!(fs::read(to.path().join("kept"))?, b"kept");
        let mode = fs::metadata(to.path().join("run.sh"))?.permissions().mode();
        assert_eq!(mode & 0o100, 0o100);
        fs::remove_dir_all(to.path().join("a"))?;
        std::os::unix::fs::symlink(outside.path(), to.path().join("a"))?;
        let refused = tree.write_into(to.path()).map_err(|error| crate::text::explain(&error));
        let refused = refused.err().unwrap_or_default();
        assert!(refused.ends_with("/a: a symbolic link is in the way"), "{refused}");
        assert_eq!(fs::read_dir(outside.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn links_are_followed_when_asked_for() -> Result<(), Box<dyn std::error::Error>> {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::write(outside.path().join("x.yaml"), "x")?;
        symlink(outside.path(), folder.path().join("base"))?;
        symlink(outside.path().join("x.yaml"), folder.path().join("y.yaml"))?;
        symlink(folder.path(), outside.path().join("again"))?;
        let paths = |links| -> Result<Vec<String>, Error> {
            let tree =
                Tree::from_directory(folder.path(), links, &Limits::default(), folder.path())?;
            Ok(tree.walk().map(|(path, _)| path.to_owned()).collect())
        };
        assert_eq!(paths(Links::Skip)?, [""; 0]);
        let followed = ["base", "base/again", "base/x.yaml", "y.yaml"];
        assert_eq!(paths(Links::Follow)?, followed);
        symlink("nowhere", folder.path().join("z"))?;
        let broken = paths(Links::Follow).map_err(|error| crate::text::explain(&error));
        let broken = broken.err().unwrap_or_default();
        assert!(broken.ends_with("/z: No such file or directory (os error 2)"), "{broken}");
        Ok(())
    }
}
