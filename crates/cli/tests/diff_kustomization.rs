#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]
//! `sluice diff kustomization` as a user runs it, on a real API server.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use controlplane::ControlPlane;
use serde_json::json;

const CONFIG_MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {a: '${a}'}\n";

fn kubectl(args: &[&str], input: &str) {
    let mut command = ControlPlane::shared().kubectl();
    let mut child = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "kubectl {args:?}");
}

fn apply(object: &serde_json::Value) {
    kubectl(&["apply", "--server-side", "-f", "-"], &object.to_string());
}

/// Exit code, standard output and standard error.
fn diff(folder: &Path, name: &str, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .env("KUBECONFIG", ControlPlane::shared().admin_kubeconfig())
        .args(["diff", "kustomization", name, "-n", "shop", "--path"])
        .arg(folder)
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// ks, detect-only: the plan of the operator for a folder, with variables of the cluster; nothing is
/// written, no value is shown, and the exit codes are those of `kubectl diff`.
#[test]
fn a_folder_is_compared_with_the_cluster() {
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    kubectl(&["apply", "--server-side", "-k", definitions.to_str().unwrap()], "");
    kubectl(&["wait", "--for=condition=Established", "crd", "--all"], "");
    kubectl(&["create", "namespace", "shop"], "");
    let owner = json!({"kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "shop"});
    let map = |name: &str, value: &str, labels: &serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": value},
            "metadata": {"name": name, "namespace": "shop", "labels": labels}})
    };
    apply(&map("old", "x", &owner));
    apply(&map("others", "x", &json!({})));
    apply(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vars", "namespace": "shop"},
        "stringData": {"a": "canary-5b1f9c"}}),
    );
    apply(&json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"interval": "10m", "prune": true, "targetNamespace": "shop", "suspend": true,
            "sourceRef": {"kind": "OCIRepository", "name": "web"},
            "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"},
                {"kind": "ConfigMap", "name": "none", "optional": true}]}}}));
    let entries = ["old", "others", "gone"]
        .map(|name| json!({"id": format!("shop_{name}__ConfigMap"), "v": "v1"}));
    let status = json!({"status": {"inventory": {"entries": entries}}}).to_string();
    let patch = [
        "-n",
        "shop",
        "patch",
        "kustomization",
        "web",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    kubectl(&[&patch[..], &[status.as_str()]].concat(), "");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cm.yaml"), CONFIG_MAP).unwrap();
    let created = "ConfigMap/shop/cm created\nConfigMap/shop/old deleted\n";
    assert_eq!(diff(folder.path(), "web", &[]), (1, created.into(), String::new()));
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata: {name: vars}\nsops: {mac: x}\n";
    std::fs::write(folder.path().join("sealed.yaml"), sealed).unwrap();
    let (code, out, err) = diff(folder.path(), "web", &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("error: Secret/shop/vars is SOPS encrypted"), "{err}");
    std::fs::remove_file(folder.path().join("sealed.yaml")).unwrap();

    let mut same = map("cm", "canary-5b1f9c", &owner);
    same["metadata"]["name"] = "cm".into();
    kubectl(&["-n", "shop", "delete", "configmap", "old"], "");
    kubectl(
        &["apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-"],
        &same.to_string(),
    );
    assert_eq!(diff(folder.path(), "web", &[]), (0, String::new(), String::new()));
    // What is typed wins over what the cluster has.
    let (code, out, _) = diff(folder.path(), "web", &["--var", "a=other", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let line = "ConfigMap/shop/cm configured (data.a)";
    assert_eq!((code, found), (1, json!({"changed": true, "objects": [line]})));
    let (code, _, err) = diff(folder.path(), "none", &[]);
    assert_eq!(code, 2);
    assert!(err.contains("\"none\" not found"), "{err}");
}
