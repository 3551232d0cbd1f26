//! `make bench-floor`: exactly the requests that the budget allows (decisions.md, request budget), by
//! a client that does nothing else, at its best concurrency: what an API server can do for N
//! applications of a source, a Kustomization and four objects.

mod client;
mod objects;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use controlplane::ControlPlane;
use futures::StreamExt as _;
use registry::Registry;

use client::Client;
use objects::App;

/// Applications when nobody says how many.
const APPS: usize = 100;
/// Applications at once, to find the best.
const CONCURRENCIES: [usize; 3] = [8, 16, 32];

/// Prints the seconds of each phase at the best concurrency; `arguments` are the number of
/// applications, and a kubeconfig if it is not to be a control plane of its own.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let count = arguments.first().map_or(Ok(APPS), |count| count.parse());
    let count = count.context("the first argument is a number of applications")?;
    let kubeconfig = arguments.get(1).map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let kubeconfig = if let Some(path) = kubeconfig {
            path
        } else {
            tokio::task::spawn_blocking(e2e::World::shared).await?;
            ControlPlane::shared().admin_kubeconfig().to_owned()
        };
        for at_once in CONCURRENCIES {
            let seconds = phases(&kubeconfig, count, at_once).await?;
            let line: Vec<String> =
                seconds.iter().map(|(phase, seconds)| format!("{phase} {seconds:.2} s")).collect();
            println!("{count} applications, {at_once} at once: {}", line.join(", "));
        }
        Ok(())
    })
}

async fn phases(
    kubeconfig: &Path,
    count: usize,
    at_once: usize,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let registry = Registry::start().await;
    let namespace = format!("floor-{}-{at_once}", std::process::id());
    let client = Client::open(kubeconfig, &namespace, registry.host()).await?;
    client.prepare().await?;
    let mut seconds = Vec::new();
    for phase in ["create", "noop", "change", "delete"] {
        if phase == "create" || phase == "change" {
            for at in 0..count {
                registry.push_files(
                    &format!("app-{at}"),
                    "latest",
                    &[("app.yaml", phase.as_bytes())],
                );
            }
        }
        let began = Instant::now();
        let all = futures::stream::iter(0..count).map(|at| {
            let client = &client;
            async move {
                let app = App::new(at, client.namespace(), phase);
                match phase {
                    "create" => client.create(&app).await,
                    "noop" => client.run_again(&app).await,
                    "change" => client.change(&app).await,
                    _ => client.delete(&app).await,
                }
            }
        });
        let done: Vec<anyhow::Result<()>> = all.buffer_unordered(at_once).collect().await;
        done.into_iter().collect::<anyhow::Result<()>>()?;
        seconds.push((phase, began.elapsed().as_secs_f64()));
    }
    Ok(seconds)
}
