//! One recorded case, as its folder holds it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

/// A recorded case.
pub(crate) struct Case {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its name, which is the folder's.
    pub(crate) name: String,
    /// What was applied and patched, in order.
    pub(crate) changes: Vec<Change>,
    /// What was pushed, in order.
    pub(crate) pushes: Vec<Push>,
}

/// A document of `objects.yaml`.
pub(crate) struct Change {
    /// The step that it belongs to.
    pub(crate) step: u32,
    /// Kind and name of the object that it patches; `None` when the document is an object to apply.
    pub(crate) patched: Option<(String, String)>,
    /// Whether it patches the status.
    pub(crate) of_status: bool,
    /// The field manager that is named, if one is.
    pub(crate) manager: Option<String>,
    /// The arguments of the kubectl that did it.
    pub(crate) arguments: Vec<String>,
    /// The document, as recorded.
    pub(crate) text: String,
}

/// A line of `manifests.jsonl`.
pub(crate) struct Push {
    /// Folder of the files.
    pub(crate) folder: String,
    /// Tag.
    pub(crate) tag: String,
    /// Digest of the manifest, as recorded.
    pub(crate) digest: String,
    /// The manifest.
    pub(crate) manifest: Value,
}

impl Case {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = |path: &str| {
            let path = folder.join(path);
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let changes = read("objects.yaml")?;
        let changes = format!("\n{changes}\n");
        let changes = changes.split("\n---\n").filter_map(change).collect();
        // A case may be about nothing that is pushed.
        let is_pushed = folder.join("artifact").is_dir();
        let lines = if is_pushed { read("artifact/manifests.jsonl")? } else { String::new() };
        let pushes = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            Ok(Push {
                folder: text("folder"),
                tag: text("tag"),
                digest: text("digest"),
                manifest: line["manifest"].clone(),
            })
        });
        let pushes = pushes.collect::<anyhow::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), name, changes, pushes })
    }

    /// The namespace of the recording: the name before its title.
    pub(crate) fn namespace(&self) -> String {
        self.name.splitn(3, '-').take(2).collect::<Vec<_>>().join("-").to_lowercase()
    }

    /// The documents of a file in `result`.
    pub(crate) fn result(&self, file: &str) -> anyhow::Result<Vec<Value>> {
        documents(&self.folder.join("result").join(file))
    }
}

fn change(text: &str) -> Option<Change> {
    let line = text.lines().find_map(|line| line.strip_prefix("# step "))?;
    let (step, command) = line.split_once(": ")?;
    let words: Vec<&str> = command.split(' ').collect();
    let kind = |word: &str| {
        let kinds = [
            ("ocirepository", "OCIRepository"),
            ("kustomization", "Kustomization"),
            ("configmap", "ConfigMap"),
            ("secret", "Secret"),
            ("deployment", "Deployment"),
        ];
        kinds.iter().find(|(name, _)| *name == word).map(|(_, kind)| (*kind).to_owned())
    };
    let patched = match words.as_slice() {
        ["kubectl", "patch", word, name, ..] => kind(word).map(|kind| (kind, (*name).to_owned())),
        _ => None,
    };
    let manager = words.iter().find_map(|word| word.strip_prefix("--field-manager="));
    Some(Change {
        step: step.parse().ok()?,
        patched,
        of_status: words.contains(&"--subresource=status"),
        manager: manager.map(str::to_owned),
        arguments: words.iter().skip(1).map(ToString::to_string).collect(),
        text: text.into(),
    })
}

/// The documents of a YAML file.
pub(crate) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

/// The documents of a YAML text.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let text = format!("\n{text}");
    let texts = text.split("\n---").filter(|text| !text.trim().is_empty());
    // A block of text ends with its last line's end.
    texts.map(|text| Ok(Value::from(manifest::yaml::read_one(&format!("{text}\n"))?))).collect()
}
