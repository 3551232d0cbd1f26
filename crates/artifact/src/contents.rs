//! Which content is linked to: the file system counts, and this finds the content of a link.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Files of content by inode, which every link to one shares. Content that lost its last link is
/// removed at once.
#[derive(Default)]
pub(crate) struct Contents(HashMap<u64, PathBuf>);

impl Contents {
    /// Finds out what lies in a folder, and removes what nothing links to.
    pub(crate) fn of(folder: &Path) -> Result<Self, Error> {
        let mut contents = Self::default();
        for entry in fs::read_dir(folder).map_err(file_error("list", folder))? {
            let path = entry.map_err(file_error("list", folder))?.path();
            let inode = contents.note(&path)?;
            contents.release(inode)?;
        }
        Ok(contents)
    }

    /// Notes a file of content; gives its inode.
    pub(crate) fn note(&mut self, content: &Path) -> Result<u64, Error> {
        let inode = fs::metadata(content).map_err(file_error("stat", content))?.ino();
        self.0.insert(inode, content.to_owned());
        Ok(inode)
    }

    /// Removes a link, and its content with the last one; that there is none is no error.
    pub(crate) fn unlink(&mut self, link: &Path) -> Result<(), Error> {
        let inode = fs::symlink_metadata(link).map(|metadata| metadata.ino());
        remove_file(link)?;
        inode.map_or(Ok(()), |inode| self.release(inode))
    }

    /// Removes content that nothing links to any more.
    pub(crate) fn release(&mut self, inode: u64) -> Result<(), Error> {
        let Some(content) = self.0.get(&inode) else { return Ok(()) };
        // The name may hold other content by now, which has an inode of its own.
        let links = fs::metadata(content)
            .ok()
            .and_then(|metadata| (metadata.ino() == inode).then(|| metadata.nlink()));
        match links {
            Some(1) => remove_file(content)?,
            Some(_) => return Ok(()),
            None => {}
        }
        self.0.remove(&inode);
        Ok(())
    }
}

/// Removes a file; that there is none is no error.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(file_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Names what was done to which file.
pub(crate) fn file_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}
