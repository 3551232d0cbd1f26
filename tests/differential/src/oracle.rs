//! Both builders, and what tells them apart.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use kustomize::files::{FilePath, Memory};
use kustomize::{LoadRestriction, Options};

/// What a build gave: the text, or why there is none.
pub type Outcome = Result<String, String>;

/// Files by their path.
pub type Files = BTreeMap<String, String>;

/// The reference: kustomize as kubectl has it.
pub struct Oracle {
    program: PathBuf,
    arguments: Vec<String>,
}

/// What both gave, side by side.
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Neither builds.
    Refused(Refusal),
    /// The reference panics, says another thing each time, or hashes how an object was written:
    /// nothing to compare with.
    Excluded,
    /// A difference.
    Differs(Difference),
}

/// What neither builds.
pub struct Refusal {
    /// What the reference says.
    pub text: String,
    /// Whether our last words are the same.
    pub same: bool,
}

/// A difference: ours and theirs.
pub struct Difference {
    /// What we give.
    pub ours: Outcome,
    /// What the reference gives.
    pub theirs: Outcome,
}

impl Difference {
    /// Which of both build, and how the reference words it if it does not.
    pub fn class(&self) -> (bool, String) {
        let words = self.theirs.as_ref().err().map_or("", |text| last_words(text));
        (self.ours.is_ok(), words.chars().take(24).collect())
    }
}

impl Oracle {
    /// The reference, when it has been built on this machine.
    pub fn find() -> Option<Self> {
        let program = controlplane::built().ok().flatten()?;
        Some(Self { program, arguments: vec!["kubectl".to_owned(), "kustomize".to_owned()] })
    }

    /// Another build of the reference: a program and its arguments before the folder.
    pub fn at(command: &str) -> Option<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        Some(Self { program: words.next()?.into(), arguments: words.collect() })
    }

    /// What the reference makes of files.
    pub fn build(&self, files: &Files) -> anyhow::Result<Outcome> {
        let folder = tempfile::tempdir()?;
        write(folder.path(), files)?;
        let output =
            Command::new(&self.program).args(&self.arguments).arg(folder.path()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        })
    }

    /// Builds files both ways and compares.
    pub fn judge(&self, files: &Files) -> anyhow::Result<Verdict> {
        let theirs = self.build(files)?;
        let ours = build(files);
        Ok(match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => Verdict::Same,
            (Err(ours), _) if ours == PANIC => {
                Verdict::Differs(Difference { ours: Err(ours.clone()), theirs })
            }
            (_, Err(text)) if text.contains("panic") => Verdict::Excluded,
            (Err(ours), Err(theirs)) => {
                let same = last_words(ours) == last_words(theirs);
                Verdict::Refused(Refusal { text: theirs.clone(), same })
            }
            (Ok(ours), Ok(theirs)) if hashes_another_kind(files, ours, theirs) => Verdict::Excluded,
            _ if self.build(files)?.ok() != theirs.clone().ok() => Verdict::Excluded,
            _ => Verdict::Differs(Difference { ours, theirs }),
        })
    }
}

const PANIC: &str = "we panic";

/// What we make of files.
fn build(files: &Files) -> Outcome {
    let files: Memory = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let options = Options { load_restriction: LoadRestriction::RootOnly, ..Options::default() };
    let built = AssertUnwindSafe(|| {
        kustomize::build(&files, &FilePath::root(), &options).map(kustomize::Built::into_yaml)
    });
    match catch_unwind(built) {
        Ok(built) => built.map_err(|error| error.chain()),
        Err(_) => Err(PANIC.to_owned()),
    }
}

/// Whether two outputs differ in hashes alone, where a patch made another kind of a generated
/// ConfigMap or Secret: of these kustomize hashes lines and columns too (`differences.md`, 2).
fn hashes_another_kind(files: &Files, ours: &str, theirs: &str) -> bool {
    files.values().any(|text| text.contains("allowKindChange"))
        && without_hashes(ours) == without_hashes(theirs)
}

fn without_hashes(text: &str) -> Vec<String> {
    const DIGITS: usize = 10;
    let hash = |part: &str| {
        part.len() == DIGITS && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let kept = |line: &str| line.split('-').filter(|part| !hash(part)).collect();
    text.lines().map(kept).collect()
}

fn last_words(text: &str) -> &str {
    let line = text.trim_end();
    line.rsplit(": ").next().unwrap_or(line)
}

/// Writes files below a folder.
pub fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}
