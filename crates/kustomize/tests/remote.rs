//! Remote references are followed through the door that the caller opens, and no other.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::borrow::Cow;

use kustomize::files::{FilePath, Files, Kind, Memory, Unreadable};
use kustomize::{LoadRestriction, Options, build};

/// Files of which some were fetched into `fetched`, under the last part of their address.
struct Fetched(Memory);

impl Files for Fetched {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        self.0.kind(path)
    }

    fn read(&self, path: &FilePath) -> Result<Cow<'_, [u8]>, Unreadable> {
        self.0.read(path)
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        self.0.list(path)
    }

    fn remote(&self, reference: &str) -> Option<FilePath> {
        let name = reference.rsplit('/').next()?;
        let path = FilePath::root().join("fetched")?.join(name)?;
        self.0.kind(&path).map(|_| path)
    }
}

fn files() -> Memory {
    let object = |name| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    [
        (
            "shop/kustomization.yaml",
            "resources: [https://host/file.yaml, git@host:x/base]\nnamePrefix: my-\n".to_owned(),
        ),
        ("fetched/file.yaml", object("file")),
        ("fetched/base/kustomization.yaml", "resources: [object.yaml]\n".to_owned()),
        ("fetched/base/object.yaml", object("base")),
    ]
    .into_iter()
    .collect()
}

#[test]
fn what_was_fetched_is_built() {
    let root = FilePath::root().join_clamped("shop");
    for load_restriction in [LoadRestriction::Tree, LoadRestriction::RootOnly] {
        let options = Options { load_restriction, ..Options::default() };
        let built = build(&Fetched(files()), &root, &options).unwrap().into_objects().unwrap();
        let names: Vec<_> = built.iter().map(manifest::Object::name).collect();
        assert_eq!(names, ["my-base", "my-file"]);
        let refused = build(&files(), &root, &options).unwrap_err().chain();
        assert!(refused.contains("'https://host/file.yaml' is refused"), "{refused}");
    }
}
