use std::os::unix::fs::PermissionsExt;

use registry::{Guard, Registry, Setup};

use crate::{Desk, push_args, sluice, text};

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

/// What stays out is said when it is pushed; what a `.sourceignore` says counts in the cluster.
#[tokio::test]
async fn what_is_packed_is_as_said() {
    let desk = Desk::new().await;
    let files = desk.files.path();
    std::fs::write(files.join(".gitignore"), "").unwrap();
    std::fs::write(files.join(".sourceignore"), "app.yaml\n").unwrap();
    std::fs::write(files.join(".sops.yaml"), "").unwrap();
    std::fs::write(desk.empty.path().join("far.yaml"), "kind: List\n").unwrap();
    std::os::unix::fs::symlink(desk.empty.path(), files.join("link")).unwrap();
    let paths = async |more: &[&str]| {
        let to = tempfile::tempdir().unwrap();
        let args = push_args(&desk.url(":v1"), files, more);
        assert!(sluice(desk.docker.path(), args).await.status.success());
        let (url, folder) = (desk.url(":v1"), to.path().to_str().unwrap().to_owned());
        let args = ["pull", "artifact", &url, "--output", &folder].map(str::to_owned).into();
        assert!(sluice(desk.docker.path(), args).await.status.success());
        let mut found = Vec::new();
        let mut open = vec![to.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(to.path()).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found.join(" ")
    };
    assert_eq!(paths(&[]).await, ".sops.yaml .sourceignore app.yaml base/cm.yaml");
    assert_eq!(
        paths(&["--ignore-paths", "base/,.s*", "--resolve-symlinks"]).await,
        "app.yaml link/far.yaml logo.png"
    );
}

/// Security E8: a helper is a program, and runs only for those who ask for it.
#[tokio::test]
async fn credential_helpers_run_when_asked_for() {
    let mut desk = Desk::new().await;
    let guard = Guard::Basic("user".into(), "secret".into());
    desk.registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    let config =
        format!(r#"{{"auths": {{}}, "credHelpers": {{"{}": "desk"}}}}"#, desk.registry.host());
    std::fs::write(desk.docker.path().join("config.json"), config).unwrap();
    let helper = desk.docker.path().join("docker-credential-desk");
    let answer = r#"{"Username": "user", "Secret": "secret"}"#;
    let script = format!("#!/bin/sh\ncat >\"$DOCKER_CONFIG/asked\"\necho '{answer}'\n");
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let url = desk.url(":v1");
    let refused = sluice(desk.docker.path(), push_args(&url, desk.files.path(), &[])).await;
    assert!(!refused.status.success());
    let asked = desk.docker.path().join("asked");
    assert!(!asked.exists());
    let args = push_args(&url, desk.files.path(), &["--credential-helpers"]);
    let pushed = sluice(desk.docker.path(), args).await;
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    assert_eq!(std::fs::read_to_string(asked).unwrap(), desk.registry.host());
}
