//! Kustomize as a pure function: files in, Kubernetes objects out.
//!
//! Takes a tree of files (anything that is [`Files`]) and a directory in it, gives the objects that
//! kustomize 5.8.1 prints for that directory, in its order. It refuses what reaches outside: paths
//! that leave the tree, remote resources that nobody fetched, Helm charts and functions that start programs. It reads
//! no clock, no environment and no global state: the same files give the same objects, on any
//! number of threads.
//!
//! ```
//! let files: kustomize::files::Memory = [
//!     ("kustomization.yaml", "resources: [web.yaml]\nnamePrefix: my-\n"),
//!     ("web.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"),
//! ]
//! .into_iter()
//! .collect();
//! let built = kustomize::build(&files, &kustomize::files::FilePath::root(), &Default::default())?;
//! assert_eq!(built.into_objects()?[0].name(), "my-web");
//! # Ok::<(), kustomize::Error>(())
//! ```

mod accumulate;
mod builtin;
mod configure;
mod decode;
mod definitions;
mod emit;
mod error;
mod fieldspec;
pub mod files;
mod generate;
mod go_type;
mod kustomization;
mod load;
mod manifests;
mod migrate;
mod patch;
pub mod reference;
mod resource;
mod resources;
mod shared;
mod steps;
mod transform;
mod turn;
mod unquoted;

use std::num::NonZeroUsize;

use manifest::{Object, Value, parts, yaml};

pub use error::Error;
use files::{FilePath, Files};
pub use kustomization::FILE_NAMES;

/// How a build goes beyond what the files say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which files a kustomization may read.
    pub load_restriction: LoadRestriction,
    /// The order of objects where the root kustomization names none.
    pub order: Order,
    /// Whether every object is labelled as managed, as if `buildMetadata` asked for it.
    pub managed_by_label: bool,
    /// How many threads a large build may use. The result is the same.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            load_restriction: LoadRestriction::default(),
            order: Order::default(),
            managed_by_label: false,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestriction {
    /// Every file of the tree.
    #[default]
    Tree,
    /// Files in or below its own directory; bases may be anywhere in the tree.
    RootOnly,
    /// Every file, by paths from the root of the tree too.
    None,
}

/// The order of objects where the root kustomization names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By kind, then by name: the default of the command line.
    #[default]
    Legacy,
    /// As they were read.
    Fifo,
}

/// What a build gives.
#[derive(Clone, Debug)]
pub struct Built {
    /// The documents, in kustomize's order. Kustomize lets through what has no `apiVersion`.
    pub documents: Vec<Value>,
    /// Deprecated fields that were used, as kustomize words it.
    pub warnings: Vec<String>,
    threads: usize,
}

/// The fewest documents that a thread is started to print.
const PART_MIN: usize = 200;

impl Built {
    /// The objects as kustomize prints them. Each is given up once it is printed, while it is near.
    pub fn into_yaml(mut self) -> String {
        let size = parts::size_of_each(self.documents.len(), self.threads, PART_MIN);
        let mut pieces = Vec::new();
        while !self.documents.is_empty() {
            let others = self.documents.split_off(size.min(self.documents.len()));
            pieces.push(std::mem::replace(&mut self.documents, others));
        }
        let mut texts = parts::each(pieces, print).into_iter();
        let mut out = texts.next().unwrap_or_default();
        for text in texts {
            out.push_str("---\n");
            out.push_str(&text);
        }
        out
    }

    /// The documents as objects; one that is none is an error that shows it.
    pub fn into_objects(self) -> Result<Vec<Object>, Error> {
        self.documents.into_iter().map(emit::object).collect()
    }
}

/// Builds the kustomization in directory `root` of `files`.
///
/// Fails with the step that failed and what led to it; [`Error::chain`] is kustomize's wording.
pub fn build(files: &dyn Files, root: &FilePath, options: &Options) -> Result<Built, Error> {
    accumulate::build(files, root, options)
}

fn print(documents: Vec<Value>) -> String {
    let mut out = String::new();
    for document in documents {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        yaml::write(&document, &mut out);
    }
    out
}
