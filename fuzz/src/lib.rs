//! From bytes to trees of files, and what every build of one has to keep.

use kustomize::files::{FilePath, Memory};
use kustomize::{LoadRestriction, Options};

/// How a line begins that names the file below it.
const FILE_MARK: &str = "=== ";

/// Reads a tree of files from one text: a line `=== path` begins each of them.
pub fn tree(data: &[u8]) -> Memory {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let name = line.strip_prefix(FILE_MARK.as_bytes());
        match (name, files.last_mut()) {
            (Some(name), _) => {
                files.push((String::from_utf8_lossy(name).trim().to_owned(), Vec::new()));
            }
            (None, Some((_, content))) => content.extend_from_slice(line),
            (None, None) => files.push(("kustomization.yaml".to_owned(), line.to_vec())),
        }
    }
    files.into_iter().collect()
}

/// The two halves of an input, divided at the first line `=====`.
pub fn halves(data: &[u8]) -> Option<(&[u8], &[u8])> {
    const MARK: &[u8] = b"\n=====\n";
    let at = data.windows(MARK.len()).position(|part| part == MARK)?;
    Some((&data[..=at], &data[at + MARK.len()..]))
}

/// Builds a tree: it fails with a reason, or gives documents that read as they were written.
pub fn check(files: &Memory, load_restriction: LoadRestriction) {
    let options = Options { load_restriction, ..Options::default() };
    match kustomize::build(files, &FilePath::root(), &options) {
        Ok(built) => reads_back(&built.into_yaml()),
        Err(error) => assert!(!error.chain().is_empty()),
    }
}

/// Whether a text holds a line break of YAML 1.1 that is none to readers of 1.2; it is written as
/// kustomize writes it.
pub fn has_other_breaks(text: &str) -> bool {
    text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// What was written is read, and written again as it was.
pub fn reads_back(text: &str) {
    if has_other_breaks(text) {
        return;
    }
    let documents = manifest::yaml::read_manifests(text)
        .unwrap_or_else(|error| panic!("{error} in what was written:\n{text}"));
    let again: Vec<_> =
        documents.iter().map(|document| manifest::yaml::to_string(&document.value)).collect();
    assert_eq!(again.join("---\n"), text);
}
