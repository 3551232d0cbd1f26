//! Who may depend on whom, and what the pure crates may not touch.

use std::collections::{BTreeMap, BTreeSet};

use tidy::{code, files_ending, none, read, without_tests};

/// The crates that a crate may depend on. An entry more is a decision: ARCHITECTURE.md says why.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("manifest", &[]),
    ("kustomize", &["manifest"]),
    ("sops", &["manifest"]),
    ("render", &["api", "kustomize", "manifest", "sops"]),
    ("artifact", &[]),
    ("cloud", &["manifest"]),
    ("expression", &["api", "manifest"]),
    ("oci", &["artifact"]),
    ("plan", &["expression", "manifest"]),
    ("remote", &[]),
    ("apply", &["manifest", "plan"]),
    ("api", &[]),
    (
        "controller",
        &[
            "api",
            "apply",
            "artifact",
            "cloud",
            "expression",
            "kustomize",
            "manifest",
            "oci",
            "plan",
            "remote",
            "render",
            "sops",
        ],
    ),
    (
        "cli",
        &["api", "apply", "artifact", "kustomize", "manifest", "oci", "plan", "remote", "render"],
    ),
];

/// The crates that talk to a cluster.
const TALKS_TO_A_CLUSTER: &[&str] = &["apply", "controller", "cli"];

/// The crates that may not wait, read or print, and what stands for that in a manifest.
const PURE: &[&str] = &["manifest", "expression", "kustomize", "sops", "plan", "render"];
const IMPURE_DEPENDENCIES: &[&str] =
    &["tokio", "tokio-util", "futures", "reqwest", "hyper", "axum", "kube", "tempfile", "tracing"];
const IMPURE_WORDS: &[&str] = &[
    "async ",
    ".await",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "println!",
    "static mut",
];

/// The names under a heading of a manifest.
fn section(manifest: &str, heading: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == heading;
        } else if let Some((name, _)) = line.split_once(['.', ' ', '='])
            && inside
            && !line.starts_with('#')
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// The dependencies of every crate below `crates/`, without those of its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let manifests = files_ending("/Cargo.toml");
    let crates = manifests.iter().filter_map(|path| {
        let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        let manifest = read(path);
        let mut names = section(&manifest, "[dependencies]");
        names.extend(section(&manifest, "[build-dependencies]"));
        Some((name.to_owned(), names))
    });
    crates.collect()
}

#[test]
fn crates_depend_downwards() {
    let own: Vec<_> = MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect();
    let mut violations = Vec::new();
    for (name, dependencies) in dependencies() {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(known, _)| *known == name) else {
            violations.push(format!("crates/{name} is not in the table of this test"));
            continue;
        };
        for dependency in &dependencies {
            let word = dependency.as_str();
            if own.contains(&word) && !allowed.contains(&word) {
                violations.push(format!("crates/{name} may not depend on {word}"));
            }
            if word == "kube" && !TALKS_TO_A_CLUSTER.contains(&name.as_str()) {
                violations.push(format!("crates/{name} may not talk to a cluster: {word}"));
            }
            if PURE.contains(&name.as_str()) && IMPURE_DEPENDENCIES.contains(&word) {
                violations.push(format!("crates/{name} is pure and may not depend on {word}"));
            }
        }
    }
    none("every dependency points down (ARCHITECTURE.md, Code map)", &violations);
}

#[test]
fn pure_crates_neither_wait_nor_read_nor_print() {
    let mut violations = Vec::new();
    for name in PURE {
        for file in files_ending(".rs") {
            if !file.starts_with(&format!("crates/{name}/src/")) {
                continue;
            }
            for (at, line) in without_tests(&read(&file)).lines().enumerate() {
                for word in IMPURE_WORDS.iter().filter(|word| code(line).contains(**word)) {
                    violations.push(format!("{file}:{}: `{}`", at + 1, word.trim()));
                }
            }
        }
        let forbidden = read(&format!("crates/{name}/clippy.toml"));
        for method in ["std::fs::read", "std::env::var", "Instant::now", "SystemTime::now"] {
            if !forbidden.contains(method) {
                violations.push(format!("crates/{name}/clippy.toml does not forbid {method}"));
            }
        }
    }
    none("pure crates take everything as arguments", &violations);
}

/// A workspace of its own: the main one needs no nightly toolchain.
const FUZZ: &str = "fuzz/Cargo.toml";

#[test]
fn versions_stand_in_the_root_manifest_only() {
    let mut violations = Vec::new();
    let members = files_ending("/Cargo.toml").into_iter().filter(|path| path != FUZZ);
    for path in members {
        let manifest = read(&path);
        let mut inside = false;
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
            } else if inside && line.contains('=') && !line.contains("workspace = true") {
                violations.push(format!("{path}: {line}"));
            }
        }
        for inherited in ["version", "edition", "rust-version", "license"] {
            if !manifest.contains(&format!("\n{inherited}.workspace = true")) {
                violations.push(format!("{path}: {inherited} is not the workspace's"));
            }
        }
        if !manifest.contains("[lints]\nworkspace = true") {
            violations.push(format!("{path}: lints are not the workspace's"));
        }
    }
    none("write `name.workspace = true`, and the version into the root Cargo.toml", &violations);
}

#[test]
fn every_shared_version_is_used() {
    let root = read("Cargo.toml");
    let manifests = files_ending("/Cargo.toml");
    let used: BTreeSet<String> = manifests
        .iter()
        .map(|path| read(path))
        .flat_map(|text| {
            let headings = ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"];
            headings.map(|heading| section(&text, heading)).concat()
        })
        .collect();
    let shared = section(&root, "[workspace.dependencies]");
    let unused: Vec<_> = shared.into_iter().filter(|name| !used.contains(name)).collect();
    none("nothing uses these versions of the root Cargo.toml", &unused);
}

#[test]
fn the_toolchain_is_the_oldest_that_is_promised() {
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let pinned = value(&read("rust-toolchain.toml"), "channel");
    let promised = value(&read("Cargo.toml"), "rust-version");
    assert!(
        pinned == promised || pinned.starts_with(&format!("{promised}.")),
        "rust-toolchain.toml pins {pinned}, Cargo.toml promises {promised}"
    );
}

/// The one file that starts a process: credential helpers, for whoever runs the command line.
const STARTS: &str = "crates/cli/src/registry.rs";

#[test]
fn nothing_starts_a_process() {
    let sources = files_ending(".rs").into_iter();
    let sources = sources.filter(|path| path.starts_with("crates/") && path.contains("/src/"));
    let starts = ["process::Command", "process::{Command", "Command::new("];
    let violations: Vec<_> = sources
        .filter(|path| path != STARTS)
        .filter(|path| starts.iter().any(|start| read(path).contains(start)))
        .collect();
    none("no build and no run starts a process", &violations);
}
