//! Legacy fields → current ones; what was found becomes warnings.

use crate::kustomization::Kustomization;

/// Moves the content of deprecated fields and tells which were used.
pub(crate) fn migrate(file: &mut Kustomization) -> Vec<String> {
    let warnings = warnings(file);
    file.complete_header();
    file.resources.append(&mut file.bases.take().unwrap_or_default());
    file.images.append(&mut file.image_tags.take().unwrap_or_default());
    for arguments in file.config_map_generator.iter_mut().chain(&mut file.secret_generator) {
        if !arguments.env.is_empty() {
            arguments.envs.push(std::mem::take(&mut arguments.env));
        }
    }
    warnings
}

fn warnings(file: &Kustomization) -> Vec<String> {
    let used = [
        (file.bases.is_some(), "bases", "resources", ""),
        (file.common_labels.is_some(), "commonLabels", "labels", ""),
        (file.image_tags.is_some(), "imageTags", "images", ""),
        (file.patches_json6902.is_some(), "patchesJson6902", "patches", ""),
        (file.patches_strategic_merge.is_some(), "patchesStrategicMerge", "patches", ""),
        (file.vars.is_some(), "vars", "replacements", "[EXPERIMENTAL] "),
    ];
    used.into_iter()
        .filter(|(used, ..)| *used)
        .map(|(_, old, new, mark)| {
            format!(
                "# Warning: '{old}' is deprecated. Please use '{new}' instead. {mark}Run \
                 'kustomize edit fix' to update your Kustomization automatically."
            )
        })
        .collect()
}
