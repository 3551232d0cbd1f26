//! Files of this machine as the content of an artifact.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use artifact::{Ignore, Limits, Tree};

/// Standard input in the place of a path, and the name that its content gets.
const STANDARD_INPUT: &str = "-";
const STANDARD_INPUT_NAME: &str = "manifests.yaml";

/// What is packed.
#[derive(clap::Args)]
pub(crate) struct Content {
    /// Folder or file to pack; `-` is standard input.
    #[arg(short = 'f', long)]
    path: PathBuf,
    /// Rules in the format of .gitignore, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULE")]
    ignore_paths: Vec<String>,
}

impl Content {
    /// Packs it: equal files give equal bytes.
    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        let tree = tree(&self.path)?;
        let rules = self.ignore_paths.join("\n");
        let ignore = Ignore::new(&tree, Some(&rules))?;
        let mut packed = Vec::new();
        tree.pack(&ignore, &mut packed)?;
        Ok(packed)
    }

    /// The bytes of a path that is one file.
    pub(crate) fn single(&self) -> Option<Vec<u8>> {
        self.path.is_file().then(|| std::fs::read(&self.path).ok()).flatten()
    }
}

fn tree(path: &Path) -> Result<Tree> {
    let unreadable = || format!("cannot read `{}`", path.display());
    if path.is_dir() {
        return Tree::from_directory(path, &Limits::default(), &std::env::temp_dir())
            .with_context(unreadable);
    }
    let mut bytes = Vec::new();
    let name = if path == Path::new(STANDARD_INPUT) {
        std::io::stdin().read_to_end(&mut bytes).with_context(unreadable)?;
        STANDARD_INPUT_NAME.into()
    } else {
        bytes = std::fs::read(path).with_context(unreadable)?;
        path.file_name().unwrap_or_default().to_string_lossy()
    };
    Ok(Tree::from_files([(name.as_ref(), bytes.as_slice())])?)
}
