//! What the rules of `tests/` look at: the repository's own files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a test may stop at a surprise"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The text of a file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file that is or may be committed, sorted, relative to the repository: what Git ignores is
/// not looked at.
pub fn files() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = git.output().ok().filter(|output| output.status.success());
    let mut files: Vec<String> = match listed {
        Some(output) => {
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        // An export without Git: everything but what is built.
        None => walk(&root(), ""),
    };
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    files
}

fn walk(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if prefix.is_empty() && matches!(name.as_str(), "target" | ".git" | ".demo") {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path(), &format!("{path}/")));
        } else {
            found.push(path);
        }
    }
    found
}

/// The files whose name ends so.
pub fn files_ending(end: &str) -> Vec<String> {
    files().into_iter().filter(|file| file.ends_with(end)).collect()
}

/// The part of a Rust file before its test module.
pub fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod ").map_or(text, |(before, _)| before)
}

/// A line of Rust without its comment.
pub fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Names of every function that is a test, in every Rust file.
pub fn tests() -> std::collections::BTreeSet<String> {
    let mut names = std::collections::BTreeSet::new();
    for file in files_ending(".rs") {
        let text = read(&file);
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, rest)) = line.split_once("fn ")
                && is_test
            {
                names.extend(rest.split_once(['(', '<']).map(|(name, _)| name.to_owned()));
                is_test = false;
            }
        }
    }
    names
}

/// Ends the test with every violation, one a line.
pub fn none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}\n  {}", violations.join("\n  "));
}
