//! Archives as an attacker writes them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// One entry, its name put into the header byte by byte so that nothing is cleaned up.
pub(crate) fn entry(name: &[u8], kind: EntryType, body: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(body.len() as u64);
    header.as_mut_bytes()[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A regular file.
pub(crate) fn file(name: &str, body: &str) -> Vec<u8> {
    entry(name.as_bytes(), EntryType::Regular, body.as_bytes())
}

/// An extended header in front of the next entry.
pub(crate) fn pax(key: &str, value: &str) -> Vec<u8> {
    entry(b"pax", EntryType::XHeader, record(key, value).as_bytes())
}

/// `length key=value\n`, the length counting itself.
pub(crate) fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while format!("{length}{rest}").len() != length {
        length = format!("{length}{rest}").len();
    }
    format!("{length}{rest}")
}

/// The entries and the end marker.
pub(crate) fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Compressed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
