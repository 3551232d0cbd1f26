//! Requests over small trees: what comes out, and the exact words when nothing does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_raw_string_hashes, reason = "a test")]

use expect_test::{Expect, expect};
use kustomize::files::Memory;
use manifest::yaml;
use render::request::{
    Image, MissingComponents, Owner, Patch, PostBuild, Request, Strategy, Target,
};
use render::substitute::Unset;

/// Files written as one text, each after a line `# file: path`.
fn files(fixture: &str) -> Memory {
    let parts = fixture.split("# file: ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.collect()
}

fn check(fixture: &str, request: &Request, expected: &Expect) {
    let got = match render::render(&files(fixture), request) {
        Ok(rendered) => {
            let objects = rendered.objects().iter().map(|object| yaml::to_string(object.value()));
            objects.collect::<Vec<_>>().join("---\n")
        }
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&got);
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

#[test]
fn a_directory_without_kustomization_is_taken_as_it_is() {
    let fixture = format!(
        "# file: app/b.yml\n{}# file: app/.hidden/a.yaml\n{}# file: app/c.json\nnot yaml: [\n\
         # file: app/sub/kustomization.yaml\nresources: [one.yaml]\n# file: app/sub/one.yaml\n{}\
         # file: app/sub/two.yaml\n{}",
        config_map("b"),
        config_map("hidden"),
        config_map("one"),
        config_map("two")
    );
    let request = Request {
        path: "./app".into(),
        owner: Some(Owner { name: "own".into(), namespace: "ns".into() }),
        common_labels: [("team".to_owned(), "a".to_owned())].into_iter().collect(),
        common_annotations: [("note".to_owned(), "1".to_owned())].into_iter().collect(),
        ..Request::default()
    };
    let names = render::render(&files(&fixture), &request).unwrap();
    let names: Vec<_> = names.objects().iter().map(|object| object.name().to_owned()).collect();
    assert_eq!(names, ["hidden", "b", "one"]);
    let fixture = format!("# file: app/b.yml\n{}", config_map("b"));
    check(
        &fixture,
        &request,
        &expect![[r#"
            apiVersion: v1
            kind: ConfigMap
            metadata:
              annotations:
                note: "1"
              labels:
                kustomize.toolkit.fluxcd.io/name: own
                kustomize.toolkit.fluxcd.io/namespace: ns
                team: a
              name: b
        "#]],
    );
}

#[test]
fn the_request_goes_over_the_file() {
    let fixture = "# file: kustomization.yaml\nresources: [web.yaml]\nnamespace: file\nimages:\n- {name: app, digest: sha256:d}\n# file: web.yaml\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - image: app:1\n    name: web\n";
    let request = Request {
        target_namespace: Some("spec".into()),
        name_prefix: Some("p-".into()),
        name_suffix: Some("-s".into()),
        images: vec![
            Image { name: "app".into(), new_tag: "2".into(), ..Image::default() },
            Image { name: "app".into(), new_name: "r/app".into(), ..Image::default() },
        ],
        patches: vec![Patch {
            patch: "- {op: add, path: /spec/hostNetwork, value: true}".into(),
            target: Some(Target { kind: "Pod".into(), ..Target::default() }),
        }],
        ..Request::default()
    };
    check(
        fixture,
        &request,
        &expect![[r#"
            apiVersion: v1
            kind: Pod
            metadata:
              name: p-web-s
              namespace: spec
            spec:
              containers:
              - image: r/app:2
                name: web
              hostNetwork: true
        "#]],
    );
}

#[test]
fn nothing_is_a_valid_result() {
    check(
        "# file: app/readme.md\nx\n",
        &Request { path: "app".into(), ..Request::default() },
        &expect![""],
    );
    check("# file: kustomization.yaml\nresources: []\n", &Request::default(), &expect![""]);
}

#[test]
fn failures_say_what_the_reference_says() {
    let at = |path: &str| Request { path: path.into(), ..Request::default() };
    check(
        "# file: a/x\n",
        &at("./missing"),
        &expect![[r#"
        kustomization path not found: stat ./missing: no such file or directory
    "#]],
    );
    check(
        "# file: a/ci.yaml\njobs: []\n",
        &at("a"),
        &expect![[r#"
        failed to decode Kubernetes YAML from /a/ci.yaml: missing Resource metadata
    "#]],
    );
    check(
        "# file: a/kustomization.yaml\nresources: [gone.yaml]\n",
        &at("a"),
        &expect![[r#"
        kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'gone.yaml': open /a/gone.yaml: no such file or directory': must build at directory: not a valid directory: evalsymlink failure on '/a/gone.yaml' : lstat /a/gone.yaml: no such file or directory
    "#]],
    );
    // ks D15
    for path in ["https://h/x", "/abs", "git@h:x/y"] {
        let request = Request { components: vec![path.into()], ..Request::default() };
        let error = render::render(&files("# file: x.md\n"), &request).unwrap_err().to_string();
        assert_eq!(error, format!("component path '{path}' must be local and relative"));
    }
    let (components, missing_components) = (vec!["../c".into()], MissingComponents::Ignored);
    let request = Request { components, missing_components, ..Request::default() };
    check("# file: x.md\n", &request, &expect![""]);
}

#[test]
fn a_path_cannot_leave_the_artifact() {
    let fixture = format!("# file: a.yaml\n{}", config_map("a"));
    let request = Request { path: "../../..".into(), ..Request::default() };
    assert_eq!(render::render(&files(&fixture), &request).unwrap().objects().len(), 1);
}

#[test]
fn variables() {
    let fixture = "# file: a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: ${x}-${y:=d}\n  b: $${x} $x\n  c: ${n}\n";
    let variables = [("x", "1\n"), ("n", "7")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut request = Request {
        post_build: Some(PostBuild {
            unavailable: None,
            strategy: Strategy::WithVariables,
            variables: variables.into_iter().collect(),
            unset: Unset::Refused,
        }),
        ..Request::default()
    };
    check(
        fixture,
        &request,
        &expect![[r#"
        apiVersion: v1
        data:
          a: 1-d
          b: ${x} $x
          c: 7
        kind: ConfigMap
        metadata:
          name: a
    "#]],
    );
    if let Some(post_build) = &mut request.post_build {
        post_build.variables.shift_remove("n");
    }
    check(
        fixture,
        &request,
        &expect![[r#"
        post build failed for 'ConfigMap.v1.[noGrp]/a': envsubst error: variable substitution failed: variable not set (strict mode): "n"
    "#]],
    );
    if let Some(post_build) = &mut request.post_build {
        post_build.variables.insert("my-key".into(), String::new());
    }
    check(
        fixture,
        &request,
        &expect![[r#"
        post build failed for 'ConfigMap.v1.[noGrp]/a': envsubst error: 'my-key' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'
    "#]],
    );
}

/// security B6: a patch may say another namespace; the one that the spec demands is the last word.
#[test]
fn no_patch_moves_an_object_to_another_namespace() {
    let fixture = format!(
        "# file: kustomization.yaml\nresources: [a.yaml]\npatches:\n- patch: '[{{\"op\": \"add\", \
         \"path\": \"/metadata/namespace\", \"value\": \"theirs\"}}]'\n  target: {{kind: ConfigMap}}\n\
         # file: a.yaml\n{}",
        config_map("a")
    );
    let request = Request {
        target_namespace: Some("ours".into()),
        patches: vec![Patch {
            patch: "kind: ConfigMap\nmetadata: {name: a, namespace: theirs-too}\n".into(),
            target: Some(Target { kind: "ConfigMap".into(), ..Target::default() }),
        }],
        ..Request::default()
    };
    let rendered = render::render(&files(&fixture), &request).unwrap();
    let namespaces: Vec<_> = rendered.objects().iter().map(manifest::Object::namespace).collect();
    assert_eq!(namespaces, ["ours"]);
}
