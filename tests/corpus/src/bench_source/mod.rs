//! `make bench-source`: what OCIRepositories cost in time, memory and requests, on a real API server
//! and the strict registry, against a client that does the least that gives the same result.

mod bare;
mod layer;
mod operator;
mod steady;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use controlplane::ControlPlane;
use e2e::settled;
use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Api, Client};
use registry::Registry;
use serde_json::json;

use operator::Operator;

/// Objects of the large measurements.
const OBJECTS: usize = 1000;
/// Bytes of one artifact; they do not compress.
const ARTIFACT_BYTES: usize = 10_000;
/// Longer than any measurement takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// Objects that a client works on at once, to find its best.
const BARE_CONCURRENCIES: [usize; 3] = [8, 16, 32];
const CONCURRENCIES: [u16; 3] = [4, 8, 16];
const MIB: f64 = 1024.0 * 1024.0;

/// Everything that the measurements share.
pub(crate) struct Bench {
    client: Client,
    registry: Registry,
    binary: PathBuf,
    /// Where everything is stored until the end: a file system that has just removed thousands of
    /// files is slow to make new ones.
    storage: tempfile::TempDir,
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
        let (registry, storage) = (Registry::start().await, tempfile::tempdir()?);
        let bench = Bench { client, registry, binary, storage };
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
        bench.registry.take_log();
        let operator = Operator::start(bench, &namespace, concurrency)?;
        let began = Instant::now();
        bench.fetched(OBJECTS).await?;
        bench.all_ready(&namespace, OBJECTS).await?;
        let seconds = began.elapsed().as_secs_f64();
        let peak = operator.peak_bytes()? / MIB;
        let cpu = operator.cpu_seconds()?;
        line(
            &format!("{OBJECTS} first fetches, Sluice, --concurrent={concurrency}"),
            &format!("{seconds:.2} s, {:.2} ×, CPU {cpu:.1} s, peak {peak:.1} MiB", seconds / best),
            "1.3 ×, 60 MiB",
        );
    }
    Ok(())
}

impl Bench {
    /// A new folder.
    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.storage.path().join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

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

    /// Waits until that many layers were asked for. It is the registry that tells: a watch would
    /// take from both what it takes from the API server.
    async fn fetched(&self, count: usize) -> anyhow::Result<()> {
        let late = settled(PATIENCE, async || {
            let log = self.registry.log();
            let blobs = log.iter().filter(|entry| entry.path.contains("/blobs/")).count();
            if blobs >= count { Vec::new() } else { vec![format!("{blobs} of {count} layers")] }
        });
        let late = late.await;
        ensure!(late.is_empty(), "{}", late.join(", "));
        Ok(())
    }

    /// Waits until that many objects are Ready.
    async fn all_ready(&self, namespace: &str, count: usize) -> anyhow::Result<()> {
        let sources = self.sources(namespace);
        let late = settled(PATIENCE, async || {
            let objects = sources.list(&ListParams::default()).await.map(|list| list.items);
            let objects = objects.unwrap_or_default().into_iter();
            let ready = objects.filter(is_true).count();
            if ready >= count { Vec::new() } else { vec![format!("{ready} of {count} are Ready")] }
        });
        let late = late.await;
        ensure!(late.is_empty(), "{}", late.join(", "));
        Ok(())
    }
}

fn is_true(object: &DynamicObject) -> bool {
    let list = object.data["status"]["conditions"].as_array();
    list.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
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
