//! Sizes, names, and how tests wait.

use tidy::{code, files_ending, none, read, root, without_tests};

const LINES_SOFT: usize = 400;
const LINES_HARD: usize = 800;

/// Files over the soft limit, with the most lines they may have. A number may only fall, and an
/// entry goes when its file fits.
const RATCHET: &[(&str, usize)] = &[("crates/api/src/kustomization.rs", 446)];

/// Words that say nothing about what a file or a type is.
const EMPTY_WORDS: &[&str] = &["util", "utils", "helper", "helpers", "manager", "common", "misc"];

#[test]
fn files_stay_short() {
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        let lines = without_tests(&read(&file)).lines().count();
        let allowed = RATCHET.iter().find(|(path, _)| *path == file).map(|(_, lines)| *lines);
        match allowed {
            _ if lines > LINES_HARD => {
                violations.push(format!("{file}: {lines} lines, never more than {LINES_HARD}"));
            }
            None if lines > LINES_SOFT => {
                violations.push(format!("{file}: {lines} lines, at most {LINES_SOFT}: split it"));
            }
            Some(allowed) if lines > allowed => {
                violations
                    .push(format!("{file}: {lines} lines, was {allowed}: it may only shrink"));
            }
            Some(_) if lines <= LINES_SOFT => {
                violations.push(format!("{file}: fits now, take it off the list"));
            }
            _ => {}
        }
    }
    for (file, _) in RATCHET {
        if !root().join(file).is_file() {
            violations.push(format!("{file}: is gone, take it off the list"));
        }
    }
    none("files stay short (without their test modules)", &violations);
}

#[test]
fn names_say_something() {
    let mut violations = Vec::new();
    for file in files_ending(".rs").into_iter().chain(files_ending(".go")) {
        let stem = file.rsplit('/').next().unwrap().split('.').next().unwrap();
        let folders = file.split('/');
        if folders.chain([stem]).any(|part| EMPTY_WORDS.contains(&part)) {
            violations.push(format!("{file}: the file's name"));
        }
    }
    for file in files_ending(".rs") {
        for (at, line) in read(&file).lines().enumerate() {
            let words: Vec<_> = code(line).split_whitespace().collect();
            for pair in words.windows(2) {
                let defines = matches!(pair[0], "struct" | "enum" | "trait" | "mod" | "type");
                if defines && ends_emptily(pair[1]) {
                    violations.push(format!("{file}:{}: {}", at + 1, pair[1]));
                }
            }
        }
    }
    none("a name says what a thing is", &violations);
}

/// Whether the last word of a name is an empty one: `CacheManager`, `cache_util`.
fn ends_emptily(name: &str) -> bool {
    let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let start = name.rfind(|c: char| c.is_uppercase() || c == '_').unwrap_or(0);
    EMPTY_WORDS.contains(&name[start..].trim_start_matches('_').to_lowercase().as_str())
}

#[test]
fn tests_wait_for_something() {
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        let text = read(&file);
        // Polling loops of the stories, each with a deadline; the demo is a program, not a test.
        if file.starts_with("tests/e2e/src/") || file.starts_with("tests/demo/src/") {
            continue;
        }
        let is_test = file.contains("/tests/") || file.starts_with("tests/");
        let start = if is_test { 0 } else { without_tests(&text).lines().count() };
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().skip(start) {
            // The words themselves, not a call.
            let sleeps = ["::sleep(", ".sleep("].iter().any(|call| code(line).contains(call));
            let before = at.checked_sub(1).map_or("", |at| lines[at]);
            // A comment on the line or on the one before says why nothing else will do.
            let explained = line.contains("// ") || before.trim().starts_with("// ");
            if sleeps && !explained {
                violations.push(format!("{file}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    none("tests move the clock or poll with a deadline, they do not sleep", &violations);
}

#[test]
fn golden_cases_are_complete() {
    let cases = root().join("crates/kustomize/tests/corpus");
    let mut violations = Vec::new();
    for entry in std::fs::read_dir(cases).unwrap() {
        let case = entry.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let has = |part: &str| case.join(part).exists();
        if !has("in") {
            violations.push(format!("{name}: no in/"));
        }
        if has("expected.yaml") == has("expected_error.txt") {
            violations.push(format!("{name}: one of expected.yaml and expected_error.txt"));
        }
    }
    none("a golden case is a folder in/ and what comes of it", &violations);
}
