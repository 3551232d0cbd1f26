//! The bundles of `examples/`: copied, made to fit, pushed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// What the examples write where a registry belongs.
const REGISTRY_PLACEHOLDER: &str = "registry.example.com";
/// What they write where a version belongs, in the text and in names.
const VERSION_PLACEHOLDERS: [&str; 2] = ["1.0.0", "1-0-0"];
/// The object that the newer version drops: the line that lists it.
const DROPPED: &str = "- announcement.yaml\n";

/// Where the repository is.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One text for another, in every file of a bundle.
#[derive(Clone)]
pub(crate) struct Edit {
    from: &'static str,
    to: String,
}

impl Edit {
    /// The address of a registry where the placeholder stands.
    pub(crate) fn registry(host: &str) -> Self {
        Self { from: REGISTRY_PLACEHOLDER, to: host.to_owned() }
    }

    /// A version where the examples' own stands.
    pub(crate) fn version(version: &str) -> [Self; 2] {
        VERSION_PLACEHOLDERS.map(|from| Self { from, to: version.replace('.', &from[1..2]) })
    }

    /// One object less.
    pub(crate) fn drop_one() -> Self {
        Self { from: DROPPED, to: String::new() }
    }
}

/// Copies a folder of `examples/`, edited.
pub(crate) fn copy(example: &str, into: &Path, edits: &[Edit]) -> anyhow::Result<()> {
    let from = repository().join("examples").join(example);
    copy_folder(&from, into, edits).with_context(|| format!("failed to copy examples/{example}"))
}

fn copy_folder(from: &Path, into: &Path, edits: &[Edit]) -> anyhow::Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target, edits)?;
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let edited = edits.iter().fold(text, |text, edit| text.replace(edit.from, &edit.to));
        fs::write(target, edited)?;
    }
    Ok(())
}

/// What is pushed where.
pub(crate) struct Push<'a> {
    /// The `sluice` command.
    pub(crate) sluice: &'a Path,
    /// The folder.
    pub(crate) folder: &'a Path,
    /// `oci://<host>/<repository>:<tag>`.
    pub(crate) url: &'a str,
    /// What the revision of its source is called.
    pub(crate) revision: &'a str,
}

/// Pushes a folder with our own command.
pub(crate) async fn push(push: &Push<'_>) -> anyhow::Result<()> {
    let output = Command::new(push.sluice)
        .args(["push", "artifact", push.url, "--insecure"])
        .arg("--path")
        .arg(push.folder)
        .args(["--source", "https://git.example.com/demo", "--revision", push.revision])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "failed to push {}: {}", push.url, error.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_fits_texts_and_names() {
        let edits = Edit::version("1.1.0-x-2");
        let pairs = edits.map(|edit| (edit.from, edit.to));
        assert_eq!(pairs, [("1.0.0", "1.1.0-x-2".into()), ("1-0-0", "1-1-0-x-2".into())]);
    }
}
