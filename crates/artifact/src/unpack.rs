//! A gzip-compressed tar to a [`Tree`], bounded and confined (ocirepository.md, 8.1).
//!
//! The tar format is read here, block by block, because a reader that collects long names and
//! extended headers in memory has no bound on them.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{EntryType, Header};

use crate::digest::{Digest, HashReader};
use crate::error::Error;
use crate::tree::{Limits, Mode, Tree, bounded, clean};

const BLOCK_BYTES: u64 = 512;
/// The most that a long name or an extended header may hold, as in Go's reader.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// Bits of a file's mode that let somebody execute it.
const EXECUTE_BITS: u32 = 0o111;

impl Tree {
    /// Unpacks `layer`; bytes beyond a few MiB are kept in an unnamed file in `spool_dir`.
    ///
    /// The whole stream is read, so that a broken end is an error too. Symbolic links and global
    /// extended headers are skipped; hard links, devices, names that leave the tree and anything over
    /// `limits` fail the artifact.
    pub fn unpack(layer: impl Read, limits: &Limits, spool_dir: &Path) -> Result<Self, Error> {
        let mut compressed = Counted::new(layer, limits.compressed_bytes_max);
        let magic = read_magic(&mut compressed)?;
        let whole = magic.as_slice().chain(&mut compressed);
        let mut plain = Counted::new(MultiGzDecoder::new(whole), limits.unpacked_bytes_max);
        let mut tree = Tree::new(*limits, spool_dir);
        let result = read_entries(&mut plain, &mut tree, limits).and_then(|()| {
            io::copy(&mut plain, &mut io::sink()).map_err(|error| Error::ReadTar(go_error(error)))
        });
        let too_long = plain.exceeded;
        drop(plain);
        match result {
            Err(_) if too_long => {
                Err(Error::Limit { limit: limits.unpacked_bytes_max, unit: "unpacked bytes" })
            }
            Err(_) if compressed.exceeded => {
                Err(Error::Limit { limit: limits.compressed_bytes_max, unit: "compressed bytes" })
            }
            result => result.map(|_| tree),
        }
    }

    /// Unpacks an archive whose bytes must have this digest, as [`Tree::unpack`] does; what is wrong
    /// with bytes that are not the promised ones is not told.
    pub fn unpack_checked(
        archive: impl Read,
        digest: &Digest,
        limits: &Limits,
        spool_dir: &Path,
    ) -> Result<Self, Error> {
        let mut reader = HashReader::new(digest.algorithm(), archive);
        let tree = Self::unpack(&mut reader, limits, spool_dir);
        if reader.drain().map_err(Error::Read)? != *digest {
            return Err(Error::Corrupt(digest.to_string()));
        }
        tree
    }
}

/// The first bytes of a gzip stream, or why it is none.
fn read_magic(layer: &mut impl Read) -> Result<[u8; 2], Error> {
    let mut magic = [0; 2];
    match layer.read_exact(&mut magic) {
        Ok(()) if magic == [0x1f, 0x8b] => Ok(magic),
        Ok(()) => Err(Error::NotGzip(io::Error::other("gzip: invalid header"))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Error::NotGzip(io::Error::new(error.kind(), "EOF")))
        }
        Err(error) => Err(Error::NotGzip(error)),
    }
}

/// What extended headers say about the next entry.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    size_bytes: Option<u64>,
}

fn read_entries(from: &mut impl Read, tree: &mut Tree, limits: &Limits) -> Result<(), Error> {
    let mut extension = Extension::default();
    let mut count = 0;
    while let Some(header) = read_header(from)? {
        count += 1;
        // Twice: an entry may have an extended header in front of it.
        bounded(count, limits.entries_max.saturating_mul(2), "files")?;
        let kind = header.entry_type();
        let own_size = header.entry_size().map_err(|_| BAD_HEADER)?;
        if kind.is_pax_local_extensions() {
            parse_pax(&read_extension(from, own_size)?, &mut extension)?;
        } else if kind.is_gnu_longname() {
            let mut name = read_extension(from, own_size)?;
            name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
            extension.path = Some(name);
        } else if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
            skip(from, own_size)?;
        } else {
            let extension = std::mem::take(&mut extension);
            read_entry(from, &header, extension, &mut Target { tree: &mut *tree, limits })?;
        }
    }
    Ok(())
}

struct Target<'a> {
    tree: &'a mut Tree,
    limits: &'a Limits,
}

fn read_entry(
    from: &mut impl Read,
    header: &Header,
    extension: Extension,
    into: &mut Target<'_>,
) -> Result<(), Error> {
    let raw = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let name = String::from_utf8(raw)
        .map_err(|error| Error::InvalidName(String::from_utf8_lossy(error.as_bytes()).into()))?;
    let path = clean(&name)?;
    bounded(path.split('/').count() as u64, into.limits.depth_max, "nested directories")?;
    let size_bytes = match extension.size_bytes {
        Some(size_bytes) => size_bytes,
        None => header.entry_size().map_err(|_| BAD_HEADER)?,
    };
    let kind = header.entry_type();
    let old_directory = header.as_bytes()[156] == 0 && name.ends_with('/');
    if kind == EntryType::Directory || old_directory {
        into.tree.add_directory(&path)?;
        return skip(from, if old_directory { size_bytes } else { 0 });
    }
    match kind {
        // Symbolic links have no body, whatever size they state.
        EntryType::Symlink => Ok(()),
        EntryType::Regular | EntryType::Continuous => {
            bounded(size_bytes, into.limits.unpacked_bytes_max, "unpacked bytes")?;
            let mode = header.mode().map_err(|_| BAD_HEADER)?;
            let mode = if mode & EXECUTE_BITS == 0 { Mode::Plain } else { Mode::Executable };
            into.tree.add_file(&path, &mut *from, size_bytes, mode).map_err(go_read_error)?;
            skip_padding(from, size_bytes)
        }
        kind => {
            let kind = kind_name(kind, header.mode().map_err(|_| BAD_HEADER)?);
            Err(Error::UnsupportedKind { name, kind })
        }
    }
}

/// What an entry is; as Go prints a file's mode where it has one.
fn kind_name(kind: EntryType, mode: u32) -> String {
    let letters = match kind {
        EntryType::Link => return "hard link".into(),
        EntryType::GNUSparse => return "sparse file".into(),
        EntryType::Char => "Dc",
        EntryType::Block => "D",
        EntryType::Fifo => "p",
        _ => "?",
    };
    let rights = "rwxrwxrwx".chars().enumerate();
    let rights = rights.map(|(at, right)| if mode & (0o400 >> at) == 0 { '-' } else { right });
    letters.chars().chain(rights).collect()
}

const BAD_HEADER: Error = Error::BadTar("invalid tar header");

/// The next header; `None` at the end of the archive.
fn read_header(from: &mut impl Read) -> Result<Option<Header>, Error> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]).map_err(|error| Error::ReadTar(go_error(error)))? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(Error::ReadTar(unexpected_eof())),
            count => filled += count,
        }
    }
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    match header.cksum() {
        Ok(stated) if stated == sum => Ok(Some(header)),
        _ => Err(BAD_HEADER),
    }
}

fn read_extension(from: &mut impl Read, size_bytes: u64) -> Result<Vec<u8>, Error> {
    bounded(size_bytes, EXTENSION_BYTES_MAX, "bytes in an extended header")?;
    let mut bytes = Vec::new();
    let read = from.take(size_bytes).read_to_end(&mut bytes);
    read.map_err(|error| Error::ReadTar(go_error(error)))?;
    if (bytes.len() as u64) < size_bytes {
        return Err(Error::ReadTar(unexpected_eof()));
    }
    skip_padding(from, size_bytes)?;
    Ok(bytes)
}

/// Reads `length key=value\n` records.
fn parse_pax(mut records: &[u8], extension: &mut Extension) -> Result<(), Error> {
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or(BAD_HEADER)?;
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse().ok());
        let length: usize = length.ok_or(BAD_HEADER)?;
        let record = records.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or(BAD_HEADER)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BAD_HEADER)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extension.path = Some(value.into()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                extension.size_bytes = Some(size.ok_or(BAD_HEADER)?);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(Error::BadTar("sparse files are not supported"));
            }
            _ => {}
        }
        records = &records[length..];
    }
    Ok(())
}

fn skip(from: &mut impl Read, size_bytes: u64) -> Result<(), Error> {
    let skipped = io::copy(&mut from.take(size_bytes), &mut io::sink());
    match skipped.map_err(|error| Error::ReadTar(go_error(error)))? {
        count if count < size_bytes => Err(Error::ReadTar(unexpected_eof())),
        _ => skip_padding(from, size_bytes),
    }
}

fn skip_padding(from: &mut impl Read, size_bytes: u64) -> Result<(), Error> {
    let padding = size_bytes.next_multiple_of(BLOCK_BYTES) - size_bytes;
    io::copy(&mut from.take(padding), &mut io::sink())
        .map_err(|error| Error::ReadTar(go_error(error)))?;
    Ok(())
}

/// A reader that fails beyond `max` bytes and remembers that it did.
struct Counted<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R> Counted<R> {
    fn new(inner: R, max: u64) -> Self {
        Self { inner, left: max, exceeded: false }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(count as u64) else {
            self.exceeded = true;
            return Err(io::Error::other("limit exceeded"));
        };
        self.left = left;
        Ok(count)
    }
}

fn go_read_error(error: Error) -> Error {
    match error {
        Error::ReadEntry(error) => Error::ReadEntry(go_error(error)),
        error => error,
    }
}

/// The decompressor's errors in the reference's words (ocirepository.md, 8.1).
fn go_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => unexpected_eof(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            let text = error.to_string();
            let said = match &text {
                text if text.contains("deflate") => "flate: corrupt input",
                text if text.contains("header") => "gzip: invalid header",
                _ => "gzip: invalid checksum",
            };
            io::Error::new(error.kind(), said)
        }
        _ => error,
    }
}

fn unexpected_eof() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF")
}
