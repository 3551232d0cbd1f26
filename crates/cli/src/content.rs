//! Files of this machine as the content of an artifact.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use artifact::{Ignore, Limits, Links, Tree};

/// Standard input in the place of a path, and the name that its content gets.
const STANDARD_INPUT: &str = "-";
const STANDARD_INPUT_NAME: &str = "manifests.yaml";

/// What stays out if nothing is said; files of version control always do.
const IGNORED: &str = "*.jpg,*.jpeg,*.gif,*.png,*.wmv,*.flv,*.tar.gz,*.zip";

/// What is packed.
#[derive(clap::Args)]
pub(crate) struct Content {
    /// Folder or file to pack; `-` is standard input.
    #[arg(short = 'f', long)]
    path: PathBuf,
    /// What stays out: rules in the format of .gitignore, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULE", default_value = IGNORED)]
    ignore_paths: Vec<String>,
    /// Pack what symbolic links lead to; without this they are left out.
    #[arg(long)]
    resolve_symlinks: bool,
}

impl Content {
    /// Packs it: equal files give equal bytes.
    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        let links = if self.resolve_symlinks { Links::Follow } else { Links::Skip };
        let tree = tree(&self.path, links)?;
        let ignore = Ignore::of_pushed(&self.ignore_paths.join("\n"))?;
        let mut packed = Vec::new();
        tree.pack(&ignore, &mut packed)?;
        Ok(packed)
    }

    /// The bytes of a path that is one file.
    pub(crate) fn single(&self) -> Option<Vec<u8>> {
        self.path.is_file().then(|| std::fs::read(&self.path).ok()).flatten()
    }
}

fn tree(path: &Path, links: Links) -> Result<Tree> {
    let unreadable = || format!("cannot read `{}`", path.display());
    if path.is_dir() {
        return Tree::from_directory(path, links, &Limits::default(), &std::env::temp_dir())
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
