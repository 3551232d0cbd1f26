//! Rendering with the files that a build names on other hosts (decisions.md, remote bases).

use std::sync::Arc;

use kustomize::files::Memory;
use kustomize::reference::shown;
use render::Rendered;
use render::remote::Remotes;

use super::converge::{Attempt, Failure};
use super::decrypt;

/// Renders. Where a file of another host is missing, it is fetched without holding a slot, and the
/// build is tried anew; with `--no-remote-bases` nobody is asked.
pub(super) async fn render(
    attempt: &mut Attempt<'_>,
    files: Memory,
    request: render::Request,
) -> Result<Rendered, Failure> {
    let mut files = Arc::new(Remotes::new(files));
    loop {
        let rendered = decrypt::render(attempt, &files, request.clone()).await;
        let asked = files.take_asked();
        let Some(remote) = attempt.context.remote.as_ref().filter(|_| !asked.is_empty()) else {
            return rendered;
        };
        for reference in asked {
            let failed = |why: &dyn std::fmt::Display| {
                let address = shown(&reference);
                let text = format!("failed to fetch remote resource '{address}': {why}");
                Failure::new("BuildFailed", &text)
            };
            let (clock, limit) = (&attempt.context.clock, attempt.request.timeout);
            let fetching = clock.timeout(limit, remote.fetch(&reference));
            let fetched = attempt.slot.park(fetching).await;
            let content = fetched.ok_or_else(|| failed(&"context deadline exceeded"))?;
            let content = content.map_err(|error| failed(&error))?;
            // Nobody builds with them now: whoever did has ended.
            let Some(files) = Arc::get_mut(&mut files) else { return rendered };
            files.insert(reference.clone(), content).map_err(|error| failed(&error))?;
        }
    }
}
