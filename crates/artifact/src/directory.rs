//! A [`Tree`] of a folder on disk, for what is pushed from there.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Error;
use crate::tree::{Limits, Mode, Tree, bounded, clean};

impl Tree {
    /// Reads `folder`: regular files and directories within `limits`; symbolic links and special
    /// files are left out, as the archive of an artifact leaves them out. Bytes beyond a few MiB
    /// are kept in an unnamed file in `spool_dir`.
    pub fn from_directory(folder: &Path, limits: &Limits, spool_dir: &Path) -> Result<Self, Error> {
        let mut tree = Self::new(*limits, spool_dir);
        let mut open = vec![String::new()];
        let mut total_bytes = 0;
        while let Some(path) = open.pop() {
            let directory = folder.join(&path);
            let failed =
                |source| Error::File { operation: "read", path: directory.clone(), source };
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| {
                    Error::InvalidName(entry.path().to_string_lossy().into_owned())
                })?;
                let child = if path.is_empty() { name.into() } else { format!("{path}/{name}") };
                let child = clean(&child)?;
                bounded(child.split('/').count() as u64, limits.depth_max, "nested directories")?;
                let metadata = entry.metadata().map_err(failed)?;
                if metadata.is_dir() {
                    tree.add_directory(&child)?;
                    open.push(child);
                } else if metadata.is_file() {
                    total_bytes += metadata.len();
                    bounded(total_bytes, limits.unpacked_bytes_max, "bytes")?;
                    let executable = metadata.permissions().mode() & 0o111 != 0;
                    let mode = if executable { Mode::Executable } else { Mode::Plain };
                    let file = File::open(entry.path()).map_err(failed)?;
                    tree.add_file(&child, file, metadata.len(), mode)?;
                }
            }
        }
        Ok(tree)
    }
}
