//! How long a build takes: `cargo bench -p sluice-kustomize`.
//!
//! The trees are made here, like those that people publish; throughput counts the bytes of all
//! files that a build reads, and covers reading, building and printing, as the command line does it:
//! a large build on all processors.

use std::fmt::Write;
use std::thread::available_parallelism;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use kustomize::Options;
use kustomize::files::{FilePath, Memory};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

type Texts = Vec<(String, String)>;

fn run(bencher: Bencher<'_, '_>, texts: Texts, root: &str) {
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let files: Memory = texts.into_iter().collect();
    let root = FilePath::root().join_clamped(root);
    let threads = available_parallelism().expect("the processors are counted");
    let options = Options { threads, ..Options::default() };
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let built = kustomize::build(black_box(&files), &root, &options);
        built.expect("the tree builds").into_yaml()
    });
}

fn deployment(at: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{at}\n  labels:\n    \
         app: web-{at}\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: web-{at}\n  \
         template:\n    metadata:\n      labels:\n        app: web-{at}\n    spec:\n      \
         containers:\n      - name: web\n        image: example.com/web:1.2.3\n        args:\n        \
         - --listen=:8080\n        - --log-level=info\n        ports:\n        - name: http\n          \
         containerPort: 8080\n        envFrom:\n        - configMapRef:\n            name: settings\n        \
         resources:\n          limits:\n            memory: 128Mi\n          requests:\n            \
         cpu: 50m\n            memory: 64Mi\n"
    )
}

/// Objects in a base, and an overlay that touches each of them.
#[divan::bench(args = [1, 100, 5_000])]
fn resources(bencher: Bencher<'_, '_>, count: usize) {
    let objects: Vec<_> = (0..count).map(deployment).collect();
    let texts = [
        ("base/objects.yaml", objects.join("---\n")),
        (
            "base/kustomization.yaml",
            "resources: [objects.yaml]\nconfigMapGenerator:\n- name: settings\n  literals: \
             [level=info]\n"
                .to_owned(),
        ),
        (
            "overlay/kustomization.yaml",
            "resources: [../base]\nnamespace: shop\nnamePrefix: my-\nlabels:\n- pairs: {team: \
             shop}\n  includeSelectors: true\nimages:\n- name: example.com/web\n  newTag: 2.0.0\n\
             patches:\n- target: {kind: Deployment}\n  patch: |\n    - op: replace\n      path: \
             /spec/replicas\n      value: 3\n"
                .to_owned(),
        ),
    ];
    run(bencher, texts.map(|(name, text)| (name.to_owned(), text)).into(), "overlay");
}

/// A schema as generators of custom resources write it.
fn schema(depth: usize, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    for field in 0..6 {
        let _ = write!(
            out,
            "{pad}field{field}:\n{pad}  description: |-\n{pad}    Field{field} says how the \
             controller treats what it finds, and when: see\n{pad}    https://example.com/docs \
             for the whole story.\n{pad}  type: "
        );
        if depth == 0 {
            out.push_str("string\n");
        } else {
            let _ = write!(out, "object\n{pad}  properties:\n");
            schema(depth - 1, indent + 4, out);
        }
    }
}

/// Five megabytes of custom resource definitions, printed as they are.
#[divan::bench]
fn definitions(bencher: Bencher<'_, '_>) {
    const BYTES: usize = 5 << 20;
    let mut text = String::new();
    let mut at = 0;
    while text.len() < BYTES {
        let _ = write!(
            text,
            "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata:\n  name: things{at}.example.com\nspec:\n  group: example.com\n  names:\n    \
             kind: Thing{at}\n    plural: things{at}\n  scope: Namespaced\n  versions:\n  - name: \
             v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        \
             type: object\n        properties:\n"
        );
        schema(3, 10, &mut text);
        at += 1;
    }
    let texts = [("crds.yaml", text), ("kustomization.yaml", "resources: [crds.yaml]\n".into())];
    run(bencher, texts.map(|(name, text)| (name.to_owned(), text)).into(), "");
}

/// Fifty overlays, each on the one before.
#[divan::bench]
fn overlays(bencher: Bencher<'_, '_>) {
    const DEPTH: usize = 50;
    let mut texts: Texts = vec![
        ("0/objects.yaml".into(), deployment(0)),
        ("0/kustomization.yaml".into(), "resources: [objects.yaml]\n".into()),
    ];
    for level in 1..=DEPTH {
        let below = level - 1;
        texts.push((
            format!("{level}/kustomization.yaml"),
            format!(
                "resources: [../{below}]\nnameSuffix: -l{level}\ncommonAnnotations: \
                 {{level: \"{level}\"}}\n"
            ),
        ));
    }
    run(bencher, texts, &DEPTH.to_string());
}
