//! The control plane comes up, works, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use controlplane::ControlPlane;

#[test]
fn it_serves_its_admin_refuses_the_tenant_and_leaves_nothing() {
    let plane = ControlPlane::start().unwrap();
    let nodes = plane.kubectl().args(["get", "nodes", "-o", "name"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&nodes.stdout), "node/fake-0\n");
    let refused = plane
        .kubectl()
        .env("KUBECONFIG", plane.tenant_kubeconfig())
        .args(["get", "nodes"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"));
    let state = plane.admin_kubeconfig().parent().unwrap().to_owned();
    assert!(state.is_dir());
    drop(plane);
    assert!(!state.exists(), "state stays behind");
}
