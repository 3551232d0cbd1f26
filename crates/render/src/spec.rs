//! What a Kustomization's spec asks of a build: the part that needs no cluster.

use api::kustomization::{
    self as spec, BuildMetadata, KustomizationSpec, Selector, SubstituteStrategy,
};
use manifest::Target;

use crate::request::{Image, MissingComponents, Owner, Patch, PostBuild, Request, Strategy};

impl Request {
    /// What a spec asks for; its objects will bear the labels of `owner`. The variables are those
    /// that stand in the spec itself.
    pub fn of(spec: &KustomizationSpec, owner: Owner) -> Self {
        let common = spec.common_metadata.clone().unwrap_or_default();
        let missing = match spec.ignore_missing_components {
            Some(true) => MissingComponents::Ignored,
            _ => MissingComponents::Refused,
        };
        Self {
            path: spec.path.clone().unwrap_or_default(),
            target_namespace: spec.target_namespace.clone(),
            name_prefix: spec.name_prefix.clone(),
            name_suffix: spec.name_suffix.clone(),
            patches: spec.patches.iter().flatten().map(patch).collect(),
            images: spec.images.iter().flatten().map(image).collect(),
            components: spec.components.clone().unwrap_or_default(),
            missing_components: missing,
            build_metadata: spec.build_metadata.iter().flatten().copied().map(metadata).collect(),
            common_labels: common.labels.unwrap_or_default().into_iter().collect(),
            common_annotations: common.annotations.unwrap_or_default().into_iter().collect(),
            post_build: spec.post_build.as_ref().map(post_build),
            owner: Some(owner),
        }
    }
}

/// The objects that a selector of a spec is about.
pub fn target(selector: &Selector) -> Target {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Target {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        label_selector: text(&selector.label_selector),
        annotation_selector: text(&selector.annotation_selector),
    }
}

fn patch(patch: &spec::Patch) -> Patch {
    Patch { patch: patch.patch.clone(), target: patch.target.as_ref().map(target) }
}

fn image(image: &spec::Image) -> Image {
    Image {
        name: image.name.clone(),
        new_name: image.new_name.clone().unwrap_or_default(),
        new_tag: image.new_tag.clone().unwrap_or_default(),
        digest: image.digest.clone().unwrap_or_default(),
    }
}

fn metadata(metadata: BuildMetadata) -> String {
    match metadata {
        BuildMetadata::OriginAnnotations => "originAnnotations".into(),
        BuildMetadata::TransformerAnnotations => "transformerAnnotations".into(),
    }
}

fn post_build(post_build: &spec::PostBuild) -> PostBuild {
    let strategy = match post_build.substitute_strategy {
        Some(SubstituteStrategy::Always) => Strategy::Always,
        _ => Strategy::WithVariables,
    };
    let variables = post_build.substitute.clone().unwrap_or_default().into_iter().collect();
    PostBuild { strategy, variables, ..PostBuild::default() }
}
