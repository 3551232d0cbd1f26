//! What a Kustomization asks for, parsed.

use indexmap::IndexMap;
pub use manifest::Target;

use crate::substitute::{Unset, Variables};

/// Labels or annotations in the order given.
pub type Texts = IndexMap<String, String>;

/// What a Kustomization asks for; the default asks for nothing but the build of the root.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Directory in the artifact, as written.
    pub path: String,
    /// Namespace of all objects.
    pub target_namespace: Option<String>,
    /// Put before all names.
    pub name_prefix: Option<String>,
    /// Put after all names.
    pub name_suffix: Option<String>,
    /// Patches after those of the file.
    pub patches: Vec<Patch>,
    /// Images over those of the file.
    pub images: Vec<Image>,
    /// Components after those of the file.
    pub components: Vec<String>,
    /// What becomes of a component that is not there.
    pub missing_components: MissingComponents,
    /// Build metadata in place of the file's.
    pub build_metadata: Vec<String>,
    /// Labels of all objects.
    pub common_labels: Texts,
    /// Annotations of all objects.
    pub common_annotations: Texts,
    /// Variables, if any are asked for.
    pub post_build: Option<PostBuild>,
    /// Whose labels the objects carry; `None` adds none.
    pub owner: Option<Owner>,
}

/// One patch.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// Its text, in either language.
    pub patch: String,
    /// What it is for, where the patch itself does not say.
    pub target: Option<Target>,
}

/// A change of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Name without tag.
    pub name: String,
    /// Name in its place; empty keeps it.
    pub new_name: String,
    /// Tag in its place.
    pub new_tag: String,
    /// Digest in place of a tag.
    pub digest: String,
}

/// What becomes of a component that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingComponents {
    /// The build fails.
    #[default]
    Refused,
    /// It is left out.
    Ignored,
}

/// Variables to substitute.
#[derive(Clone, Debug, Default)]
pub struct PostBuild {
    /// When texts are evaluated.
    pub strategy: Strategy,
    /// All values, from every origin, later ones already preferred.
    pub variables: Variables,
    /// What becomes of a variable that is not set.
    pub unset: Unset,
    /// Why the variables cannot be had, if they cannot: the first object that needs them fails.
    pub unavailable: Option<String>,
}

/// When texts are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Only if there is any variable.
    #[default]
    WithVariables,
    /// Always, so that defaults apply.
    Always,
}

/// The Kustomization that objects belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}
