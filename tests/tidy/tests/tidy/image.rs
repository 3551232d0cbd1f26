//! The Dockerfile, without a container engine: it copies what exists, and builds what it says.

use std::path::PathBuf;
use std::process::Command;

use tidy::{none, read, root};

/// The instructions of the Dockerfile, continued lines joined.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The `cargo build` command of the Dockerfile, word by word.
fn build() -> Vec<String> {
    let runs: Vec<_> =
        instructions().into_iter().filter(|line| line.contains("cargo build ")).collect();
    assert_eq!(runs.len(), 1, "one instruction builds: {runs:?}");
    let (_, command) = runs[0].split_once("cargo build ").unwrap();
    let command = command.split("&&").next().unwrap();
    ["build"].into_iter().chain(command.split_whitespace()).map(str::to_owned).collect()
}

fn argument<'a>(words: &'a [String], flag: &str) -> &'a str {
    let at = words.iter().position(|word| word == flag).unwrap_or_else(|| panic!("no {flag}"));
    &words[at + 1]
}

#[test]
fn what_it_copies_exists_and_reaches_the_builder() {
    let ignored = read(".dockerignore");
    let mut violations = Vec::new();
    for line in instructions() {
        let Some(arguments) = line.strip_prefix("COPY ") else { continue };
        let words: Vec<_> = arguments.split(' ').filter(|word| !word.starts_with("--")).collect();
        if line.contains("--from=") {
            continue;
        }
        for source in &words[..words.len() - 1] {
            if !root().join(source).exists() {
                violations.push(format!("{source} does not exist"));
            }
            if !ignored.lines().any(|rule| rule == format!("!{source}")) {
                violations.push(format!("{source} is held back by .dockerignore"));
            }
        }
    }
    none("Dockerfile", &violations);
}

#[test]
fn it_builds_the_operator_with_the_pinned_toolchain() {
    let words = build();
    let (package, binary) = (argument(&words, "--package"), argument(&words, "--bin"));
    let manifest = read("crates/controller/Cargo.toml");
    assert!(manifest.contains(&format!("name = \"{package}\"")), "{package}");
    assert!(manifest.contains(&format!("[[bin]]\nname = \"{binary}\"")), "{binary}");
    for flag in ["--release", "--locked"] {
        assert!(words.iter().any(|word| word == flag), "{words:?} without {flag}");
    }
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    let instructions = instructions();
    let has = |text: &str| instructions.iter().any(|line| line.contains(text));
    assert!(has(&format!("library/rust:{channel}-")), "another toolchain than {channel}");
    assert!(has(&format!("RUSTUP_TOOLCHAIN={channel}")), "another toolchain than {channel}");
}

#[test]
fn it_runs_as_nobody_from_the_operators_binary() {
    let instructions = instructions();
    let last_stage = instructions.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let has = |text: &str| instructions[last_stage..].iter().any(|line| line == text);
    assert!(has("USER 65532:65532"));
    assert!(has("ENTRYPOINT [\"/sluice-controller\"]"));
    assert!(has("COPY --from=build /sluice-controller /sluice-controller"));
    let version = read("Cargo.toml");
    let version = version.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    assert!(has(&format!("ARG VERSION={}", version.trim_matches('"'))), "another version");
    for (path, text) in [
        ("config/default/deployment.yaml", format!(":{}", version.trim_matches('"'))),
        ("charts/sluice/Chart.yaml", format!("appVersion: {}", version.trim_matches('"'))),
    ] {
        assert!(read(path).contains(&text), "{path} names another version than {version}");
    }
}

/// Minutes when nothing has been built for release yet; `make demo` builds the same.
#[test]
fn the_command_that_it_runs_gives_a_binary_that_starts() {
    let words = build();
    let status = Command::new(env!("CARGO")).current_dir(root()).args(&words).status().unwrap();
    assert!(status.success(), "cargo {}", words.join(" "));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let binary = root().join(target).join("release").join(argument(&words, "--bin"));
    let output = Command::new(&binary).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), concat!("sluice-controller ", env!("CARGO_PKG_VERSION")));
}
