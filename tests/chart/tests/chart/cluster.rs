//! The life of a release on a real API server. Nothing runs in its pods: the nodes are fake.

use std::path::Path;
use std::process::Stdio;

use chart::{Helm, chart};
use controlplane::ControlPlane;

use crate::{NAMESPACE, config};

fn kubectl(args: &[&str]) -> String {
    let mut command = ControlPlane::shared().kubectl();
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn deployment(path: &str) -> String {
    let output = format!("jsonpath={{{path}}}");
    kubectl(&["-n", NAMESPACE, "get", "deployment", "sluice-controller", "-o", &output])
}

const CONTAINER: &str = ".spec.template.spec.containers[0]";

/// As docs/install.md has it.
const TAKE_OVER: &[&str] = &["--take-ownership", "--force-conflicts"];

const DEFINITION: (&str, &str) =
    ("customresourcedefinition", "kustomizations.kustomize.toolkit.fluxcd.io");

fn printed_columns() -> String {
    let columns = "jsonpath={.spec.versions[0].additionalPrinterColumns}";
    kubectl(&["get", DEFINITION.0, DEFINITION.1, "-o", columns])
}

/// The chart with definitions as an older release might have had them.
fn older_chart() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for part in ["Chart.yaml", "values.yaml", "values.schema.json", "templates", "files"] {
        let from = Path::new(&chart()).join(part);
        let files = if from.is_dir() {
            std::fs::create_dir(copy.path().join(part)).unwrap();
            std::fs::read_dir(&from).unwrap().map(|file| file.unwrap().path()).collect()
        } else {
            vec![from]
        };
        for file in files {
            let to = copy.path().join(file.strip_prefix(chart()).unwrap());
            let text = std::fs::read_to_string(&file).unwrap();
            let text =
                if part == "files" { text.replace("name: Ready", "name: Older") } else { text };
            std::fs::write(to, text).unwrap();
        }
    }
    copy
}

#[test]
fn a_release_lives_changes_and_leaves() {
    let helm = Helm::of_cluster(ControlPlane::shared().admin_kubeconfig()).unwrap();
    let (chart, older) = (chart(), older_chart());
    let run_from = |chart: &str, command: &str, arguments: &[&str]| {
        let mut args = vec![command, "sluice", chart, "--namespace", NAMESPACE];
        args.extend(["--wait", "--timeout", "120s"]);
        args.extend(arguments);
        helm.succeed(&args).unwrap()
    };
    let run = |command: &str, arguments: &[&str]| run_from(&chart, command, arguments);
    // A namespace that refuses every pod that is not restricted.
    kubectl(&["create", "namespace", NAMESPACE]);
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", NAMESPACE, restricted]);

    // Where Flux or kubectl brought the definitions, taking them over has to be said.
    kubectl(&["apply", "--server-side", "-k", config("crd").to_str().unwrap()]);
    let refused = helm.fail(&["install", "sluice", &chart, "--namespace", NAMESPACE]).unwrap();
    assert!(refused.contains("invalid ownership metadata"), "{refused}");
    let notes = run_from(older.path().to_str().unwrap(), "install", TAKE_OVER);
    assert!(notes.contains("Sluice 0.1.0 runs in namespace sluice-system"), "{notes}");
    assert_eq!(deployment(".status.readyReplicas"), "1");
    kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    kubectl(&["-n", NAMESPACE, "get", "ocirepositories,kustomizations"]);
    let can = |verb: &str, what: &str| {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:sluice-controller");
        let mut command = ControlPlane::shared().kubectl();
        command.args(["auth", "can-i", verb, what, &account]).stdin(Stdio::null());
        command.output().unwrap().status.success()
    };
    assert!(can("delete", "deployments.apps"), "cluster-admin by default");

    // An object that the user made must survive everything below.
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\n\
                  metadata: {name: kept, namespace: default}\n\
                  spec: {url: \"oci://registry.example.com/app\", interval: 5m}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.yaml");
    std::fs::write(&path, source).unwrap();
    kubectl(&["apply", "-f", path.to_str().unwrap()]);

    assert!(printed_columns().contains("Older"), "what the older release installed");

    run("upgrade", &["--set", "controller.concurrent=9,rbac.clusterAdmin=false,image.tag=next"]);
    assert!(deployment(&format!("{CONTAINER}.args")).contains("--concurrent=9"));
    assert!(deployment(&format!("{CONTAINER}.image")).ends_with(":next"));
    assert_eq!(deployment(".status.readyReplicas"), "1");
    assert!(printed_columns().contains("Ready"), "definitions are upgraded with the release");
    assert!(!can("delete", "deployments.apps"), "the binding went with its value");
    assert!(can("patch", "ocirepositories.source.toolkit.fluxcd.io"), "its own work goes on");

    helm.succeed(&["uninstall", "sluice", "--namespace", NAMESPACE, "--wait"]).unwrap();
    let left = kubectl(&["-n", NAMESPACE, "get", "deployments,services,pods", "-o", "name"]);
    assert!(!left.contains("sluice"), "{left}");
    let url = kubectl(&["get", "ocirepository", "kept", "-o", "jsonpath={.spec.url}"]);
    assert_eq!(url, "oci://registry.example.com/app", "definitions and objects outlive a release");

    run("install", &[]);
    assert_eq!(deployment(".status.readyReplicas"), "1");
}
