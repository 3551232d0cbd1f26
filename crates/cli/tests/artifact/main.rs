#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]
//! `sluice push`, `pull`, `list`, `tag` and `diff` of artifacts, as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

use expect_test::Expect;
use registry::Registry;

mod diff;
mod pull;
mod push;

pub(crate) async fn sluice(docker: &Path, args: Vec<String>) -> Output {
    let docker = docker.to_owned();
    let run = move || {
        let path = std::env::var("PATH").unwrap();
        Command::new(env!("CARGO_BIN_EXE_sluice"))
            // Programs beside the configuration are found first.
            .env("PATH", format!("{}:{path}", docker.display()))
            .env("DOCKER_CONFIG", docker)
            .args(args)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// A registry, a folder with files, an empty one, and a configuration without credentials.
pub(crate) struct Desk {
    pub(crate) registry: Registry,
    pub(crate) files: tempfile::TempDir,
    pub(crate) empty: tempfile::TempDir,
    pub(crate) docker: tempfile::TempDir,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::create_dir(files.path().join("base")).unwrap();
        std::fs::write(files.path().join("base/cm.yaml"), "kind: ConfigMap\n").unwrap();
        std::fs::write(files.path().join("app.yaml"), "kind: List\n").unwrap();
        std::fs::write(files.path().join("logo.png"), "ignored").unwrap();
        let new = || tempfile::tempdir().unwrap();
        Self { registry: Registry::start().await, files, empty: new(), docker: new() }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}{name}", self.registry.url("team/app"))
    }

    pub(crate) async fn push(&self, name: &str) {
        let args = push_args(&self.url(name), self.files.path(), &["--reproducible"]);
        let pushed = sluice(self.docker.path(), args).await;
        assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    }

    /// Runs a command and compares all that comes of it; addresses are written `HOST`, folders
    /// `FILES` and `EMPTY`.
    pub(crate) async fn check(&self, args: &[&str], expected: Expect) {
        let args = args.iter().map(|arg| {
            arg.replace("HOST", self.registry.host())
                .replace("FILES", self.files.path().to_str().unwrap())
                .replace("EMPTY", self.empty.path().to_str().unwrap())
        });
        let output = sluice(self.docker.path(), args.collect()).await;
        let found = format!(
            "{}{}exit {}\n",
            text(&output.stdout),
            text(&output.stderr),
            output.status.code().unwrap()
        );
        let found = found
            .replace(self.registry.host(), "HOST")
            .replace(self.files.path().to_str().unwrap(), "FILES")
            .replace(self.empty.path().to_str().unwrap(), "EMPTY");
        expected.assert_eq(&found);
    }
}

pub(crate) fn push_args(url: &str, path: &Path, more: &[&str]) -> Vec<String> {
    let path = path.to_str().unwrap();
    ["push", "artifact", url, "--path", path, "--source", "https://s", "--revision", "main@sha1:ab"]
        .iter()
        .chain(more)
        .map(|&text| text.to_owned())
        .collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
