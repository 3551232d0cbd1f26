#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]
//! `sluice push` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use registry::{Guard, Registry, Setup};

async fn sluice(docker: &Path, args: Vec<String>) -> Output {
    let docker = docker.to_owned();
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_sluice"))
            .env("DOCKER_CONFIG", docker)
            .args(args)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn push_args(url: &str, path: &Path, more: &[&str]) -> Vec<String> {
    let path = path.to_str().unwrap();
    ["push", "artifact", url, "--path", path, "--source", "https://s", "--revision", "main@sha1:ab"]
        .iter()
        .chain(more)
        .map(|&text| text.to_owned())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_folder_becomes_an_artifact() {
    let registry = Registry::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.yaml"), "kind: List\n").unwrap();
    std::fs::write(folder.path().join("logo.png"), "ignored").unwrap();
    let none = tempfile::tempdir().unwrap();
    let url = format!("{}:v1", registry.url("team/app"));
    let args = push_args(&url, folder.path(), &["--reproducible", "-a", "k=v", "-o", "json"]);
    let first = sluice(none.path(), args.clone()).await;
    assert!(first.status.success(), "{}", text(&first.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(answer["tag"], "v1");
    assert_eq!(answer["repository"], format!("{}/team/app", registry.host()));
    let second = sluice(none.path(), args).await;
    assert_eq!(text(&second.stdout), text(&first.stdout), "equal content, equal digest");
}

#[tokio::test]
async fn failures_say_what_why_and_what_to_try() {
    let guard = Guard::Basic("user".into(), "secret".into());
    let registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let none = tempfile::tempdir().unwrap();
    let url = registry.url("team/app");
    let refused = sluice(none.path(), push_args(&url, folder.path(), &[])).await;
    let said = text(&refused.stderr).replace(registry.host(), "HOST");
    assert!(said.starts_with("error: failed to push layer\ncause: "), "{said}");
    let hint = "hint: name credentials with --creds, or log in with your Docker client\n";
    assert!(said.ends_with(hint), "{said}");
    let allowed = push_args(&url, folder.path(), &["--creds", "user:secret"]);
    assert!(sluice(none.path(), allowed).await.status.success());
    let docker = format!(
        r#"{{"auths": {{"{}": {{"username": "user", "password": "secret"}}}}}}"#,
        registry.host()
    );
    std::fs::write(none.path().join("config.json"), docker).unwrap();
    assert!(sluice(none.path(), push_args(&url, folder.path(), &[])).await.status.success());
    let malformed = sluice(none.path(), push_args("https://x/y", folder.path(), &[])).await;
    assert_eq!(
        text(&malformed.stderr),
        "error: malformed address `https://x/y`\n\
         cause: URL must be in format 'oci://<domain>/<org>/<repo>'\n\
         hint: write oci://<host>/<repository>:<tag>\n"
    );
}
