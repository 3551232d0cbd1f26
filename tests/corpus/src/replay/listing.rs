//! The entries of an archive, as the recordings list them.

use std::io::Read as _;

use artifact::Digest;
use artifact::digest::Algorithm;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

/// Every entry of a gzip-compressed tar; nothing for other bytes.
pub(crate) fn of(bytes: &[u8]) -> Value {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes));
    let Ok(entries) = archive.entries() else { return Value::Null };
    entries.filter_map(Result::ok).map(one).collect()
}

fn one(mut entry: tar::Entry<'_, impl std::io::Read>) -> Value {
    let mut body = Vec::new();
    // What cannot be read has no digest that fits.
    let _ = entry.read_to_end(&mut body);
    let header = entry.header();
    let name =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let mut listed = json!({
        "name": String::from_utf8_lossy(&entry.path_bytes()),
        "type": char::from(header.entry_type().as_byte()).to_string(),
        "mode": header.mode().unwrap_or_default(),
        "mtime": header.mtime().unwrap_or_default(),
        "uid": header.uid().unwrap_or_default(),
        "gid": header.gid().unwrap_or_default(),
        "uname": name(header.username_bytes()),
        "gname": name(header.groupname_bytes()),
        "size": header.size().unwrap_or_default(),
    });
    if header.entry_type().is_file() {
        listed["sha256"] = Digest::of(Algorithm::Sha256, &body).hex().into();
    }
    listed
}
