//! Whose objects these are, and what all of them carry.

use manifest::{Map, NotAnObject, Object};

use crate::request::{Request, Texts};

/// Label that holds the owner's name.
pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label that holds the owner's namespace.
pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";

/// Adds the owner's labels, then the common labels and annotations.
pub(crate) fn apply(object: &mut Object, request: &Request) -> Result<(), NotAnObject> {
    if let Some(owner) = &request.owner {
        let labels = object.metadata_map_mut("labels")?;
        labels.insert(OWNER_NAME.into(), owner.name.as_str().into());
        labels.insert(OWNER_NAMESPACE.into(), owner.namespace.as_str().into());
    }
    for (field, texts) in
        [("labels", &request.common_labels), ("annotations", &request.common_annotations)]
    {
        if !texts.is_empty() {
            set(object.metadata_map_mut(field)?, texts);
        }
    }
    Ok(())
}

fn set(map: &mut Map, texts: &Texts) {
    for (key, text) in texts {
        map.insert(key.as_str().into(), text.as_str().into());
    }
}
