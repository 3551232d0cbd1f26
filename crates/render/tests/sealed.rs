//! Encrypted files and objects: documents that the real sops made (`crates/sops/tests/documents`).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads its files and ends at the first surprise"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kustomize::files::{FilePath, Memory};
use manifest::Object;
use render::sealed::{Sources, is_sealed, refuse_encrypted};
use render::{Rendered, Request};
use sops::{DataKeys, Wrapped, age};

fn document(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sops/tests/documents");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn keys(wrapped: Vec<Wrapped>, identity: &str, keys: &mut DataKeys) {
    let mut identities = age::Identities::default();
    identities.add(&document(identity)).unwrap();
    for wrapped in wrapped {
        let outcome = identities.unwrap(&wrapped.groups[0][0].wrapped);
        let key = wrapped.conclude(&[vec![outcome]]);
        keys.insert(wrapped, key);
    }
}

fn render(files: &Memory, identity: &str) -> Result<Vec<Object>, String> {
    rendered(files, identity).map(Rendered::into_objects)
}

fn rendered(files: &Memory, identity: &str) -> Result<Rendered, String> {
    let request = Request { path: "app".into(), ..Request::default() };
    let mut known = DataKeys::default();
    let sources = Sources::find(files, &request).map_err(|error| error.to_string())?;
    keys(sources.wrapped(), identity, &mut known);
    let draft = sources.build(files, &request, &known).map_err(|error| error.to_string())?;
    keys(draft.wrapped(), identity, &mut known);
    draft.finish(&request, &known).map_err(|error| error.to_string())
}

fn files(files: &[(&str, &str)]) -> Memory {
    files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect()
}

fn data(object: &Object, key: &str) -> String {
    let text = object.at(&["data", key]).unwrap().as_str().unwrap().replace('\n', "");
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// ks F03: each key of a generated Secret holds the plain text in its own format.
#[test]
fn generators_read_encrypted_files() {
    let root = "
resources: [base, plain.yaml]
secretGenerator:
- name: files
  files: [secret.yaml, config.json, my.ini, blob=blob.txt, settings.env=db.env,
    .dockerconfigjson=pull]
- name: envs
  envs: [vars]
generatorOptions: {disableNameSuffixHash: true}
configMapGenerator:
- name: sealed
  files: [config.json]
";
    let base = "secretGenerator: [{name: base, files: [inner.yaml]}]\ngeneratorOptions: {disableNameSuffixHash: true}";
    let encrypted = |name: &str| document(&format!("encrypted/{name}"));
    let expected = |name: &str| document(&format!("expected/{name}"));
    let tree = files(&[
        ("app/kustomization.yaml", root),
        ("app/plain.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n"),
        ("app/base/kustomization.yaml", base),
        ("app/base/inner.yaml", &encrypted("values.yaml")),
        ("app/secret.yaml", &encrypted("secret.yaml")),
        ("app/config.json", &encrypted("config.json")),
        ("app/my.ini", &encrypted("my.ini")),
        ("app/blob.txt", &encrypted("blob.txt")),
        ("app/db.env", &encrypted("db.env")),
        ("app/pull", &encrypted("pull.dockerconfigjson")),
        ("app/vars", &encrypted("db.env")),
    ]);
    let objects = render(&tree, "keys/one.agekey").unwrap();
    let find = |name: &str| objects.iter().find(|object| object.name() == name).unwrap();
    for (key, name) in [
        ("secret.yaml", "secret.yaml"),
        ("config.json", "config.json"),
        ("my.ini", "my.ini"),
        ("blob", "blob.txt"),
        ("settings.env", "db.env"),
        (".dockerconfigjson", "pull.dockerconfigjson"),
    ] {
        assert_eq!(data(find("files"), key), expected(name), "{key}");
    }
    assert_eq!(data(find("base"), "inner.yaml"), expected("values.yaml"));
    assert_eq!(data(find("envs"), "USER"), "admin");
}

const PATCH: &str = "
resources: [cm.yaml]
components: [../part]
patches: [{path: patch.yaml, target: {kind: ConfigMap}}]
";

/// ks F04: patches and files of components are read in plain.
#[test]
fn patches_and_components_are_decrypted() {
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
                     secretGenerator: [{name: part, envs: [db.env]}]\n";
    let tree = files(&[
        ("app/kustomization.yaml", PATCH),
        ("app/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {a: b}\n"),
        ("app/patch.yaml", &document("encrypted/patch.yaml")),
        ("part/kustomization.yaml", component),
        ("part/db.env", &document("encrypted/db.env")),
    ]);
    let objects = render(&tree, "keys/one.agekey").unwrap();
    assert_eq!(objects[0].at(&["data", "patched"]).unwrap().as_str(), Some("yes"));
    assert_eq!(data(&objects[1], "USER"), "admin");
    let edited = document("encrypted/patch.yaml").replace("name: cm", "name: other");
    let mut changed = tree.clone();
    changed.insert(FilePath::root().join_clamped("app/patch.yaml"), edited.into_bytes());
    let warned = rendered(&changed, "keys/one.agekey").unwrap();
    assert_eq!(warned.warnings(), ["/app/patch.yaml was changed after it was encrypted"]);
    assert_eq!(rendered(&tree, "keys/one.agekey").unwrap().warnings(), [""; 0]);
    let error = render(&tree, "keys/two.agekey").unwrap_err();
    let begin = "error decrypting sources: /part/db.env: cannot get sops data key: Failed to get";
    let other =
        "error decrypting sources: /app/patch.yaml: cannot get sops data key: Failed to get";
    assert!(error.starts_with(begin) || error.starts_with(other), "{error}");
}

/// ks F01, F06, F08: encrypted objects, and Secrets that hold encrypted documents.
#[test]
fn objects_are_decrypted_unless_they_say_no() {
    let whole = document("encrypted/regex.yaml");
    let disabled = whole.replace(
        "metadata:\n    name: s",
        "metadata:\n    name: off\n    annotations: {kustomize.toolkit.fluxcd.io/decrypt: Disabled}",
    );
    let wrapped = STANDARD.encode(document("encrypted/db.env"));
    let (first, rest) = wrapped.split_at(70);
    let holds = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: holds}}\n\
         data:\n  db.env: |\n    {first}\n    {rest}\n"
    );
    let root = "resources: [whole.yaml, off.yaml, holds.yaml]\n";
    let tree = files(&[
        ("app/kustomization.yaml", root),
        ("app/whole.yaml", &whole),
        ("app/off.yaml", &disabled),
        ("app/holds.yaml", &holds),
    ]);
    let objects = render(&tree, "keys/one.agekey").unwrap();
    let [whole, off, holds] = objects.as_slice() else { unreachable!("three went in") };
    assert_eq!(whole.at(&["stringData", "user"]).unwrap().as_str(), Some("admin"));
    assert_eq!(whole.at(&["sops"]), None);
    assert!(off.at(&["sops"]).is_some());
    assert_eq!(data(holds, "db.env"), document("expected/db.env"));
    assert!(refuse_encrypted(&objects).is_ok());
    assert!(!objects.iter().any(is_sealed));
    let request = Request { path: "app".into(), ..Request::default() };
    let sealed = render::render(&tree, &request).unwrap().into_objects();
    let refused = refuse_encrypted(&sealed).unwrap_err().to_string();
    assert!(refused.starts_with("Secret/s is SOPS encrypted"), "{refused}");
    assert_eq!(sealed.iter().map(is_sealed).collect::<Vec<_>>(), [true, false, true]);
    let error = render(&tree, "keys/two.agekey").unwrap_err();
    let begin = "decryption failed for 'Secret.v1.[noGrp]/s': failed to decrypt and format '/s' \
                 Secret data: cannot get sops data key: Failed to get";
    assert!(error.starts_with(begin), "{error}");
}

/// security G6: a build that cannot use a decrypted file does not quote what was encrypted.
#[test]
fn builds_do_not_quote_what_was_decrypted() {
    let root = "patches: [{path: stray.yaml}]\n";
    let patch = document("encrypted/stray.yaml");
    let tree = files(&[("app/kustomization.yaml", root), ("app/stray.yaml", &patch)]);
    let error = render(&tree, "keys/one.agekey").unwrap_err();
    assert!(error.starts_with("kustomize build failed: "), "{error}");
    assert!(error.contains("ConfigMap.v1.[noGrp]/***"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

/// What is not there or too large is found before anything is decrypted.
#[test]
fn files_that_are_too_large_are_refused() {
    let large = "x".repeat((5 << 20) + 1);
    let root = "secretGenerator: [{name: s, files: [large, missing, ../../out]}]\n";
    let tree = files(&[("app/kustomization.yaml", root), ("app/large", &large)]);
    let error = render(&tree, "keys/one.agekey").unwrap_err();
    let text = "error decrypting sources: /app/large: cannot decrypt file with size (5242881 bytes) \
                exceeding limit (5242880)";
    assert_eq!(error, text);
    let cycle = files(&[
        ("app/kustomization.yaml", "resources: [../app, a.yaml]\n"),
        ("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
    ]);
    assert!(Sources::find(&cycle, &Request { path: "app".into(), ..Request::default() }).is_ok());
}
