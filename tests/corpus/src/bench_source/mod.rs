//! `make bench-source`: what OCIRepositories cost in time, memory and requests, on a real API server
//! and the strict registry, against a client that does the least that gives the same result.

mod bare;
mod layer;
mod operator;
mod steady;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use controlplane::ControlPlane;
use futures::{StreamExt as _, pin_mut};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use registry::Registry;
use serde_json::json;

use operator::Operator;

/// Objects of the large measurements.
const OBJECTS: usize = 1000;
/// Bytes of one artifact; they do not compress.
const ARTIFACT_BYTES: usize = 10_000;
/// Objects that a client works on at once, to find its best.
const BARE_CONCURRENCIES: [usize; 3] = [8, 16, 32];
const CONCURRENCIES: [u16; 3] = [4, 8, 16];
const MIB: f64 = 1024.0 * 1024.0;

/// Everything that the measurements share.
pub(crate) struct Bench {
    client: Client,
    registry: Registry,
    binary: PathBuf,
}

/// Runs every measurement and prints a table; `only` names one.
pub(crate) fn run(only: Option<&str>) -> anyhow::Result<()> {
    let binary = std::env::current_exe()?.with_file_name("sluice-controller");
    ensure!(
        binary.is_file(),
        "no `sluice-controller` beside this program: use `make bench-source`"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cases = tokio::task::LocalSet::new();
    runtime.block_on(cases.run_until(async move {
        let world = tokio::task::spawn_blocking(e2e::World::shared).await?;
        let client = Client::try_from(world.admin().await)?;
        let bench = Bench { client, registry: Registry::start().await, binary };
        println!("| measurement | measured | wanted |\n|---|--:|--:|");
        let wanted = |name: &str| only.is_none_or(|only| only == name);
        if wanted("first") {
            first(&bench).await?;
        }
        if wanted("steady") {
            steady::run().await?;
        }
        if wanted("layer") {
            layer::run(&bench).await?;
        }
        Ok(())
    }))
}

fn line(what: &str, measured: &str, wanted: &str) {
    println!("| {what} | {measured} | {wanted} |");
}

/// From nothing to all Ready.
async fn first(bench: &Bench) -> anyhow::Result<()> {
    for at in 0..OBJECTS {
        let content = registry::layer(&[("noise", &noise(ARTIFACT_BYTES, at as u64))]);
        let layers = [("application/vnd.cncf.flux.content.v1.tar+gzip", content.as_slice())];
        bench.registry.push_image(&format!("r/{at}"), "latest", &layers, &[]);
    }
    let mut best = f64::INFINITY;
    for concurrency in BARE_CONCURRENCIES {
        let namespace = format!("bare-{concurrency}");
        bench.populate(&namespace).await?;
        let seconds = bare::run(bench, &namespace, concurrency).await?;
        line(
            &format!("{OBJECTS} first fetches, bare client, {concurrency} at once"),
            &format!("{seconds:.2} s"),
            "",
        );
        best = best.min(seconds);
    }
    for concurrency in CONCURRENCIES {
        let namespace = format!("ours-{concurrency}");
        bench.populate(&namespace).await?;
        let operator = Operator::start(bench, &namespace, concurrency)?;
        let began = Instant::now();
        bench.all_ready(&namespace, OBJECTS).await?;
        let seconds = began.elapsed().as_secs_f64();
        line(
            &format!("{OBJECTS} first fetches, Sluice, --concurrent={concurrency}"),
            &format!(
                "{seconds:.2} s, {:.2} ×, peak {:.1} MiB",
                seconds / best,
                operator.peak_bytes()? / MIB
            ),
            "1.3 ×, 60 MiB",
        );
    }
    Ok(())
}

impl Bench {
    fn sources(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<api::OCIRepository>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    async fn make_namespace(&self, name: &str) -> anyhow::Result<()> {
        let world = tokio::task::spawn_blocking(e2e::World::shared).await?;
        world.kubectl(&["create", "namespace", name]);
        Ok(())
    }

    /// Creates a namespace with an object for each repository.
    async fn populate(&self, namespace: &str) -> anyhow::Result<()> {
        self.make_namespace(namespace).await?;
        let sources = &self.sources(namespace);
        let creations = futures::stream::iter(0..OBJECTS).map(|at| async move {
            let url = self.registry.url(&format!("r/{at}"));
            let object = source(&format!("s-{at}"), &json!({"url": url, "interval": "1h"}))?;
            sources.create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        });
        let created: Vec<_> = creations.buffer_unordered(16).collect().await;
        created.into_iter().collect()
    }

    /// Waits until that many objects are Ready.
    async fn all_ready(&self, namespace: &str, count: usize) -> anyhow::Result<()> {
        let states = watcher(self.sources(namespace), Config::default());
        pin_mut!(states);
        let mut ready = std::collections::HashSet::new();
        let deadline = Instant::now() + Duration::from_secs(600);
        while ready.len() < count {
            ensure!(Instant::now() < deadline, "{} of {count} are Ready", ready.len());
            let event = states.next().await.context("the watch ended")??;
            let (Event::Apply(object) | Event::InitApply(object)) = event else {
                continue;
            };
            let object = serde_json::to_value(object)?;
            if e2e::condition(&object, "Ready")["status"] == "True" {
                ready.insert(object["metadata"]["name"].as_str().map(str::to_owned));
            }
        }
        Ok(())
    }
}

fn source(name: &str, spec: &serde_json::Value) -> anyhow::Result<DynamicObject> {
    let object = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
        "metadata": {"name": name}, "spec": spec});
    Ok(serde_json::from_value(object)?)
}

/// Bytes that do not compress, the same for the same seed.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(next().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn kubeconfig() -> &'static std::path::Path {
    ControlPlane::shared().admin_kubeconfig()
}
