//! One directory a feature: files in, what kustomize prints (or why it fails) out.
//!
//! `UPDATE_EXPECT=1` rewrites the expectations; compare them with the reference before committing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::path::Path;

use kustomize::files::{FilePath, Memory};
use kustomize::{Options, build};

fn read(folder: &Path, at: &FilePath, files: &mut Memory) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = at.join_clamped(entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            read(&entry.path(), &path, files);
        } else {
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn cases() -> Vec<(String, Memory, std::path::PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        let mut files = Memory::default();
        read(&case.join("in"), &FilePath::root().join_clamped("in"), &mut files);
        cases.push((case.file_name().unwrap().to_str().unwrap().to_owned(), files, case));
    }
    cases.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    cases
}

fn result(files: &Memory) -> (&'static str, String) {
    let root = FilePath::root().join_clamped("in");
    match build(files, &root, &Options::default()) {
        Ok(built) => ("expected.yaml", built.into_yaml()),
        Err(error) => ("expected_error.txt", error.chain() + "\n"),
    }
}

#[test]
fn every_case_prints_what_the_reference_prints() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut failures = Vec::new();
    for (name, files, case) in cases() {
        let (file, got) = result(&files);
        if update {
            std::fs::write(case.join(file), &got).unwrap();
        }
        let expected = std::fs::read_to_string(case.join(file)).unwrap_or_default();
        if got != expected {
            failures.push(format!("== {name}: expected\n{expected}\n-- got\n{got}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_files_give_the_same_bytes_on_many_threads() {
    let cases = cases();
    let run = || cases.iter().map(|(_, files, _)| result(files).1).collect::<Vec<_>>();
    let alone = run();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

#[test]
fn hostile_files_are_refused() {
    let refuse = |files: Vec<(String, String)>, why: &str| {
        let files: Memory = files.into_iter().collect();
        let error = build(&files, &FilePath::root(), &Options::default()).unwrap_err().chain();
        assert!(error.contains(why), "{error}");
    };
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());

    let chain = (0..150).map(|at| {
        let path = if at == 0 { String::new() } else { format!("d{at}/") };
        let next = if at == 0 { "d1".to_owned() } else { format!("../d{}", at + 1) };
        (format!("{path}kustomization.yaml"), format!("resources: [{next}]\n"))
    });
    refuse(chain.collect(), "nesting of bases exceeds its limit");

    let copies: Vec<_> =
        (0..40).map(|at| format!("    - {{op: copy, from: /data, path: /data/c{at}}}")).collect();
    let copies = copies.join("\n");
    let kustomization = format!(
        "resources: [a.yaml]\npatches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{copies}"
    );
    refuse(
        vec![file("kustomization.yaml", &kustomization), file("a.yaml", map)],
        "exceeds its limit",
    );

    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    refuse(
        vec![
            file("kustomization.yaml", "components: [c]\n"),
            file("c/kustomization.yaml", &format!("{component}components: [../d]\n")),
            file("d/kustomization.yaml", &format!("{component}components: [../c]\n")),
        ],
        "cycle detected",
    );
    for (field, why) in [
        ("resources: [../../secret]", "fs-security-constraint"),
        ("resources: [/etc/passwd]", "fs-security-constraint"),
        ("configMapGenerator: [{name: x, files: [../secret]}]", "fs-security-constraint"),
        ("crds: [../secret]", "fs-security-constraint"),
        ("configurations: [../secret]", "fs-security-constraint"),
        ("openapi: {path: ../secret}", "fs-security-constraint"),
        ("replacements: [{path: ../secret}]", "fs-security-constraint"),
        ("patches: [{path: ../secret}]", "fs-security-constraint"),
        ("components: [../secret]", "fs-security-constraint"),
        ("resources: [\"git@host:x/y\"]", "is refused"),
        ("components: [\"https://host/x\"]", "is refused"),
    ] {
        refuse(vec![file("kustomization.yaml", field)], why);
    }
}
