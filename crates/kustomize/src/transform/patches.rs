//! Patches of both languages, with or without a target.

use manifest::{Map, Value};

use crate::Error;
use crate::kustomization::{Patch, PatchOptions, Target};
use crate::load::{Loader, Location};
use crate::patch::json6902::JsonPatch;
use crate::patch::schema::Schema;
use crate::patch::strategic;
use crate::resource::{Resource, map_in, map_of};
use crate::resources::{self, Resources};

/// Applies one entry of `patches`.
pub(crate) fn apply(
    resources: &mut Resources,
    entry: &Patch,
    loader: &mut Loader<'_>,
    at: &Location,
    schema: &Schema,
) -> Result<(), Error> {
    let inline = entry.patch.trim();
    let (text, source) = match (inline, entry.path.as_str()) {
        ("", "") => return Err(Error::rule("must specify one of patch and path in\n")),
        (text, "") => (text.to_owned(), format!("[patch: {text:?}]")),
        ("", path) => {
            let loaded = loader.load_text(at, path).map_err(|error| {
                error.during(format!("failed to get the patch file from path({path})"))
            })?;
            (loaded, format!("[path: {path:?}]"))
        }
        _ => return Err(Error::rule("patch and path can't be set at the same time\n")),
    };
    let strategic = resources::read(&text);
    let json = JsonPatch::parse(&text);
    match (strategic, json) {
        (Ok(patches), Ok(json)) if !patches.is_empty() && !json.is_empty() => {
            Err(Error::rule(format!("illegally qualifies as both an SM and JSON patch: {source}")))
        }
        (Err(_), Err(_)) => {
            Err(Error::rule(format!("unable to parse SM or JSON patch from {source}")))
        }
        (Ok(patches), _) => {
            let options = entry.options.clone().unwrap_or_default();
            match &entry.target {
                None => each_to_its_own(resources, &patches, &options, schema),
                Some(target) => {
                    one_to_many(resources, patches, target, &options, schema).map_err(|error| {
                        match error {
                            Error::Limit(_) => Error::rule(format!(
                                "Multiple Strategic-Merge Patches in one `patches` entry is not \
                             allowed to set `patches.target` field: {source}"
                            )),
                            other => other,
                        }
                    })
                }
            }
        }
        (Err(_), Ok(json)) => match &entry.target {
            Some(target) => json6902(resources, &json, target, Remember::Yes),
            None => Err(Error::rule(format!("must specify a target for JSON patch {source}"))),
        },
    }
}

/// Applies patches to the objects that they name.
fn each_to_its_own(
    resources: &mut Resources,
    patches: &[Resource],
    options: &PatchOptions,
    schema: &Schema,
) -> Result<(), Error> {
    for patch in patches {
        let id = patch.id();
        let at = resources.unique(&id).map_err(|error| {
            error.during(format!("no resource matches strategic merge patch \"{id}\""))
        })?;
        if let Some(target) = resources.0.get_mut(at) {
            merge(target, &patch.value, options, schema)?;
        }
    }
    Ok(())
}

fn one_to_many(
    resources: &mut Resources,
    patches: Vec<Resource>,
    target: &Target,
    options: &PatchOptions,
    schema: &Schema,
) -> Result<(), Error> {
    let mut patches = patches.into_iter();
    let Some(mut patch) = patches.next() else { return Ok(()) };
    if patches.next().is_some() {
        return Err(Error::Limit("number of patches"));
    }
    let selected = resources.select(target).map_err(|error| {
        error.during(format!("unable to find patch target {:?} in `resources`", target.name))
    })?;
    rewrite_texts(&mut patch);
    for at in selected {
        if let Some(resource) = resources.0.get_mut(at) {
            let mut own = patch.value.clone();
            let api_version = resource.value.get("apiVersion").cloned().unwrap_or_default();
            map_of(&mut own).insert("apiVersion".into(), api_version);
            merge(resource, &own, options, schema)?;
        }
    }
    let patched = std::mem::take(resources);
    resources.append(patched.0.into_iter().filter(|resource| !resource.is_deleted()).collect())
}

/// Labels and annotations of a patch are set anew where objects are selected for it: none is none,
/// even where null would have removed some.
fn rewrite_texts(patch: &mut Resource) {
    for field in ["labels", "annotations"] {
        let texts = patch.texts(field);
        patch.set_texts(field, texts);
    }
}

/// Merges a patch and restores what it may not change.
fn merge(
    resource: &mut Resource,
    patch: &Value,
    options: &PatchOptions,
    schema: &Schema,
) -> Result<(), Error> {
    let (name, namespace) = (resource.name(), resource.namespace());
    let kind = resource.kind().to_owned();
    if options.allow_name_change || options.allow_kind_change {
        resource.remember_id();
    }
    strategic::apply(resource, patch, schema)?;
    resource.shared.follow(&mut resource.value);
    if resource.is_deleted() {
        resource.value = Value::Null;
        return Ok(());
    }
    if !options.allow_kind_change {
        map_of(&mut resource.value).insert("kind".into(), kind.into());
    }
    if !options.allow_name_change {
        resource.set_name(&name);
    }
    let metadata: &mut Map = resource.metadata_mut();
    if namespace.is_empty() {
        metadata.shift_remove("namespace");
    } else {
        metadata.insert("namespace".into(), namespace.into());
    }
    Ok(())
}

/// Applies the entries of `patchesStrategicMerge`: patches themselves, or paths to them.
pub(crate) fn apply_strategic(
    resources: &mut Resources,
    entries: &[String],
    loader: &mut Loader<'_>,
    at: &Location,
    schema: &Schema,
) -> Result<(), Error> {
    let mut patches = Vec::new();
    for entry in entries {
        if let Ok(mut inline) = resources::read(entry) {
            patches.append(&mut inline);
        } else {
            let text = loader.load_text(at, entry)?;
            patches.append(&mut resources::read(&text).map_err(|error| error.in_file(entry))?);
        }
    }
    if patches.is_empty() {
        let listed = entries.join(" ");
        return Err(Error::rule(format!("patch appears to be empty; files=[{listed}], Patch=")));
    }
    for mut patch in patches {
        let at = resources.unique(&patch.id())?;
        rewrite_texts(&mut patch);
        if let Some(target) = resources.0.get_mut(at) {
            merge(target, &patch.value, &PatchOptions::default(), schema)?;
        }
        resources.drop_deleted();
    }
    Ok(())
}

/// Applies an entry of `patchesJson6902`.
pub(crate) fn apply_json(
    resources: &mut Resources,
    entry: &Patch,
    loader: &mut Loader<'_>,
    at: &Location,
) -> Result<(), Error> {
    let Some(target) = &entry.target else {
        return Err(Error::rule(format!("must specify a target for patch {}", entry.patch)));
    };
    if target.name.is_empty() {
        return Err(Error::rule("must specify the target name"));
    }
    let text = match (entry.path.as_str(), entry.patch.as_str()) {
        ("", "") => return Err(Error::rule("empty file path and empty jsonOp")),
        ("", text) => text.to_owned(),
        (path, "") => loader.load_text(at, path)?,
        _ => return Err(Error::rule("must specify a file path or jsonOp, not both")),
    };
    let patch = JsonPatch::parse(&text)
        .map_err(|error| Error::rule(error).during(format!("decoding {text}")))?;
    if patch.is_empty() {
        let path = &entry.path;
        return Err(Error::rule(format!("patch appears to be empty; file={path}, JsonOp={text}")));
    }
    json6902(resources, &patch, target, Remember::No)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Remember {
    Yes,
    No,
}

fn json6902(
    resources: &mut Resources,
    patch: &JsonPatch,
    target: &Target,
    remember: Remember,
) -> Result<(), Error> {
    for at in resources.select(target)? {
        let Some(resource) = resources.0.get_mut(at) else { continue };
        if remember == Remember::Yes {
            resource.remember_id();
        }
        // The library works on JSON: what was left out is a written null from here on.
        resource.blanks.clear();
        resource.shared.part();
        if !resource.history.former.is_empty() {
            // The reference keeps former names in annotations: the field is there to be patched.
            map_in(resource.metadata_mut(), "annotations");
        }
        patch.apply(&mut resource.value)?;
        let annotations = resource.texts("annotations");
        resource.set_texts("annotations", annotations);
    }
    Ok(())
}
