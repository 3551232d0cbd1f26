//! A large build on several threads gives what it gives on one.

use std::fmt::Write;
use std::num::NonZeroUsize;

use kustomize::Options;
use kustomize::files::{FilePath, Memory};

/// Enough for a part of its own on each of several threads.
const COUNT: usize = 3_000;

fn object(at: usize, images: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{at}\n  labels: {{app: \
         web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    spec:\n      \
         containers:\n      - {{name: web, {images}}}\n      volumes:\n      - {{name: v, configMap: \
         {{name: settings}}}}\n"
    )
}

fn built(objects: &str, threads: usize) -> Result<String, String> {
    let kustomization = "resources: [objects.yaml]\nnamespace: shop\nnamePrefix: my-\n\
                         commonAnnotations: {team: shop}\nlabels:\n- pairs: {team: shop}\n  \
                         includeSelectors: true\nimages:\n- {name: web, newTag: v2}\n\
                         configMapGenerator:\n- {name: settings, literals: [level=info]}\n";
    let files = [("objects.yaml", objects), ("kustomization.yaml", kustomization)];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let files: Memory = files.into_iter().collect();
    let threads = NonZeroUsize::new(threads).expect("some threads");
    let options = Options { threads, ..Options::default() };
    let built = kustomize::build(&files, &FilePath::root(), &options);
    built.map(kustomize::Built::into_yaml).map_err(|error| error.chain())
}

#[test]
fn a_large_build_is_the_same_on_any_number_of_threads() {
    let objects: String = (0..COUNT).map(|at| object(at, "image: web:v1")).collect();
    let alone = built(&objects, 1).expect("the objects are good");
    assert_eq!(alone.matches("image: web:v2").count(), COUNT);
    for threads in [2, 3, 16] {
        assert!(built(&objects, threads).as_ref() == Ok(&alone), "{threads} threads differ");
    }
}

#[test]
fn a_large_build_fails_with_the_same_error_on_any_number_of_threads() {
    // The labels of the last object fail, which comes before the images of the first.
    let mut objects = object(0, "image: {not: text}");
    for at in 1..COUNT {
        objects.push_str(&object(at, "image: web:v1"));
    }
    let bad = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\n  labels: text\n";
    let _ = write!(objects, "{bad}");
    let alone = built(&objects, 1).expect_err("the last object is bad");
    for threads in [2, 3, 16] {
        assert_eq!(built(&objects, threads).as_ref(), Err(&alone));
    }
    let without = objects.strip_suffix(bad).expect("it is the last");
    let images = built(without, 1).expect_err("the first object is bad");
    assert_ne!(images, alone);
    assert_eq!(built(without, 16), Err(images));
}

#[test]
fn large_text_is_cut_between_documents_only() {
    // What looks like a separator inside of a block does not begin its line.
    let mut objects = String::new();
    for at in 0..COUNT {
        let _ = write!(
            objects,
            "--- # {at}\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{at}}}\ndata:\n  text: \
             |\n    one\n    ---\n    two {at}\n"
        );
    }
    let alone = built(&objects, 1).expect("the objects are good");
    assert!(built(&objects, 16).as_ref() == Ok(&alone), "16 threads differ");
}
