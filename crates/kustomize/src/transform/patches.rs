//! Patches of both languages, with or without a target.

use manifest::{Value, yaml};

use crate::Error;
use crate::error::During;
use crate::kustomization::{Patch, PatchOptions, Target};
use crate::load::{Loader, Location};
use crate::manifests;
use crate::patch::json6902::JsonPatch;
use crate::patch::schema::Schema;
use crate::patch::strategic;
use crate::resource::{Resource, map_in, map_of};
use crate::resources::Resources;

/// An entry of `patches` with its text read.
pub(crate) struct Loaded {
    patch: Either,
    target: Option<Target>,
    options: PatchOptions,
    source: String,
}

enum Either {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// Reads one entry of `patches`; `written` is how its configuration reads.
pub(crate) fn load(
    entry: &Patch,
    written: &str,
    loader: &mut Loader<'_>,
    at: &Location,
) -> Result<Loaded, Error> {
    let (text, source) = match (entry.patch.trim(), entry.path.as_str()) {
        ("", "") => {
            return Err(Error::rule(format!("must specify one of patch and path in\n{written}")));
        }
        (text, "") => (text.to_owned(), format!("[patch: {text:?}]")),
        ("", path) => {
            let loaded = loader
                .load_text(at, path)
                .during(|| format!("failed to get the patch file from path({path})"))?;
            (loaded, format!("[path: {path:?}]"))
        }
        _ => {
            let text = format!("patch and path can't be set at the same time\n{written}");
            return Err(Error::rule(text));
        }
    };
    let patch = match (manifests::read(&text, 1), JsonPatch::parse(&text)) {
        (Ok(patches), Ok(json)) if !patches.is_empty() && !json.is_empty() => {
            let text = format!("illegally qualifies as both an SM and JSON patch: {source}");
            return Err(Error::rule(text));
        }
        (Err(_), Err(_)) => {
            return Err(Error::rule(format!("unable to parse SM or JSON patch from {source}")));
        }
        (Ok(patches), _) => Either::Strategic(patches),
        (Err(_), Ok(json)) => Either::Json(json),
    };
    let options = entry.options.clone().unwrap_or_default();
    Ok(Loaded { patch, target: entry.target.clone(), options, source })
}

impl Loaded {
    /// Changes the resources that the patch is for.
    pub(crate) fn apply(&self, resources: &mut Resources, schema: &Schema) -> Result<(), Error> {
        let source = &self.source;
        match (&self.patch, &self.target) {
            (Either::Strategic(patches), None) => {
                each_to_its_own(resources, patches, &self.options, schema)
            }
            (Either::Strategic(patches), Some(target)) => match patches.as_slice() {
                [] => Ok(()),
                [patch] => one_to_many(resources, patch.clone(), target, &self.options, schema),
                _ => Err(Error::rule(format!(
                    "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to \
                     set `patches.target` field: {source}"
                ))),
            },
            (Either::Json(json), Some(target)) => json6902(resources, json, target, Remember::Yes),
            (Either::Json(_), None) => {
                Err(Error::rule(format!("must specify a target for JSON patch {source}")))
            }
        }
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
        let mut patch = patch.clone();
        if options.allow_name_change || options.allow_kind_change {
            // The reference notes what is allowed in the patch's own annotations.
            rewrite_texts(&mut patch, &["annotations"]);
        }
        if let Some(target) = resources.0.get_mut(at) {
            merge(target, &patch.value, options, schema)?;
        }
    }
    Ok(())
}

fn one_to_many(
    resources: &mut Resources,
    mut patch: Resource,
    target: &Target,
    options: &PatchOptions,
    schema: &Schema,
) -> Result<(), Error> {
    let selected = resources.select(target).during(|| {
        format!("unable to find patch target {:?} in `resources`", target.to_string())
    })?;
    rewrite_texts(&mut patch, &["labels", "annotations"]);
    for at in selected {
        if let Some(resource) = resources.0.get_mut(at) {
            let mut own = patch.value.clone();
            let api_version = resource.value.get("apiVersion").cloned().unwrap_or_default();
            map_of(&mut own).insert("apiVersion".into(), api_version);
            merge(resource, &own, options, schema)?;
        }
    }
    resources.gather_anew()
}

/// Labels and annotations of a patch are set anew where objects are selected for it: none is none,
/// even where null would have removed some.
fn rewrite_texts(patch: &mut Resource, fields: &[&str]) {
    for field in fields {
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
    resource.set_namespace(&namespace);
    Ok(())
}

/// Reads the entries of `patchesStrategicMerge`: patches themselves, or paths to them.
pub(crate) fn load_strategic(
    entries: &[String],
    loader: &mut Loader<'_>,
    at: &Location,
) -> Result<Vec<Resource>, Error> {
    let mut patches = Vec::new();
    for entry in entries {
        if let Ok(mut inline) = manifests::read(entry, 1) {
            patches.append(&mut inline);
        } else {
            let text = loader.load_text(at, entry)?;
            patches.append(&mut manifests::read(&text, 1).map_err(|error| error.in_file(entry))?);
        }
    }
    if patches.is_empty() {
        let listed = entries.join(" ");
        return Err(Error::rule(format!("patch appears to be empty; files=[{listed}], Patch=")));
    }
    Ok(patches)
}

/// Applies patches, each to the object that it names.
pub(crate) fn apply_strategic(
    resources: &mut Resources,
    patches: &[Resource],
    schema: &Schema,
) -> Result<(), Error> {
    for (nth, patch) in patches.iter().enumerate() {
        let at = resources.unique(&patch.id())?;
        let mut patch = patch.clone();
        rewrite_texts(&mut patch, &["labels", "annotations"]);
        if let Some(target) = resources.0.get_mut(at) {
            merge(target, &patch.value, &PatchOptions::default(), schema)?;
        }
        // The patches leave every identity as it is: once is enough to find equal ones.
        if nth == 0 { resources.gather_anew()? } else { resources.drop_deleted() }
    }
    Ok(())
}

/// An entry of `patchesJson6902` with its text read.
pub(crate) struct LoadedJson {
    patch: JsonPatch,
    target: Target,
}

/// Reads an entry of `patchesJson6902`.
pub(crate) fn load_json(
    entry: &Patch,
    loader: &mut Loader<'_>,
    at: &Location,
) -> Result<LoadedJson, Error> {
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
    let path = &entry.path;
    if text.is_empty() {
        return Err(Error::rule(format!("patch file '{path}' empty seems to be empty")));
    }
    let json = if text.starts_with('[') {
        text
    } else {
        let value = yaml::read_configuration(&text).map_err(|e| Error::rule(e.to_string()))?;
        yaml::to_json(&value)
    };
    let patch = JsonPatch::parse(&json)
        .map_err(|error| Error::rule(error).during(format!("decoding {json}")))?;
    if patch.is_empty() {
        return Err(Error::rule(format!("patch appears to be empty; file={path}, JsonOp={json}")));
    }
    Ok(LoadedJson { patch, target: target.clone() })
}

impl LoadedJson {
    /// Changes the resources that the patch is for.
    pub(crate) fn apply(&self, resources: &mut Resources) -> Result<(), Error> {
        json6902(resources, &self.patch, &self.target, Remember::No)
    }
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
        resource.refuse_unquoted_data()?;
        resource.blanks.clear();
        resource.flow = false;
        resource.history.generated = false;
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
