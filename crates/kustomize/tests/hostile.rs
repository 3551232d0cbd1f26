//! What an artifact may try against a build (security.md, 4.2).
#![allow(clippy::unwrap_used, reason = "a test")]

use kustomize::files::{FilePath, Memory};
use kustomize::{LoadRestriction, Options, build};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";

/// What the operator makes of files below `base`, beside which lies what is not theirs.
fn built(files: &[(&str, &str)]) -> Result<String, String> {
    let files: Memory = files.iter().copied().collect();
    let options = Options { load_restriction: LoadRestriction::Tree, ..Options::default() };
    match build(&files, &FilePath::root(), &options) {
        Ok(built) => Ok(built.into_yaml()),
        Err(error) => Err(error.chain()),
    }
}

/// B1: whatever field names a file, none leads out of the artifact, and the file is named.
#[test]
fn no_field_leads_out_of_the_artifact() {
    let fields = [
        "resources: [PATH]",
        "bases: [PATH]",
        "components: [PATH]",
        "crds: [PATH]",
        "configurations: [PATH]",
        "openapi: {path: PATH}",
        "replacements: [{path: PATH}]",
        "patches: [{path: PATH}]",
        "patchesStrategicMerge: [PATH]",
        "patchesJson6902: [{path: PATH, target: {version: v1, kind: ConfigMap, name: a}}]",
        "configMapGenerator: [{name: x, files: [PATH]}]",
        "configMapGenerator: [{name: x, files: [key=PATH]}]",
        "configMapGenerator: [{name: x, envs: [PATH]}]",
        "secretGenerator: [{name: x, files: [PATH]}]",
        "secretGenerator: [{name: x, envs: [PATH]}]",
        "generators: [PATH]",
        "transformers: [PATH]",
        "validators: [PATH]",
    ];
    for path in ["../secret", "/etc/passwd", "a/../../secret", "..", "./../../../../secret"] {
        for field in fields {
            let kustomization = format!("{}\n", field.replace("PATH", path));
            let files = [("kustomization.yaml", kustomization.as_str()), ("a.yaml", MAP)];
            let error = built(&files).unwrap_err();
            assert!(error.contains(path.trim_end_matches('/')), "{field} {path}: {error}");
            let refused = ["fs-security-constraint", "cannot be absolute", "contains visited root"];
            assert!(refused.iter().any(|why| error.contains(why)), "{field} {path}: {error}");
        }
    }
}

/// B2: what doubles with every level is stopped, whether or not anything comes of it.
#[test]
fn overlays_that_double_are_stopped() {
    for leaf in ["# nothing\n", MAP] {
        let mut files: Vec<(String, String)> = vec![
            ("kustomization.yaml".into(), "resources: [l0]\n".into()),
            ("a.yaml".into(), leaf.into()),
            ("l40/kustomization.yaml".into(), "resources: [../a.yaml]\n".into()),
        ];
        for at in 0..40 {
            let both = format!("resources: [../a{at}, ../b{at}]\n");
            files.push((format!("l{at}/kustomization.yaml"), both));
            for side in ["a", "b"] {
                let next = format!("resources: [../l{}]\nnamePrefix: {side}\n", at + 1);
                files.push((format!("{side}{at}/kustomization.yaml"), next));
            }
        }
        let files: Vec<_> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let error = built(&files).unwrap_err();
        assert!(error.ends_with("number of bases exceeds its limit"), "{error}");
    }
}

/// B2: what is only much is done.
#[test]
fn many_overlays_are_built() {
    let overlays: Vec<_> = (0..3000).map(|at| format!("o{at}")).collect();
    let kustomization = format!("resources: [{}]\n", overlays.join(", "));
    let texts: Vec<_> = overlays
        .iter()
        .map(|name| {
            let text = format!("resources: [../base]\nnamePrefix: {name}-\n");
            (format!("{name}/kustomization.yaml"), text)
        })
        .collect();
    let mut files = vec![
        ("kustomization.yaml", kustomization.as_str()),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", MAP),
    ];
    files.extend(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    assert_eq!(built(&files).unwrap().matches("kind: ConfigMap").count(), 3000);
    let twice = format!("resources: [{}]\n", vec!["a.yaml"; 100_000].join(", "));
    let error = built(&[("kustomization.yaml", &twice), ("a.yaml", MAP)]).unwrap_err();
    assert!(error.contains("may not add resource with an already registered id"), "{error}");
}

/// B3: no field runs anything: functions, plugins and charts are refused.
#[test]
fn nothing_is_run() {
    let function = |how: &str| {
        format!(
            "apiVersion: example.com/v1\nkind: Run\nmetadata:\n  name: r\n  annotations:\n    \
             config.kubernetes.io/function: |\n      {how}\n"
        )
    };
    let plugins = [
        function("exec: {path: ./run.sh}"),
        function("container: {image: example.com/run}"),
        function("starlark: {path: run.star, name: run}"),
        "apiVersion: someteam.example.com/v1\nkind: Run\nmetadata: {name: r}\n".to_owned(),
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: r}\nname: x\n"
            .to_owned(),
    ];
    for plugin in &plugins {
        for field in ["generators", "transformers", "validators"] {
            let kustomization = format!("resources: [a.yaml]\n{field}: [r.yaml]\n");
            let files = [
                ("kustomization.yaml", kustomization.as_str()),
                ("a.yaml", MAP),
                ("r.yaml", plugin),
            ];
            let error = built(&files).unwrap_err();
            let refused = ["plugin", "enable-helm"].iter().any(|word| error.contains(word));
            assert!(refused, "{field} {plugin}: {error}");
        }
    }
    let chart = "helmCharts: [{name: x, repo: https://example.com}]\n";
    assert!(built(&[("kustomization.yaml", chart)]).unwrap_err().contains("enable-helm"));
}

/// B6: a pattern that would go astray elsewhere takes a time that grows with the text.
#[test]
fn patterns_of_targets_stay_fast() {
    let name = "a".repeat(1 << 20);
    let object = MAP.replace("name: a", &format!("name: {name}!"));
    let patch = |pattern: &str| {
        format!(
            "resources: [a.yaml]\npatches:\n- target: {{kind: ConfigMap, name: '{pattern}'}}\n  patch: \
             '[{{\"op\": \"add\", \"path\": \"/data/x\", \"value\": \"z\"}}]'\n"
        )
    };
    let files =
        |kustomization: &str| built(&[("kustomization.yaml", kustomization), ("a.yaml", &object)]);
    assert!(!files(&patch("(a+)+$")).unwrap().contains("x: z"));
    assert!(files(&patch("(a+)+!")).unwrap().contains("x: z"));
    let large = files(&patch(&"(a{1,1000}){1,1000}".repeat(10))).unwrap_err();
    assert!(large.contains("error parsing regexp") || large.contains("limit"), "{large}");
}
