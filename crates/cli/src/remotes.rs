//! Files that a build of this machine names on other hosts.

use anyhow::{Result, anyhow};
use kustomize::files::Files;
use kustomize::reference::shown;
use remote::Remote;
use render::remote::Remotes;

/// Who may be asked for files.
#[derive(clap::Args)]
#[command(next_help_heading = "Files of other hosts")]
pub(crate) struct Hosts {
    /// Refuse files of other hosts, before anybody is asked.
    #[arg(long)]
    no_remote_bases: bool,
    /// Host on the inside of a network that may be asked for files; may be repeated.
    #[arg(long, value_name = "HOST")]
    allow_remote_base_host: Vec<String>,
}

/// Builds with `build`, which is tried anew whenever a file that it names has been fetched.
pub(crate) async fn built<F: Files, T>(
    hosts: &Hosts,
    files: F,
    build: impl Fn(&dyn Files) -> Result<T>,
) -> Result<T> {
    let mut files = Remotes::new(files);
    loop {
        let built = build(&files);
        let asked = files.take_asked();
        if asked.is_empty() || hosts.no_remote_bases {
            return built;
        }
        let agent = concat!("sluice/", env!("CARGO_PKG_VERSION"));
        let remote = Remote::new(hosts.allow_remote_base_host.iter().cloned(), agent)?;
        for reference in asked {
            let failed = |error: &dyn std::fmt::Display| {
                anyhow!("failed to fetch remote resource '{}': {error}", shown(&reference))
            };
            let content = remote.fetch(&reference).await.map_err(|error| failed(&error))?;
            files.insert(reference.clone(), content).map_err(|error| failed(&error))?;
        }
    }
}
