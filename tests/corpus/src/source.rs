//! The tables of the source half: ignore rules, references, versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use artifact::{Ignore, Tree};
use serde_json::Value;

use crate::report::Report;

/// The rows of a JSON-lines table; `None` when the corpus does not hold it.
fn rows(root: &Path, table: &str) -> Result<Option<Vec<Value>>> {
    let path = root.join("tables").join(table);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {table}"))?;
    let rows = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    rows.map(Some).with_context(|| format!("parsing {table}"))
}

fn text<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row.get(key)?.as_str()
}

fn texts(row: &Value, key: &str) -> BTreeMap<String, String> {
    let Some(map) = row.get(key).and_then(Value::as_object) else { return BTreeMap::new() };
    map.iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().into()))
        .collect()
}

/// Says what was wrong unless both are equal.
fn differs<T: PartialEq + std::fmt::Debug>(row: &Value, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{row}: found {found:?}"))
}

/// `sourceignore.jsonl`: one path under a list of rules.
pub(crate) fn sourceignore(root: &Path) -> Result<Option<Report>> {
    let Some(rows) = rows(root, "sourceignore.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let files = texts(&row, "files");
        let files = files
            .iter()
            .map(|(path, text)| (path.rsplit_once('/').map_or("", |(dir, _)| dir), text.as_str()));
        let ignore = Ignore::from_texts(files, text(&row, "spec_ignore"))?;
        let path = text(&row, "path").unwrap_or_default();
        let ignored = if row["is_dir"] == true {
            ignore.ignores_directory(path)
        } else {
            ignore.ignores_file(path)
        };
        report.row(differs(&row, &Some(ignored), &row["ignored"].as_bool()));
    }
    Ok(Some(report))
}

/// `sourceignore_archive.jsonl`: a whole folder to the entries of its artifact.
pub(crate) fn sourceignore_archive(root: &Path) -> Result<Option<Report>> {
    let Some(rows) = rows(root, "sourceignore_archive.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let folder = tempfile::tempdir()?;
        for entry in row["tree"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            plant(folder.path(), entry)?;
        }
        for (path, text) in texts(&row, "ignore_files") {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            fs::write(path, text)?;
        }
        let spool = tempfile::tempdir()?;
        let tree = Tree::from_directory(
            folder.path(),
            artifact::Links::Skip,
            &artifact::Limits::default(),
            spool.path(),
        )?;
        let ignore = Ignore::new(&tree, text(&row, "spec_ignore"))?;
        let mut archive = Vec::new();
        tree.pack(&ignore, &mut archive)?;
        let expected: Vec<_> =
            row["entries"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let found = listing(&archive)?;
        report.row(differs(&row, &found.iter().map(String::as_str).collect(), &expected));
    }
    Ok(Some(report))
}

/// Makes one entry: `/` at the end is an empty folder, `*` executable, `@` a symbolic link.
fn plant(folder: &Path, entry: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(entry.trim_end_matches(['/', '*', '@']));
    if entry.ends_with('/') {
        fs::create_dir_all(path)?;
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    if entry.ends_with('@') {
        std::os::unix::fs::symlink("target", path)?;
        return Ok(());
    }
    fs::write(&path, entry)?;
    if entry.ends_with('*') {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn listing(archive: &[u8]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(archive)).entries()? {
        let entry = entry?;
        let header = entry.header();
        let kind = char::from(header.entry_type().as_byte());
        found.push(format!("{kind} {:04o} {}", header.mode()?, entry.path()?.display()));
    }
    Ok(found)
}

/// `semver.tsv`: range, version, whether it is in it.
pub(crate) fn semver(root: &Path) -> Result<Option<Report>> {
    let path = root.join("tables/semver.tsv");
    if !path.is_file() {
        return Ok(None);
    }
    let mut report = Report::default();
    for line in fs::read_to_string(path)?.lines() {
        let [range, version, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            anyhow::bail!("{line}: not three columns");
        };
        let found =
            oci::constraint::Constraint::parse(range).map(|range| range.admits_text(version));
        report.row((found != Ok(expected == "true")).then(|| line.to_owned()));
    }
    Ok(Some(report))
}

/// `semver_select.jsonl`: tags, range, filter, layer media type to the chosen tag or an error.
pub(crate) fn semver_select(root: &Path) -> Result<Option<Report>> {
    let Some(rows) = rows(root, "semver_select.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let tags: Vec<String> = serde_json::from_value(row["tags"].clone()).unwrap_or_default();
        let range = oci::select::Range {
            expression: text(&row, "semver").unwrap_or_default().into(),
            filter: text(&row, "filter").unwrap_or_default().into(),
            spelling: oci::select::Spelling::of_layer(text(&row, "media_type")),
        };
        let found = range.select(&tags).map_err(|error| artifact::text::explain(&error));
        let wrong = match (&found, text(&row, "error")) {
            (Ok(tag), None) => {
                let equal =
                    row["equal"].as_array().is_some_and(|tags| tags.contains(&tag.as_str().into()));
                !equal && row["tag"] != tag.as_str()
            }
            (Err(found), Some(expected)) => found != expected,
            _ => true,
        };
        report.row(wrong.then(|| format!("{row}: found {found:?}")));
    }
    Ok(Some(report))
}

/// `semver_filter.jsonl`: pattern and tag to a match or a compile error.
pub(crate) fn semver_filter(root: &Path) -> Result<Option<Report>> {
    let Some(rows) = rows(root, "semver_filter.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let filter = oci::filter::Filter::new(text(&row, "pattern").unwrap_or_default());
        let tag = text(&row, "tag").unwrap_or_default();
        let found = filter.map(|filter| filter.matches(tag)).map_err(|error| error.to_string());
        let expected = match text(&row, "error") {
            Some(error) => Err(error.to_owned()),
            None => Ok(row["match"] == true),
        };
        report.row(differs(&row, &found, &expected));
    }
    Ok(Some(report))
}

/// The Docker Hub alias as the table writes it.
const HUB: (&str, &str) = ("@HUB@", "docker.io");

/// `reference.jsonl`: addresses and digests. Rows that decisions.md answers more strictly
/// (plain HTTP, malformed hosts) must differ in that way only.
pub(crate) fn reference(root: &Path) -> Result<Option<Report>> {
    let Some(rows) = rows(root, "reference.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let row: Value = serde_json::from_str(&row.to_string().replace(HUB.0, HUB.1))?;
        if let Some(digest) = text(&row, "digest") {
            let found = artifact::Digest::parse_sha256(digest).err().map(|error| error.to_string());
            report.row(differs(&row, &found.as_deref(), &text(&row, "digest_error")));
        } else {
            report.row(address(&row));
        }
    }
    Ok(Some(report))
}

fn address(row: &Value) -> Option<String> {
    let url = text(row, "url").unwrap_or_default();
    let insecure = row["insecure"] == true;
    let plain = if insecure {
        oci::reference::PlainHttp::Allowed
    } else {
        oci::reference::PlainHttp::LocalOnly
    };
    let found = oci::Reference::parse(url, plain);
    let found = match (&found, text(row, "error")) {
        (Err(error), expected) if Some(error.to_string().as_str()) == expected => return None,
        (Err(oci::reference::InvalidReference::Registry(_)), None) if is_stricter_host(url) => {
            return None;
        }
        (Ok(found), None) => found,
        _ => return Some(format!("{row}: found {found:?}")),
    };
    if row.get("tag").is_some() {
        return None;
    }
    let scheme = if found.allows_plain_http() { "http" } else { "https" };
    let stricter = !insecure && row["scheme"] == "http" && is_stricter_scheme(found.registry());
    let same = text(row, "registry") == Some(found.registry())
        && text(row, "repository") == Some(found.repository())
        && (text(row, "scheme") == Some(scheme) || stricter);
    (!same).then(|| format!("{row}: found {found:?} {scheme}"))
}

/// Hosts that the reference takes and that are none.
fn is_stricter_host(url: &str) -> bool {
    let host = url.strip_prefix("oci://").unwrap_or(url).split('/').next().unwrap_or_default();
    let parts = host.split(':').count();
    host.len() > 253
        || host.starts_with(['.', ':'])
        || host.contains(|c: char| "(*!~,;'\"<&=$".contains(c))
        || host.contains("..")
        || host == "."
        || (parts > 2 && !host.starts_with('['))
        || host
            .rsplit(':')
            .next()
            .is_some_and(|port| port.parse::<u64>().is_ok_and(|port| port > 65535))
        || (host.contains(':') && host.ends_with(':'))
}

/// Hosts that only look local.
fn is_stricter_scheme(host: &str) -> bool {
    host.contains("127.0.0.1") || host.contains("::1")
}
