//! A [`Tree`] to an archive whose bytes depend on its content only (ocirepository.md, 11).

use std::io::Write;

use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

use crate::error::Error;
use crate::ignore::Ignore;
use crate::tree::{Node, Tree};

/// "Unknown", as the reference writes it.
const GZIP_SYSTEM: u8 = 255;
const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o600;
const EXECUTABLE_MODE: u32 = 0o700;

impl Tree {
    /// Writes what `ignore` leaves of the tree to `out` as a gzip-compressed tar.
    ///
    /// Entries come in walk order below a root entry `.`, owned by nobody and without times.
    pub fn pack(&self, ignore: &Ignore, out: impl Write) -> Result<(), Error> {
        let gzip =
            GzBuilder::new().operating_system(GZIP_SYSTEM).write(out, Compression::default());
        let mut archive = tar::Builder::new(gzip);
        append(&mut archive, ".", self, Node::Directory)?;
        for (path, node) in self.walk() {
            let ignored = match node {
                Node::Directory => ignore.ignores_directory(path),
                Node::File { .. } => ignore.ignores_file(path),
            };
            if !ignored {
                append(&mut archive, path, self, node)?;
            }
        }
        let gzip = archive.into_inner().map_err(Error::Pack)?;
        gzip.finish().and_then(|mut out| out.flush()).map_err(Error::Pack)
    }
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    tree: &Tree,
    node: Node,
) -> Result<(), Error> {
    let mut header = Header::new_ustar();
    let (mode, size_bytes) = match node {
        Node::Directory => (DIRECTORY_MODE, 0),
        Node::File { executable: true, size_bytes, .. } => (EXECUTABLE_MODE, size_bytes),
        Node::File { size_bytes, .. } => (FILE_MODE, size_bytes),
    };
    let directory = node == Node::Directory;
    header.set_entry_type(if directory { EntryType::Directory } else { EntryType::Regular });
    header.set_mode(mode);
    header.set_size(size_bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    set_path(archive, &mut header, path)?;
    header.set_cksum();
    let write = |error| Error::Pack(error);
    let out = archive.get_mut();
    out.write_all(header.as_bytes()).map_err(write)?;
    tree.copy(node, out)?;
    let padding = size_bytes.next_multiple_of(512) - size_bytes;
    out.write_all(&[0; 512][..usize::try_from(padding).unwrap_or_default()]).map_err(write)
}

/// Puts `path` into the header if USTAR holds it, else into an extended header in front.
fn set_path<W: Write>(
    archive: &mut tar::Builder<W>,
    header: &mut Header,
    path: &str,
) -> Result<(), Error> {
    let bytes = header.as_mut_bytes();
    if path.is_ascii() && path.len() <= 100 {
        bytes[..path.len()].copy_from_slice(path.as_bytes());
        return Ok(());
    }
    if let Some(split) = path.is_ascii().then(|| ustar_split(path)).flatten() {
        let (prefix, name) = (&path[..split], &path[split + 1..]);
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        return Ok(());
    }
    archive.append_pax_extensions([("path", path.as_bytes())]).map_err(Error::Pack)
}

/// Where to cut a long path: prefix of at most 155 bytes, name of at most 100.
fn ustar_split(path: &str) -> Option<usize> {
    path.rmatch_indices('/')
        .map(|(at, _)| at)
        .find(|at| *at > 0 && *at <= 155 && path.len() - at - 1 <= 100 && path.len() > at + 1)
}
