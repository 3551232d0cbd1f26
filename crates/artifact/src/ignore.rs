//! Which files of a layer stay out of the artifact (ocirepository.md, 10 and 20.6).

use crate::error::Error;
use crate::glob::Glob;
use crate::tree::{Node, Tree};

/// The name of an ignore file.
const FILE_NAME: &str = ".sourceignore";
/// A longer line ends the reading of its file, without an error.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// More patterns are refused: every entry is held against every pattern.
const PATTERNS_MAX: usize = 10_000;

const VERSION_CONTROL: &str = ".git/\n.gitignore\n.gitmodules\n.gitattributes\n";
const DEFAULTS: &str = "*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip\n\
    .github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\n\
    cloudbuild.yaml\ncodeship-services.yml\ncodeship-steps.yml\n\
    **/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml\n";

/// An ordered list of patterns; the last one that matches decides.
pub struct Ignore {
    patterns: Vec<Pattern>,
}

impl Ignore {
    /// The rules for `tree`: version control files, every `.sourceignore` in it and
    /// `spec_ignore`. The other defaults count only while nobody states a pattern.
    pub fn new(tree: &Tree, spec_ignore: Option<&str>) -> Result<Self, Error> {
        let mut files = Vec::new();
        for (directory, node) in ignore_files(tree) {
            let text = String::from_utf8_lossy(&tree.read(node)?).into_owned();
            files.push((directory.to_owned(), text));
        }
        Self::from_texts(files.iter().map(|(dir, text)| (dir.as_str(), text.as_str())), spec_ignore)
    }

    /// The same from the texts of ignore files, each with its directory (empty for the root),
    /// in the order root first, then depth-first by name. Those below `.git` do not count.
    pub fn from_texts<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        spec_ignore: Option<&str>,
    ) -> Result<Self, Error> {
        let mut own = Vec::new();
        for (directory, text) in files {
            if components(directory).all(|part| part != ".git") {
                parse(text, directory, &mut own)?;
            }
        }
        parse(spec_ignore.unwrap_or_default(), "", &mut own)?;
        let mut patterns = Vec::new();
        parse(VERSION_CONTROL, "", &mut patterns)?;
        if own.is_empty() {
            parse(DEFAULTS, "", &mut patterns)?;
        }
        patterns.append(&mut own);
        Ok(Self { patterns })
    }

    /// What stays out when a folder is packed to be pushed: version control files and `rules`, one
    /// a line. A `.sourceignore` goes with the others, and counts where the artifact is read.
    pub fn of_pushed(rules: &str) -> Result<Self, Error> {
        let mut patterns = Vec::new();
        parse(VERSION_CONTROL, "", &mut patterns)?;
        parse(rules, "", &mut patterns)?;
        Ok(Self { patterns })
    }

    /// Whether the directory at `path` stays out. What is below it is asked about on its own.
    pub fn ignores_directory(&self, path: &str) -> bool {
        self.ignores(path, Kind::Directory)
    }

    /// Whether the file at `path` stays out.
    pub fn ignores_file(&self, path: &str) -> bool {
        self.ignores(path, Kind::File)
    }

    fn ignores(&self, path: &str, kind: Kind) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        let last = self.patterns.iter().rev().find(|pattern| pattern.matches(&path, kind));
        last.is_some_and(|pattern| pattern.effect == Effect::Exclude)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Exclude,
    Include,
}

struct Pattern {
    scope: Vec<String>,
    effect: Effect,
    directories_only: bool,
    shape: Shape,
}

/// A pattern without a slash names a component at any depth; one with a slash is anchored.
enum Shape {
    Name(Glob),
    Path(Vec<Part>),
}

enum Part {
    Empty,
    AnyDepth,
    Never,
    Name(Glob),
}

fn ignore_files(tree: &Tree) -> Vec<(&str, Node)> {
    let mut found: Vec<(&str, Node)> = tree
        .walk()
        .filter(|(path, node)| {
            matches!(node, Node::File { .. }) && path.rsplit('/').next() == Some(FILE_NAME)
        })
        .map(|(path, node)| (path.rsplit_once('/').map_or("", |(directory, _)| directory), node))
        .collect();
    // A directory's own file comes before those of its sub-directories.
    found.sort_by(|(a, _), (b, _)| components(a).cmp(components(b)));
    found
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn parse(text: &str, directory: &str, patterns: &mut Vec<Pattern>) -> Result<(), Error> {
    for line in text.split('\n') {
        if line.len() >= LINE_BYTES_MAX {
            break;
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if patterns.len() == PATTERNS_MAX {
            return Err(Error::TooManyPatterns(PATTERNS_MAX));
        }
        patterns.push(Pattern::new(line, directory));
    }
    Ok(())
}

impl Pattern {
    fn new(line: &str, directory: &str) -> Self {
        let (effect, line) = match line.strip_prefix('!') {
            Some(rest) => (Effect::Include, rest),
            None => (Effect::Exclude, line),
        };
        let line = if line.ends_with("\\ ") { line } else { line.trim_end_matches(' ') };
        let (directories_only, line) =
            line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        let shape = if line.contains('/') {
            Shape::Path(line.split('/').map(Part::new).collect())
        } else {
            Shape::Name(Glob::new(line))
        };
        let scope = components(directory).map(str::to_owned).collect();
        Self { scope, effect, directories_only, shape }
    }

    fn matches(&self, path: &[&str], kind: Kind) -> bool {
        if path.len() <= self.scope.len() || self.scope.iter().zip(path).any(|(a, b)| a != b) {
            return false;
        }
        let path = &path[self.scope.len()..];
        let itself_refused = self.directories_only && kind == Kind::File;
        match &self.shape {
            Shape::Name(glob) => path
                .iter()
                .position(|name| glob.matches(name))
                .is_some_and(|at| !(itself_refused && at + 1 == path.len())),
            Shape::Path(parts) => {
                rest_after(parts, path).is_some_and(|rest| !(itself_refused && rest.is_empty()))
            }
        }
    }
}

impl Part {
    fn new(text: &str) -> Self {
        match text {
            "" => Self::Empty,
            "**" => Self::AnyDepth,
            text if text.contains("**") => Self::Never,
            text => Self::Name(Glob::new(text)),
        }
    }
}

/// What is left of `path` behind an anchored pattern, `None` if it does not match. Each part takes
/// the first component that fits and never goes back, as the reference does.
fn rest_after<'a>(parts: &[Part], mut path: &'a [&'a str]) -> Option<&'a [&'a str]> {
    let mut matched = false;
    let mut any_depth = false;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Empty => any_depth = false,
            Part::AnyDepth if index + 1 == parts.len() => break,
            Part::AnyDepth => any_depth = true,
            Part::Never => return None,
            Part::Name(glob) => {
                let at = path.iter().position(|name| glob.matches(name));
                match at {
                    Some(at) if any_depth || at == 0 => path = &path[at + 1..],
                    None if any_depth && !path.is_empty() => {
                        path = &[];
                        matched = false;
                        any_depth = false;
                        continue;
                    }
                    _ => return None,
                }
                matched = true;
                any_depth = false;
            }
        }
    }
    matched.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, path: &str, ignored: bool) {
        let ignore = Ignore::from_texts([], Some(rules)).map(|ignore| ignore.ignores_file(path));
        assert_eq!(ignore.ok(), Some(ignored), "{rules:?} {path}");
    }

    #[test]
    fn one_pattern_switches_the_defaults_off() {
        check("# only a comment", "a.png", true);
        check("foo.txt", "a.png", false);
        check("foo.txt", "d/.git/config", true);
    }

    #[test]
    fn later_patterns_bring_files_back() {
        check("/*\n!/deploy\n/deploy/**/*.md", "deploy/a.yaml", false);
        check("/*\n!/deploy\n/deploy/**/*.md", "deploy/a/b.md", true);
        check("/*\n!/deploy/x.yaml", "deploy/x.yaml", false);
        check("build/", "build", false);
        check("build/", "x/build/y", true);
    }

    #[test]
    fn a_million_patterns_are_refused() {
        let rules = "a\n".repeat(1_000_000);
        assert!(matches!(Ignore::from_texts([], Some(&rules)), Err(Error::TooManyPatterns(_))));
    }
}
