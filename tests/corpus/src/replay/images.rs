//! Images like the recorded ones: the same files, types and annotations. The bytes of archives
//! differ, and with them the digests.

use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use registry::Registry;
use serde_json::Value;
use tar::{EntryType, Header};

use super::case::{Case, Push, documents};

/// The time of every file that was pushed.
const RECORDED_SECONDS: u64 = 1_700_000_000;

/// Pushes what was pushed, in the `words` of the replay; gives the manifest's digest.
pub(crate) fn push(
    case: &Case,
    push: &Push,
    (registry, repository): (&Registry, &str),
    words: impl Fn(&str) -> String,
) -> anyhow::Result<String> {
    let folder = case.folder.join("artifact").join(&push.folder);
    let mut manifest = push.manifest.clone();
    let config = registry.push_blob(repository, "application/vnd.cncf.flux.config.v1+json", b"{}");
    manifest["config"] = config;
    let count = manifest["layers"].as_array().map_or(0, Vec::len);
    for at in 0..count {
        let kind = manifest["layers"][at]["mediaType"].as_str().unwrap_or_default().to_owned();
        let bytes = match spoken_of(&push.folder, at) {
            Some(bytes) => bytes?,
            None => archive(&spoken(files(&folder)?, &words))?,
        };
        manifest["layers"][at] = registry.push_blob(repository, &kind, &bytes);
    }
    let kind = manifest["mediaType"].as_str().unwrap_or_default().to_owned();
    Ok(registry.push_manifest(repository, &push.tag, &kind, manifest.to_string()))
}

/// Files in the words of the replay, where they are text.
fn spoken(mut files: Vec<File>, words: &impl Fn(&str) -> String) -> Vec<File> {
    for file in &mut files {
        if let Ok(text) = std::str::from_utf8(&file.body) {
            file.body = words(text).into_bytes();
        }
    }
    files
}

/// Layers that the recording describes in words (`oci-F02-layers`).
fn spoken_of(folder: &str, at: usize) -> Option<anyhow::Result<Vec<u8>>> {
    let one = |path: &str, text: &str| archive(&[File::plain(path, text)]);
    match (folder, at) {
        ("two", 0) => Some(one("first.yaml", "a: 1\n")),
        ("two", 1) => Some(one("second.yaml", "b: 1\n")),
        ("two", 2) => Some(one("third.yaml", "c: 1\n")),
        ("two", _) => Some(Ok(b"plain text\n".to_vec())),
        ("broken", _) => Some(one("a.yaml", "a: 1\n").map(|mut bytes| {
            bytes.truncate(bytes.len() / 2);
            bytes
        })),
        ("index0", _) => Some(Ok(Vec::new())),
        _ => None,
    }
}

struct File {
    path: String,
    kind: EntryType,
    mode: u32,
    body: Vec<u8>,
    link: String,
}

impl File {
    fn plain(path: &str, text: &str) -> Self {
        let (kind, link) = (EntryType::Regular, String::new());
        Self { path: path.into(), kind, mode: 0o644, body: text.into(), link }
    }
}

/// The files of a folder: those that lie in it, or those that `files.yaml` lists.
fn files(folder: &Path) -> anyhow::Result<Vec<File>> {
    let listed = folder.join("files.yaml");
    if listed.is_file() {
        let listed = documents(&listed)?;
        let mut files: Vec<File> =
            listed.first().and_then(Value::as_object).into_iter().flatten().map(file).collect();
        let entries = listed.get(1).and_then(|second| second["entries"].as_array());
        files.extend(entries.into_iter().flatten().map(entry));
        return Ok(files);
    }
    let mut files = Vec::new();
    collect(folder, "", &mut files)?;
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(File::plain(&path, &std::fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

fn file((path, value): (&String, &Value)) -> File {
    let text = value.as_str().or(value["text"].as_str()).unwrap_or_default();
    File { mode: number(&value["mode"]).unwrap_or(0o644), ..File::plain(path, text) }
}

fn entry(value: &Value) -> File {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let kind = match text("type") {
        "dir" => EntryType::Directory,
        "symlink" => EntryType::Symlink,
        "link" => EntryType::Link,
        "fifo" => EntryType::Fifo,
        _ => EntryType::Regular,
    };
    let mode = number(&value["mode"]).unwrap_or(0o644);
    File { kind, mode, link: text("link").into(), ..File::plain(text("name"), text("data")) }
}

/// A number, or one that was written in octal.
pub(crate) fn number(value: &Value) -> Option<u32> {
    let octal = value.as_str().and_then(|text| text.strip_prefix("0o"));
    match octal {
        Some(digits) => u32::from_str_radix(digits, 8).ok(),
        None => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

fn archive(files: &[File]) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for file in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(file.kind);
        header.set_mode(file.mode);
        header.set_size(file.body.len() as u64);
        header.set_mtime(RECORDED_SECONDS);
        let name = file.path.as_bytes();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        if !file.link.is_empty() {
            header.set_link_name(&file.link)?;
        }
        header.set_cksum();
        archive.append(&header, file.body.as_slice())?;
    }
    Ok(archive.into_inner()?.finish()?)
}
