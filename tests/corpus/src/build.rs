//! The tables of the build half: YAML, kustomize, substitution.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use kustomize::files::{FilePath, Memory};
use kustomize::{LoadRestriction, Options, Order};
use manifest::{Value, yaml};
use render::request::{PostBuild, Request, Strategy};
use render::substitute::{Unset, Variables, substitute};
use serde_json::Value as Json;

use crate::report::Report;

fn text(root: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = root.join("tables").join(name);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(std::fs::read_to_string(path)?))
}

/// Scalars as written → as kustomize prints them.
pub(crate) fn scalars(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "scalars.tsv")? else { return Ok(None) };
    let mut report = Report::default();
    for line in table.lines() {
        let Some((written, printed)) = line.split_once('\t') else { continue };
        let indented = written.trim_end_matches("\\n").replace("\\n", "\n    ");
        let source = format!("spec:\n  k: {indented}\n");
        let got = yaml::read_manifests(&source).map(|documents| {
            documents.iter().map(|document| yaml::to_string(&document.value)).collect::<String>()
        });
        let passed = match &got {
            Ok(got) => *got == format!("spec:{}\n", printed.replace("\\n", "\n")),
            Err(_) => printed.starts_with("ERR "),
        };
        report.row((!passed).then(|| format!("{written:?}: expected {printed:?}, got {got:?}")));
    }
    Ok(Some(report))
}

/// Strings → as kustomize emits them.
pub(crate) fn strings(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "strings.json")? else { return Ok(None) };
    let mut report = Report::default();
    for row in serde_json::from_str::<Vec<Json>>(&table)? {
        let (value, emitted) = (row["value"].clone(), row["emitted"].as_str().unwrap_or_default());
        // The first line folds as if its key had seven characters: so the table was made.
        let tree: Value = serde_json::json!({"spec": {"list": [{"k000000": value}]}}).into();
        let printed = yaml::to_string(&tree).replacen("  - k000000:", "    k:", 1);
        let got: String = printed
            .strip_prefix("spec:\n  list:\n")
            .unwrap_or_default()
            .split_inclusive('\n')
            .map(|line| line.strip_prefix("    ").unwrap_or(line))
            .collect();
        let passed = got == emitted;
        report.row((!passed).then(|| format!("{value}: expected {emitted:?}, got {got:?}")));
    }
    Ok(Some(report))
}

/// Cases of kustomize's own tests that may fail: a component's custom schema that leans on the
/// built-in one, and an error that shows YAML in the order of its source.
const KRUSTY_ALLOWED: usize = 2;
/// Real builds that may fail.
const REAL_ALLOWED: usize = 0;
/// Expressions that may differ.
const ENVSUBST_ALLOWED: usize = 0;
/// Substituted objects that may differ.
const ENVSUBST_OBJECT_ALLOWED: usize = 0;
/// Threads that build at the same time.
const THREADS: usize = 2;

/// Cases of kustomize's own tests.
pub(crate) fn krusty(root: &Path) -> anyhow::Result<Option<Report>> {
    let folder = root.join("krusty");
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut report = Report { allowed: KRUSTY_ALLOWED, ..Report::default() };
    let mut cases: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    cases.sort();
    for case in cases.iter().filter(|case| case.join("meta.json").is_file()) {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        report.row(krusty_case(case)?.map(|miss| format!("{name}: {miss}")));
    }
    Ok(Some(report))
}

fn krusty_case(case: &Path) -> anyhow::Result<Option<String>> {
    let meta: Json = serde_json::from_str(&std::fs::read_to_string(case.join("meta.json"))?)?;
    let root = std::fs::read_to_string(case.join("root.txt"))?;
    let mut files = Memory::default();
    read_folder(&case.join("in"), &FilePath::root().join_clamped("in"), &mut files)?;
    let asks = |option: &str| meta["options"][option].as_bool() == Some(true);
    let options = Options {
        load_restriction: if asks("load_restrictions_none") {
            LoadRestriction::None
        } else {
            LoadRestriction::RootOnly
        },
        order: match meta["options"]["reorder"].as_str() {
            Some("none") => Order::Fifo,
            _ => Order::Legacy,
        },
        managed_by_label: asks("managed_by_label"),
        ..Options::default()
    };
    let root = FilePath::root().join_clamped("in").join_clamped(root.trim());
    let result = kustomize::build(&files, &root, &options);
    let failure = &meta["error"];
    Ok(match result {
        Ok(built) if failure.is_null() => {
            let expected = std::fs::read_to_string(case.join("expected.yaml")).unwrap_or_default();
            let expected = expected.replace("{CASE_ROOT}", "/in");
            difference(&any_version(&expected), &any_version(&built.into_yaml()))
        }
        Ok(_) => Some("built, though an error is expected".to_owned()),
        Err(error) if failure.is_null() => Some(error.chain()),
        Err(error) => {
            let squash = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let plain = squash(&error.chain());
            let unquoted = plain.replace("\\n", " ").replace("\\\"", "\"").replace("\\\\", "\\");
            let got = format!("{plain} {}", squash(&unquoted));
            let wanted =
                ["contains", "equals"].into_iter().filter_map(|key| failure[key].as_array());
            wanted
                .flatten()
                .filter_map(Json::as_str)
                .map(|text| squash(&text.replace("{IN}", "/in").replace("{CASE_ROOT}", "/in")))
                .find(|text| !got.contains(text.as_str()))
                .map(|text| format!("error text: expected {text:?}, got {:?}", error.chain()))
        }
    })
}

fn read_folder(folder: &Path, at: &FilePath, files: &mut Memory) -> anyhow::Result<()> {
    files.insert_directory(at.clone());
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = at.join_clamped(&entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_folder(&entry.path(), &path, files)?;
        } else {
            files.insert(path, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn any_version(text: &str) -> String {
    let mark = "app.kubernetes.io/managed-by: kustomize-";
    let line = |line: &str| match line.split_once(mark) {
        Some((front, _)) => format!("{front}{mark}VERSION"),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The first line that differs, if any.
fn difference(expected: &str, got: &str) -> Option<String> {
    if expected == got {
        return None;
    }
    let (mut a, mut b) = (expected.lines(), got.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (None, None) => return Some("line ends differ".to_owned()),
            (x, y) if x == y => {}
            (x, y) => return Some(format!("line {number}: expected {x:?}, got {y:?}")),
        }
    }
}

/// Builds of public repositories.
pub(crate) fn real(root: &Path) -> anyhow::Result<Option<Report>> {
    let folder = root.join("real");
    if !folder.is_dir() {
        return Ok(None);
    }
    let index: Json = serde_json::from_str(&std::fs::read_to_string(folder.join("index.json"))?)?;
    let work: Vec<_> = real_entries(&index).into_iter().collect();
    let mut report = Report { allowed: REAL_ALLOWED, ..Report::default() };
    let rows: Vec<_> = std::thread::scope(|scope| {
        let (folder, work) = (&folder, &work);
        let threads = (0..THREADS).map(|first| {
            scope.spawn(move || {
                let own = work.iter().skip(first).step_by(THREADS);
                own.map(|(tarball, entries)| real_builds(folder, tarball, entries)).collect()
            })
        });
        let threads: Vec<std::thread::ScopedJoinHandle<'_, Vec<_>>> = threads.collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    for row in rows {
        for miss in row? {
            report.row(miss);
        }
    }
    Ok(Some(report))
}

/// The builds in the index, by the archive that holds their files.
pub(crate) fn real_entries(index: &Json) -> BTreeMap<&str, Vec<&Json>> {
    let mut by_tarball: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
    for entry in index["entries"].as_array().into_iter().flatten() {
        by_tarball.entry(entry["tarball"].as_str().unwrap_or_default()).or_default().push(entry);
    }
    by_tarball
}

/// The files of an archive.
pub(crate) fn unpacked(tarball: &Path) -> anyhow::Result<Memory> {
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(tarball)?));
    let mut files = Memory::default();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = FilePath::root().join_clamped(&entry.path()?.to_string_lossy());
        if entry.header().entry_type().is_dir() {
            files.insert_directory(path);
        } else {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.insert(path, content);
        }
    }
    Ok(files)
}

/// The options that an entry of the index asks for.
pub(crate) fn options_of(entry: &Json) -> Options {
    let free = entry["args"].as_array().is_some_and(|arguments| !arguments.is_empty());
    let load_restriction = if free { LoadRestriction::Tree } else { LoadRestriction::RootOnly };
    Options { load_restriction, ..Options::default() }
}

fn real_builds(
    folder: &Path,
    tarball: &str,
    entries: &[&Json],
) -> anyhow::Result<Vec<Option<String>>> {
    let files = unpacked(&folder.join(tarball))?;
    entries.iter().map(|entry| real_build(folder, &files, entry)).collect()
}

fn real_build(folder: &Path, files: &Memory, entry: &Json) -> anyhow::Result<Option<String>> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let root = FilePath::root().join_clamped(text("dir"));
    let result = kustomize::build(files, &root, &options_of(entry));
    let miss = match (result, text("kind")) {
        (Ok(built), "ok") => {
            let mut expected = String::new();
            let file = std::fs::File::open(folder.join(text("expected")))?;
            GzDecoder::new(file).read_to_string(&mut expected)?;
            difference(&expected, &built.into_yaml())
        }
        (Ok(_), _) => Some("built, though an error is expected".to_owned()),
        (Err(error), "ok") => Some(error.chain()),
        (Err(_), _) => None,
    };
    Ok(miss.map(|miss| format!("{}: {miss}", text("id"))))
}

fn unset(row: &Json) -> Unset {
    if row["strict"].as_bool() == Some(true) { Unset::Refused } else { Unset::Empty }
}

fn variables(row: &Json) -> Variables {
    let entries = row.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Expressions → what the reference's library makes of them.
pub(crate) fn envsubst(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "envsubst.jsonl")? else { return Ok(None) };
    let mut report = Report { allowed: ENVSUBST_ALLOWED, ..Report::default() };
    for line in table.lines() {
        let row: Json = serde_json::from_str(line)?;
        let template = row["template"].as_str().unwrap_or_default();
        let got = substitute(template, &variables(&row["vars"]), unset(&row));
        let passed = match (&got, row["out"].as_str(), row["error"].as_str()) {
            (Ok(got), Some(out), _) => got == out.as_bytes(),
            (Ok(got), None, None) => {
                // Bytes that are no text stand in the table as base64.
                String::from_utf8(got.clone()).is_err() && !row["out_base64"].is_null()
            }
            (Err(_), _, Some(_)) if row["panic"].as_bool() == Some(true) => true,
            (Err(error), _, Some(wanted)) => error.to_string() == wanted,
            _ => false,
        };
        let got = got.map(|got| String::from_utf8_lossy(&got).into_owned());
        report.row((!passed).then(|| format!("{row}: got {got:?}")));
    }
    Ok(Some(report))
}

/// Whether a text is of an object without a name: the reference drops it later without a word, ours is
/// refused (E18: what a variable turns into something else than a text is named).
fn is_nameless(text: &str) -> bool {
    let object = yaml::read_one(text).unwrap_or(Value::Null);
    object.at(&["metadata", "name"]).is_some_and(|name| !matches!(name, Value::String(_)))
}

/// Objects → their text after substitution.
pub(crate) fn envsubst_object(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "envsubst_object.jsonl")? else { return Ok(None) };
    let mut report = Report { allowed: ENVSUBST_OBJECT_ALLOWED, ..Report::default() };
    for line in table.lines() {
        let row: Json = serde_json::from_str(line)?;
        let got = substituted(&row);
        let before = row["emitted_before"].as_str();
        let passed = match (&got, row["out"].as_str(), row["error"].as_str()) {
            (Ok(got), Some(out), _) => got == out,
            (Ok(got), None, None) => Some(got.as_str()) == before,
            (Err(got), _, Some(wanted)) => {
                // Lines and details of broken YAML, and of values that are no text, are the parser's own.
                let yaml = "envsubst error: YAMLToJSON:";
                let panic = row["panic"].as_bool() == Some(true);
                panic
                    || got.contains(wanted)
                    || (wanted.starts_with(yaml) && got.contains(yaml))
                    || (wanted.contains("accessor error") && got.contains("invalid type"))
            }
            (Err(_), Some(out), None) => is_nameless(out),
            _ => false,
        };
        report.row((!passed).then(|| format!("{row}: got {got:?}")));
    }
    Ok(Some(report))
}

/// The text of a row's objects after substitution, or why there is none.
fn substituted(row: &Json) -> Result<String, String> {
    let source = row["source"].as_str().unwrap_or_default();
    let files: Memory = [("a.yaml", source)].into_iter().collect();
    let always = row["always"].as_bool() == Some(true);
    // As a spec gives them.
    let spec = serde_json::json!({"substitute": row["substitute"]});
    let spec: api::kustomization::PostBuild =
        serde_json::from_value(spec).map_err(|error| error.to_string())?;
    let request = Request {
        post_build: Some(PostBuild {
            unavailable: None,
            strategy: if always { Strategy::Always } else { Strategy::WithVariables },
            variables: spec.substitute.into_iter().flatten().collect(),
            unset: unset(row),
        }),
        ..Request::default()
    };
    let rendered = render::render(&files, &request).map_err(|error| error.to_string())?;
    let objects = rendered.into_objects().into_iter();
    Ok(objects.map(|object| yaml::to_string(object.value())).collect())
}
