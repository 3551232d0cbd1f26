//! A kustomization file beside one object, a patch and a data file.
#![no_main]

use kustomize::LoadRestriction;
use kustomize::files::FilePath;
use libfuzzer_sys::fuzz_target;

const BESIDE: &[u8] = b"=== web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec: {replicas: 1, template: {spec: {containers: [{name: web, image: 'nginx:1'}]}}}
=== patch.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
=== data.env
KEY=value
=== base/kustomization.yaml
namePrefix: base-
";

fuzz_target!(|data: &[u8]| {
    let mut files = sluice_fuzz::tree(BESIDE);
    files.insert(FilePath::root().join_clamped("kustomization.yaml"), data.to_vec());
    sluice_fuzz::check(&files, LoadRestriction::Tree);
});
