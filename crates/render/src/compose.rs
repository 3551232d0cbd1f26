//! A request laid over the root kustomization, in memory (kustomization.md, 6.1 to 6.3).

use kustomize::FILE_NAMES;
use kustomize::files::{FilePath, Files, Kind, Memory};
use manifest::{Map, Value, yaml};

use crate::Error;
use crate::request::{Image, MissingComponents, Patch, Request};

const PLACEHOLDER: &str = "_placeholder";
/// How many files a generated kustomization may list.
pub(crate) const GENERATED_MAX: usize = 100_000;
/// How deep directories are walked.
pub(crate) const DEPTH_MAX: usize = 256;

/// Fields of a kustomization file; what else stands there is lost, as in the reference.
const FIELDS: [&str; 34] = [
    "apiVersion",
    "kind",
    "metadata",
    "openapi",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replacements",
    "replicas",
    "vars",
    "sortOptions",
    "resources",
    "components",
    "crds",
    "bases",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "generatorOptions",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
];

/// The files that replace others for this request: the root kustomization.
pub(crate) fn compose(
    files: &dyn Files,
    root: &FilePath,
    request: &Request,
) -> Result<Memory, Error> {
    let found = FILE_NAMES
        .into_iter()
        .map(|name| root.join_clamped(name))
        .find(|path| files.kind(path) == Some(Kind::File));
    let (path, mut file) = match found {
        Some(path) => {
            let file = read(files, &path)?;
            (path, file)
        }
        None => (root.join_clamped(FILE_NAMES[0]), generate(files, root)?),
    };
    merge(&mut file, files, root, request)?;
    let mut memory = Memory::default();
    memory.insert(path, yaml::to_string(&file.into()).into_bytes());
    Ok(memory)
}

fn read(files: &dyn Files, path: &FilePath) -> Result<Map, Error> {
    let broken = |why: String| Error::Compose(format!("failed to read {path}: {why}"));
    let bytes = files.read(path).map_err(|error| broken(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| broken(error.to_string()))?;
    let value = yaml::read_configuration(text).map_err(|error| broken(error.to_string()))?;
    let mut file = match value {
        Value::Map(map) => map,
        Value::Null => Map::new(),
        _ => return Err(broken("not a mapping".to_owned())),
    };
    file.retain(|key, _| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(key)));
    let empty = |value: Option<&Value>| value.and_then(Value::as_list).is_none_or(<[_]>::is_empty);
    if empty(file.get("resources")) && empty(file.get("bases")) {
        let metadata = Value::from(vec![Value::from("originAnnotations")]);
        file.insert("buildMetadata".into(), metadata);
    }
    Ok(file)
}

/// A kustomization of everything below a directory.
fn generate(files: &dyn Files, root: &FilePath) -> Result<Map, Error> {
    let mut resources = Vec::new();
    walk(files, root, ".", &mut resources)?;
    let mut file = Map::new();
    file.insert("apiVersion".into(), "kustomize.config.k8s.io/v1beta1".into());
    file.insert("kind".into(), "Kustomization".into());
    if resources.is_empty() {
        file.insert("namespace".into(), PLACEHOLDER.into());
    } else {
        file.insert("resources".into(), resources.into());
    }
    Ok(file)
}

fn walk(
    files: &dyn Files,
    directory: &FilePath,
    prefix: &str,
    resources: &mut Vec<Value>,
) -> Result<(), Error> {
    if prefix.split('/').count() > DEPTH_MAX || resources.len() > GENERATED_MAX {
        return Err(Error::Compose("the tree of manifests exceeds its limit".to_owned()));
    }
    let unreadable = |error: kustomize::files::Unreadable| {
        Error::Compose(format!("failed to list {directory}: {error}"))
    };
    for (name, kind) in files.list(directory).map_err(unreadable)? {
        let path = directory.join_clamped(&name);
        let entry = format!("{prefix}/{name}");
        match kind {
            Kind::Directory => {
                let own = |file: &&str| files.kind(&path.join_clamped(file)) == Some(Kind::File);
                if FILE_NAMES.iter().any(own) {
                    resources.push(entry.into());
                } else {
                    walk(files, &path, &entry, resources)?;
                }
            }
            Kind::File if is_manifest(&name) => {
                check(files, &path)?;
                resources.push(entry.into());
            }
            Kind::File => {}
        }
    }
    Ok(())
}

/// Exactly these endings, in this case.
fn is_manifest(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")))
}

/// A file that is listed must hold objects and nothing else.
fn check(files: &dyn Files, path: &FilePath) -> Result<(), Error> {
    let failed = |why: String| Error::Manifest { file: path.to_string(), why };
    let bytes = files.read(path).map_err(|error| failed(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| failed(error.to_string()))?;
    let documents = yaml::read_manifests(text)
        .map_err(|error| failed(format!("MalformedYAMLError: {error}")))?;
    for document in documents {
        let text = |keys: &[&str]| document.value.at(keys).map(Value::to_text).unwrap_or_default();
        let Value::Map(map) = &document.value else {
            return Err(failed("missing Resource metadata".to_owned()));
        };
        if map.is_empty() {
            continue;
        }
        let kind = text(&["kind"]);
        let bare = ["apiVersion", "kind", "metadata"].iter().all(|key| !map.contains_key(*key));
        if bare {
            return Err(failed("missing Resource metadata".to_owned()));
        }
        if kind.is_empty() {
            return Err(failed("missing kind in object".to_owned()));
        }
        if text(&["metadata", "name"]).is_empty() && !kind.ends_with("List") {
            return Err(failed("missing metadata.name in object".to_owned()));
        }
    }
    Ok(())
}

fn merge(
    file: &mut Map,
    files: &dyn Files,
    root: &FilePath,
    request: &Request,
) -> Result<(), Error> {
    let overrides = [
        ("namespace", &request.target_namespace),
        ("namePrefix", &request.name_prefix),
        ("nameSuffix", &request.name_suffix),
    ];
    for (field, text) in overrides {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            file.insert(field.into(), text.into());
        }
    }
    extend(file, "patches", request.patches.iter().map(patch).collect());
    let mut components = Vec::new();
    for path in &request.components {
        if path.contains("://") || path.starts_with('/') || path.starts_with("git@") {
            return Err(Error::Compose(format!(
                "component path '{path}' must be local and relative"
            )));
        }
        let there = root.join(path).and_then(|path| files.kind(&path)).is_some();
        if there || request.missing_components == MissingComponents::Refused {
            components.push(path.as_str().into());
        }
    }
    extend(file, "components", components);
    merge_images(file, &request.images);
    if !request.build_metadata.is_empty() {
        let metadata: Vec<Value> =
            request.build_metadata.iter().map(|option| option.as_str().into()).collect();
        file.insert("buildMetadata".into(), metadata.into());
    }
    Ok(())
}

fn extend(file: &mut Map, field: &str, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    let slot = file.entry(field.into()).or_default();
    match slot {
        Value::List(items) => items.extend(more),
        _ => *slot = more.into(),
    }
}

fn texts(pairs: &[(&str, &str)]) -> Map {
    let given = pairs.iter().filter(|(_, text)| !text.is_empty());
    given.map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect()
}

fn patch(patch: &Patch) -> Value {
    let mut map = texts(&[("patch", &patch.patch)]);
    if let Some(target) = &patch.target {
        let target = texts(&[
            ("group", &target.group),
            ("version", &target.version),
            ("kind", &target.kind),
            ("name", &target.name),
            ("namespace", &target.namespace),
            ("labelSelector", &target.label_selector),
            ("annotationSelector", &target.annotation_selector),
        ]);
        map.insert("target".into(), target.into());
    }
    map.into()
}

/// A tag and a digest are replaced together, the name by itself; what is new is added.
fn merge_images(file: &mut Map, images: &[Image]) {
    if images.is_empty() {
        return;
    }
    let slot = file.entry("images".into()).or_default();
    if slot.as_list().is_none() {
        *slot = Vec::new().into();
    }
    let Value::List(known) = slot else { return };
    for image in images {
        let same = |entry: &&mut Value| {
            entry.get("name").map(Value::to_text).as_deref() == Some(image.name.as_str())
        };
        let Some(entry) = known.iter_mut().find(same).and_then(Value::as_map_mut) else {
            let pairs = [
                ("name", image.name.as_str()),
                ("newName", &image.new_name),
                ("newTag", &image.new_tag),
                ("digest", &image.digest),
            ];
            known.push(texts(&pairs).into());
            continue;
        };
        if !image.new_name.is_empty() {
            entry.insert("newName".into(), image.new_name.as_str().into());
        }
        if !image.new_tag.is_empty() || !image.digest.is_empty() {
            for (key, text) in [("newTag", &image.new_tag), ("digest", &image.digest)] {
                entry.shift_remove(key);
                if !text.is_empty() {
                    entry.insert(key.into(), text.as_str().into());
                }
            }
        }
    }
}
