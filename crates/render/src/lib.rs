//! What a Kustomization means, without a cluster.
//!
//! Takes the files of an artifact and a [`Request`] (a Kustomization's spec, parsed), gives
//! [`Rendered`]: the objects that the Kustomization wants, labelled as its own, with the digest of
//! their text. It refuses a path that is not there, a build that fails and variables that cannot be
//! substituted, each with the reference's text. Nothing is written anywhere: the request is laid
//! over the root kustomization in memory.
//!
//! ```
//! let files: kustomize::files::Memory =
//!     [("app/web.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n")]
//!         .into_iter()
//!         .collect();
//! let request = render::Request {
//!     path: "./app".into(),
//!     name_prefix: Some("my-".into()),
//!     ..Default::default()
//! };
//! let rendered = render::render(&files, &request)?;
//! assert_eq!(rendered.objects()[0].name(), "my-web");
//! # Ok::<(), render::Error>(())
//! ```

mod compose;
mod error;
mod label;
pub mod remote;
pub mod request;
pub mod sealed;
mod spec;
pub mod substitute;

use kustomize::files::{FilePath, Files, Kind, Memory, Overlay};
use kustomize::{LoadRestriction, Options, Order};
use manifest::{Object, yaml};
use sha2::{Digest, Sha256};

pub use error::Error;
pub use label::{OWNER_NAME, OWNER_NAMESPACE};
pub use request::Request;
pub use spec::target;

use request::{PostBuild, Strategy};

const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// The objects that a Kustomization wants. Only [`render`] makes one.
#[derive(Clone, Debug)]
pub struct Rendered {
    objects: Vec<Object>,
    digest: String,
    warnings: Vec<String>,
}

impl Rendered {
    /// The objects in the order of the build.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The objects, by value.
    pub fn into_objects(self) -> Vec<Object> {
        self.objects
    }

    /// SHA-256 of the objects' text before they are labelled, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Deprecated fields that were used, and encrypted files that somebody edited.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Renders a request: compose, build, substitute, label.
///
/// Fails as the contract's sections 6 and 7 say.
pub fn render(files: &dyn Files, request: &Request) -> Result<Rendered, Error> {
    let (root, composed) = composed(files, request)?;
    let (objects, warnings) = build(files, composed, &root)?;
    finish(objects, warnings, request)
}

/// The root of a request, and the files that its spec lays over it.
fn composed(files: &dyn Files, request: &Request) -> Result<(FilePath, Memory), Error> {
    check_path(files, request)?;
    let root = FilePath::root().join_clamped(&request.path);
    let composed = compose::compose(files, &root, request)?;
    Ok((root, composed))
}

/// Builds files with others over them: the objects, and deprecated fields that were used.
fn build(
    files: &dyn Files,
    over: Memory,
    root: &FilePath,
) -> Result<(Vec<Object>, Vec<String>), Error> {
    let composed = Overlay::new(files, over);
    let options = Options {
        load_restriction: LoadRestriction::Tree,
        order: Order::Fifo,
        // The operator builds several at a time.
        ..Options::default()
    };
    let failed = |error: kustomize::Error| Error::Build(error.chain());
    let mut built = kustomize::build(&composed, root, &options).map_err(failed)?;
    let warnings = std::mem::take(&mut built.warnings);
    let objects = built.into_objects().map_err(|error| Error::Decode(error.chain()))?;
    Ok((objects, warnings))
}

/// Substitutes and labels what was built.
fn finish(
    mut objects: Vec<Object>,
    warnings: Vec<String>,
    request: &Request,
) -> Result<Rendered, Error> {
    if let Some(post_build) = &request.post_build {
        objects = substitute_all(objects, post_build)?;
    }
    let mut hasher = Sha256::new();
    for (at, object) in objects.iter().enumerate() {
        if at > 0 {
            hasher.update("---\n");
        }
        hasher.update(yaml::to_string(object.value()));
    }
    let digest = hex::encode(hasher.finalize());
    for object in &mut objects {
        let subject = subject(object);
        label::apply(object, request)
            .map_err(|error| Error::Build(format!("failed to label '{subject}': {error}")))?;
    }
    Ok(Rendered { objects, digest, warnings })
}

/// Fails if the path that is to be built is not in the artifact.
pub fn check_path(files: &dyn Files, request: &Request) -> Result<(), Error> {
    let root = FilePath::root().join_clamped(&request.path);
    match files.kind(&root) {
        Some(Kind::Directory) => Ok(()),
        _ => Err(Error::PathNotFound(request.path.clone())),
    }
}

fn substitute_all(objects: Vec<Object>, post_build: &PostBuild) -> Result<Vec<Object>, Error> {
    let mut variables = post_build.variables.clone();
    for value in variables.values_mut() {
        value.retain(|c| c != '\n');
    }
    let post_build = PostBuild { variables, ..post_build.clone() };
    objects.into_iter().map(|object| substitute_object(object, &post_build)).collect()
}

/// Substitutes the variables of one object, unless it opts out.
pub(crate) fn substitute_object(object: Object, post_build: &PostBuild) -> Result<Object, Error> {
    let disabled = |value: Option<&str>| value == Some("disabled");
    let idle = post_build.variables.is_empty() && post_build.strategy == Strategy::WithVariables;
    let idle = idle && post_build.unavailable.is_none();
    if idle || disabled(object.label(SUBSTITUTE)) || disabled(object.annotation(SUBSTITUTE)) {
        return Ok(object);
    }
    let subject = subject(&object);
    if let Some(why) = &post_build.unavailable {
        return Err(Error::Variables { object: subject, why: why.clone() });
    }
    if let Some(name) = post_build.variables.keys().find(|name| !is_name(name)) {
        return Err(Error::VariableName { object: subject, name: name.clone() });
    }
    let text = yaml::to_string(object.value());
    let bytes = substitute::substitute(&text, &post_build.variables, post_build.unset)
        .map_err(|source| Error::Substitute { object: subject.clone(), source })?;
    let failed = |why: String| Error::Substituted { object: subject.clone(), why };
    let text = String::from_utf8(bytes).map_err(|_| failed("yaml: invalid UTF-8".to_owned()))?;
    let value = yaml::read_configuration(&text).map_err(|error| failed(error.to_string()))?;
    // A name, say, that has become a number.
    let decode = "failed to decode Kubernetes apiVersion, kind and name from";
    Object::new(value).map_err(|error| Error::Decode(format!("{decode}: {subject}: {error}")))
}

/// `^[_[:alpha:]][_[:alpha:][:digit:]]*$`
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// Kind, version, group and name, as the reference's messages have them.
fn subject(object: &Object) -> String {
    let gvk = object.gvk();
    let group = if gvk.group.is_empty() { "[noGrp]" } else { &gvk.group };
    format!("{}.{}.{group}/{}", gvk.kind, gvk.version, object.name())
}
