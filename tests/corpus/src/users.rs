//! Trees of people who use Flux: every Kustomization in them is rendered as the operator would, or
//! fails with an error of a class that somebody has looked at (`users.tsv`).

use std::collections::BTreeMap;
use std::path::Path;

use api::kustomization::KustomizationSpec;
use kustomize::files::{FilePath, Files as _, Kind, Memory};
use manifest::yaml;
use render::remote::Remotes;
use render::request::{Owner, PostBuild, Strategy};
use render::substitute::Unset;
use render::{Error, Rendered, Request};
use serde_json::Value as Json;

use crate::build::unpacked;
use crate::report::Report;

/// Cases that fail, and the class of their error; whoever adds one has looked at it. A case is its
/// repository, its file and the name of the Kustomization.
const REVIEWED: &str = include_str!("users.tsv");

/// Every Kustomization of every tree.
pub(crate) fn users(root: &Path) -> anyhow::Result<Option<Report>> {
    let folder = root.join("flux-users");
    if !folder.is_dir() {
        return Ok(None);
    }
    let index: Json = serde_json::from_str(&std::fs::read_to_string(folder.join("index.json"))?)?;
    let lines = REVIEWED.lines().filter(|line| !line.starts_with('#'));
    let mut reviewed: BTreeMap<&str, &str> =
        lines.filter_map(|line| line.split_once('\t')).collect();
    let mut report = Report::default();
    for repository in index["repos"].as_array().into_iter().flatten() {
        let text = |key: &str| repository[key].as_str().unwrap_or_default();
        let files = unpacked(&folder.join(text("tarball")))?;
        let mut manifests = Vec::new();
        collect(&files, &FilePath::root(), &mut manifests);
        for path in manifests {
            let source = files.read(&path)?;
            for object in kustomizations(&String::from_utf8_lossy(&source)) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let case = format!("{}{path} {name}", text("repo"));
                let expected = reviewed.remove(case.as_str());
                report.row(
                    judged(&files, (&path, &object), expected)
                        .map(|miss| format!("{case}\t{miss}")),
                );
            }
        }
    }
    Ok(Some(report))
}

/// The YAML files below a directory.
fn collect(files: &Memory, at: &FilePath, into: &mut Vec<FilePath>) {
    for (name, kind) in files.list(at).unwrap_or_default() {
        let path = at.join_clamped(&name);
        match kind {
            Kind::Directory => collect(files, &path, into),
            Kind::File => {
                if let Some((_, "yaml" | "yml")) = name.rsplit_once('.') {
                    into.push(path);
                }
            }
        }
    }
}

/// The Kustomizations among the documents of a file; one that is no YAML has none.
fn kustomizations(source: &str) -> Vec<Json> {
    let documents = yaml::read_manifests(source).unwrap_or_default();
    let objects =
        documents.iter().filter_map(|document| serde_json::to_value(&document.value).ok());
    let is_one = |object: &Json| {
        let group = object["apiVersion"].as_str().unwrap_or_default();
        object["kind"] == "Kustomization" && group.starts_with("kustomize.toolkit.fluxcd.io/")
    };
    objects.filter(is_one).filter(|object| !object["spec"]["sourceRef"].is_null()).collect()
}

/// What is wrong, if it neither renders nor fails as expected.
fn judged(files: &Memory, found: (&FilePath, &Json), expected: Option<&str>) -> Option<String> {
    let got = rendered(files, found).err();
    match (got, expected) {
        (None, None) => None,
        (Some((class, _)), Some(expected)) if class == expected => None,
        (None, Some(class)) => Some(format!("renders, though {class} is expected")),
        (Some((class, text)), _) => Some(format!("{class}\t{text}")),
    }
}

fn rendered(
    files: &Memory,
    (file, object): (&FilePath, &Json),
) -> Result<usize, (&'static str, String)> {
    let mut spec = object["spec"].clone();
    // Where a patch of another Kustomization adds it, it is not there; no build depends on it.
    for (key, value) in [("interval", Json::from("1h")), ("prune", Json::from(true))] {
        if spec[key].is_null() {
            spec[key] = value;
        }
    }
    let spec: KustomizationSpec =
        serde_json::from_value(spec).map_err(|error| ("spec", error.to_string()))?;
    let mut request = request(object, &spec);
    request.path = home(files, file, &request.path);
    let rendered = with_stand_ins(files, &request);
    let rendered = rendered.map_err(|error| (class(&error), error.to_string()))?;
    let mut objects = rendered.into_objects();
    plan::prepare(&mut objects).map_err(|unfit| ("kind", unfit.to_string()))?;
    Ok(objects.len())
}

/// Renders without a network: what other hosts have is a ConfigMap here.
fn with_stand_ins(files: &Memory, request: &Request) -> Result<Rendered, Error> {
    let mut files = Remotes::new(files.clone());
    loop {
        let rendered = render::render(&files, request);
        let asked = files.take_asked();
        if asked.is_empty() {
            return rendered;
        }
        for (at, reference) in asked.into_iter().enumerate() {
            let stand_in =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: remote-{at}}}\n");
            files
                .insert(reference, stand_in.into())
                .map_err(|error| Error::Build(error.to_string()))?;
        }
    }
}

/// Where a path leads: artifacts are made of folders of a repository too, so it counts from the
/// nearest folder above the file that has it.
fn home(files: &Memory, file: &FilePath, path: &str) -> String {
    let mut at = file.parent();
    loop {
        let there = at.join_clamped(path);
        if files.kind(&there) == Some(Kind::Directory)
            && (!path.is_empty() || at.as_str().is_empty())
        {
            return there.as_str().to_owned();
        }
        if at.as_str().is_empty() {
            return path.to_owned();
        }
        at = at.parent();
    }
}

fn request(object: &Json, spec: &KustomizationSpec) -> Request {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let owner = Owner { name: text("name"), namespace: text("namespace") };
    let mut request = Request::of(spec, owner);
    // What a cluster would give is not known here.
    let from_cluster = spec.post_build.as_ref().and_then(|build| build.substitute_from.as_ref());
    if let (Some(post_build), Some(_)) = (&mut request.post_build, from_cluster) {
        *post_build = PostBuild {
            strategy: Strategy::Always,
            unset: Unset::Empty,
            ..std::mem::take(post_build)
        };
    }
    request
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::PathNotFound(_) => "path",
        Error::Compose(_) | Error::Manifest { .. } => "compose",
        Error::Build(text) if text.contains("is refused") => "refused",
        Error::Build(_) => "build",
        Error::Decode(_) | Error::Substituted { .. } => "object",
        Error::Variables { .. } | Error::VariableName { .. } | Error::Substitute { .. } => {
            "variable"
        }
        Error::Sources(_) | Error::Decrypt { .. } | Error::Encrypted(_) => "encrypted",
    }
}
