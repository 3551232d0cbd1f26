#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_raw_string_hashes, reason = "the library writes them so")]
//! `sluice build` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";

/// A folder with a kustomization of one object in `shop`, and one object beside it.
fn folder(kustomization: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    for (path, text) in [
        ("shop/kustomization.yaml", kustomization),
        ("shop/web.yaml", CONFIG_MAP),
        ("beside.yaml", &CONFIG_MAP.replace("web", "beside")),
    ] {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    folder
}

fn sluice(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.current_dir(folder).arg("build").args(args).output().unwrap()
}

/// Runs in a folder; the exit code and what was printed are what a user sees.
fn check(folder: &Path, args: &[&str], expected: &Expect) {
    let output = sluice(folder, args);
    let root = folder.canonicalize().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(root.to_str().unwrap(), "DIR");
    let (code, out, err) =
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr));
    expected.assert_eq(&format!("exit {code}\n{out}---- stderr\n{err}"));
}

#[test]
fn objects_go_to_stdout_and_warnings_to_stderr() {
    let folder = folder("bases: []\nresources: [web.yaml]\nnamePrefix: my-\n");
    let printed = expect![[r#"
        exit 0
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: my-web
        ---- stderr
        # Warning: 'bases' is deprecated. Please use 'resources' instead. Run 'kustomize edit fix' to update your Kustomization automatically.
    "#]];
    check(folder.path(), &["shop"], &printed);
    check(&folder.path().join("shop"), &[], &printed);
    let tuned = ["shop", "-e", "A=b", "--mount", "type=bind", "--helm-command", "helm3"];
    check(folder.path(), &tuned, &printed);
    check(folder.path(), &["shop", "--as-current-user", "--reorder", "none"], &printed);
}

#[test]
fn files_beside_the_kustomization_need_leave() {
    let folder = folder("resources: [../beside.yaml]\n");
    check(
        folder.path(),
        &["shop"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: accumulating resources: accumulation err='accumulating resources from '../beside.yaml': security; file 'DIR/beside.yaml' is not in or below 'DIR/shop'': must build at directory: 'DIR/beside.yaml': file is not directory
        "#]],
    );
    check(
        folder.path(),
        &["shop", "--load-restrictor", "LoadRestrictionsNone", "--enable-managedby-label"],
        &expect![[r#"
            exit 0
            apiVersion: v1
            kind: ConfigMap
            metadata:
              labels:
                app.kubernetes.io/managed-by: kustomize-v5.8.1
              name: beside
            ---- stderr
        "#]],
    );
}

#[test]
fn mistakes_are_told_with_exit_code_one_and_wrong_flags_with_two() {
    let folder = folder("resource: [web.yaml]\n");
    check(
        folder.path(),
        &["shop"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: invalid Kustomization: json: unknown field "resource"
        "#]],
    );
    check(
        folder.path(),
        &["none"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: must build at directory: not a valid directory: evalsymlink failure on 'DIR/none' : lstat DIR/none: no such file or directory
        "#]],
    );
    check(
        folder.path(),
        &["shop", "--enable-helm"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: `--enable-helm` is refused: a build starts no program
            hint: run the program beforehand, and list what it prints in `resources`
        "#]],
    );
    check(
        folder.path(),
        &["shop", "--reorder", "random"],
        &expect![[r#"
            exit 2
            ---- stderr
            error: invalid value 'random' for '--reorder <REORDER>'
              [possible values: legacy, none]

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn output_is_a_file_or_a_file_an_object() {
    let folder = folder("resources: [web.yaml, more.yaml]\n");
    let more = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: Web, namespace: Shop}\n---\n\
                apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    std::fs::write(folder.path().join("shop/more.yaml"), more).unwrap();
    check(folder.path(), &["shop", "--output", "all.yaml"], &expect![["exit 0\n---- stderr\n"]]);
    let all = std::fs::read_to_string(folder.path().join("all.yaml")).unwrap();
    assert_eq!(all.matches("---\n").count(), 2, "{all}");
    std::fs::create_dir(folder.path().join("out")).unwrap();
    check(folder.path(), &["shop", "-o", "out"], &expect![["exit 0\n---- stderr\n"]]);
    let files = std::fs::read_dir(folder.path().join("out")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "default_v1_configmap_web.yaml",
        "shop_apps_v1_deployment_web.yaml",
        "v1_namespace_shop.yaml",
    ];
    assert_eq!(names, expected);
    check(
        folder.path(),
        &["shop", "-o", "none/all.yaml"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: write `none/all.yaml`
            cause: No such file or directory (os error 2)
        "#]],
    );
}

/// Another object comes first in its file.
const KUSTOMIZATION: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux}\n---\n\
apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n\
metadata: {name: shop, namespace: flux}\nspec:\n  interval: 1m\n  prune: true\n  \
path: ./elsewhere\n  namePrefix: my-\n  sourceRef: {kind: OCIRepository, name: shop}\n  \
postBuild: {substitute: {other: x}, substituteFrom: [{kind: Secret, name: s}]}\n";
const STRICT: [&str; 4] = ["shop", "--strict", "--kustomization", "ks.yaml"];

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// What the operator refuses is refused before it is pushed, with its words, and what it drops is told.
#[test]
fn a_strict_build_finds_what_the_cluster_would_refuse() {
    let folder = folder("resources: [web.yaml]\n");
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: '${name}'}\nspec:\n  \
                      replica: 2\n  selector: {matchLabels: {a: b}}\n";
    write(folder.path(), "shop/web.yaml", deployment);
    write(folder.path(), "ks.yaml", KUSTOMIZATION);
    check(
        folder.path(),
        &STRICT,
        &expect![[r#"
        exit 1
        ---- stderr
        error: post build failed for 'Deployment.v1.apps/my-${name}': envsubst error: variable substitution failed: variable not set (strict mode): "name"
    "#]],
    );
    let given = [&STRICT[..], &["--var", "name=web"]].concat();
    check(
        folder.path(),
        &given,
        &expect![[r#"
        exit 0
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          labels:
            kustomize.toolkit.fluxcd.io/name: shop
            kustomize.toolkit.fluxcd.io/namespace: flux
          name: my-web
        spec:
          replica: 2
          selector:
            matchLabels:
              a: b
        ---- stderr
        warning: Deployment/my-web: unknown fields are dropped: spec.replica
    "#]],
    );
}

/// What only the cluster can decrypt is refused, unless it will.
#[test]
fn a_strict_build_knows_what_is_encrypted() {
    let folder = folder("resources: [web.yaml]\n");
    write(folder.path(), "ks.yaml", KUSTOMIZATION);
    write(
        folder.path(),
        "shop/web.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nsops: {mac: x}\n",
    );
    check(
        folder.path(),
        &["shop", "--strict"],
        &expect![[r#"
        exit 1
        ---- stderr
        error: Secret/s is SOPS encrypted, configuring decryption is required for this secret to be reconciled
    "#]],
    );
    write(
        folder.path(),
        "ks.yaml",
        &KUSTOMIZATION.replace("prune: true", "prune: true\n  decryption: {provider: sops}"),
    );
    check(
        folder.path(),
        &STRICT,
        &expect![[r#"
        exit 0
        apiVersion: v1
        kind: Secret
        metadata:
          labels:
            kustomize.toolkit.fluxcd.io/name: shop
            kustomize.toolkit.fluxcd.io/namespace: flux
          name: my-s
        sops:
          mac: x
        ---- stderr
    "#]],
    );
    write(folder.path(), "ks.yaml", CONFIG_MAP);
    check(
        folder.path(),
        &STRICT,
        &expect![[r#"
        exit 1
        ---- stderr
        error: `ks.yaml` has no Kustomization of kustomize.toolkit.fluxcd.io
        hint: name the file of the Kustomization, not that of its objects
    "#]],
    );
    check(
        folder.path(),
        &["shop", "--kustomization", "ks.yaml"],
        &expect![[r#"
        exit 2
        ---- stderr
        error: the following required arguments were not provided:
          --strict

        Usage: sluice build --strict --kustomization <FILE> <DIRECTORY>

        For more information, try '--help'.
    "#]],
    );
}

/// Files of other hosts need a host that answers, and leave.
#[test]
fn files_of_other_hosts_need_leave() {
    let folder = folder("resources: ['http://127.0.0.1:1/a.yaml']\n");
    check(
        folder.path(),
        &["shop"],
        &expect![[r#"
            exit 1
            ---- stderr
            error: failed to fetch remote resource 'http://127.0.0.1:1/a.yaml': host 127.0.0.1 is on the inside of a network: put the file into the artifact, or allow the host with --allow-remote-base-host=127.0.0.1
        "#]],
    );
    let allowed = ["shop", "--strict", "--allow-remote-base-host", "127.0.0.1"];
    check(
        folder.path(),
        &allowed,
        &expect![[r#"
        exit 1
        ---- stderr
        error: failed to fetch remote resource 'http://127.0.0.1:1/a.yaml': client error (Connect): tcp connect error: Connection refused (os error 111)
    "#]],
    );
    check(
        folder.path(),
        &["shop", "--no-remote-bases"],
        &expect![[r#"
        exit 1
        ---- stderr
        error: accumulating resources: remote resource 'http://127.0.0.1:1/a.yaml' is refused: only files of the artifact are built
    "#]],
    );
}
