//! Starting and stopping the operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use api::well_known::{KUSTOMIZATION_MANAGER, SOURCE_MANAGER};
use apply::watch::News;
use apply::{Clusters, Trust};
use kube::api::ApiResource;
use remote::Remote;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::args::{Args, Half};
use crate::context::{Begun, Context, Settings, Waiting};
use crate::events::Events;
use crate::foreign::{self, Foreign};
use crate::kustomization::{Memories, configs};
use crate::metrics::{Metrics, RunResult};
use crate::notifier::{Notifier, Receiver};
use crate::objects::{Kind, Objects};
use crate::runtime::cache::Key;
use crate::runtime::clock::Clock;
use crate::runtime::queue::{Backoff, Queue, Requeue};
use crate::runtime::requests::{self, Manner};
use crate::runtime::server;
use crate::runtime::slots::Slots;
use crate::watching::{Watched, follow};
use crate::webhook::Guard;
use crate::{clouds, kustomization, oci_repository, webhook};

/// How long open work may take to end when the operator stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long another controller's artifact server may take to take a connection, and to send more.
const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const HTTP_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Kustomizations that are applied at once, for each that is built: an apply waits for the API server
/// most of the time, and bounds its own requests (`--concurrent-ssa`).
const APPLIES_PER_BUILD: usize = 4;
/// Moves of objects that wait to be looked at; what is beyond is found by the next run.
const NEWS_MAX: usize = 4096;

/// A running operator. Dropping it ends it at once; [`Operator::stop`] lets open work end.
pub struct Operator {
    /// Where it listens.
    pub addresses: Addresses,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Where an operator listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Stored artifacts.
    pub storage: SocketAddr,
    /// `/metrics`.
    pub metrics: SocketAddr,
    /// `/healthz` and `/readyz`.
    pub health: SocketAddr,
    /// Push notices, if they are taken.
    pub webhook: Option<SocketAddr>,
}

/// Starts an operator for the cluster that `config` describes. A TLS provider must be installed.
pub async fn start(
    args: Args,
    config: kube::Config,
    clock: Clock,
    surroundings: cloud::Surroundings,
) -> anyhow::Result<Operator> {
    args.check()?;
    anyhow::ensure!(
        args.storage_path.is_dir(),
        "invalid dir path: {}: make the folder or name another one with --storage-path",
        args.storage_path.display()
    );
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let storage = server::listen(args.storage_addr).await?;
    let metrics = server::listen(args.metrics_addr).await?;
    let health = server::listen(args.health_addr).await?;
    let webhook = webhook(&args).await?;
    let addresses = Addresses {
        storage: storage.local_addr()?,
        metrics: metrics.local_addr()?,
        health: health.local_addr()?,
        webhook: webhook.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?,
    };
    let host = Args { storage_addr: addresses.storage, ..args.clone() }.advertised_host();
    let store = artifact::Store::open(&args.storage_path, &host, args.artifact_digest_algo)
        .map_err(|error| anyhow::anyhow!(artifact::text::explain(&error)))?;
    let artifacts = store.router();
    let (news, moves) = mpsc::channel(NEWS_MAX);
    let clients = Clients { config, surroundings, news };
    let context = Arc::new(context(&args, clients, clock, store, (&stop, &mut tasks))?);
    let following = kustomization::triggers::follow(Arc::clone(&context), moves);
    tasks.spawn(until(stop.clone(), following));
    let ready = Arc::new(AtomicBool::new(false));
    let mut serve = |listener, router| {
        tasks.spawn(server::serve(listener, router, context.clock.clone(), stop.clone()));
    };
    serve(storage, artifacts);
    serve(metrics, server::metrics(Arc::clone(&context.metrics)));
    serve(health, server::probes(Arc::clone(&ready)));
    if let Some((listener, guard)) = webhook {
        serve(listener, webhook::router(Arc::clone(&context), guard));
    }
    run_halves(&args, &context, &ready, &stop, &mut tasks);
    Ok(Operator { addresses, stop, tasks })
}

impl Operator {
    /// Waits until the operator has ended by itself, because a part of it could not go on.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
    }

    /// Ends the operator: no new work begins, open work gets a while to end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let drained = tokio::time::timeout(STOP_TIMEOUT, async {
            while self.tasks.join_next().await.is_some() {}
        });
        drained.await.context("open work did not end in time")
    }
}

/// The port of push notices and who may use it, if they are taken.
async fn webhook(args: &Args) -> anyhow::Result<Option<(TcpListener, Guard)>> {
    let (Some(address), Some(token)) = (args.webhook_addr, &args.webhook_token_file) else {
        return Ok(None);
    };
    anyhow::ensure!(
        args.controllers.contains(&Half::Source),
        "--webhook-addr wakes OCIRepositories: add source to --controllers, or leave it out"
    );
    let guard = Guard::open(token)?;
    Ok(Some((server::listen(address).await?, guard)))
}

/// What the operator talks to the world with.
struct Clients {
    config: kube::Config,
    surroundings: cloud::Surroundings,
    news: mpsc::Sender<News>,
}

fn context(
    args: &Args,
    clients: Clients,
    clock: Clock,
    store: artifact::Store,
    (stop, tasks): (&CancellationToken, &mut JoinSet<()>),
) -> anyhow::Result<Context> {
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let http = http_client()?;
    let notifier = args.events_addr.as_ref().map(|address| {
        let (address, client) = (address.clone(), http.clone());
        let receiver = Receiver { address, client, instance: Args::hostname() };
        Notifier::start(&receiver, &clock, &metrics, stop, tasks)
    });
    let manner = Manner {
        metrics: Arc::clone(&metrics),
        limit: args.kube_api_timeout,
        clock: clock.clone(),
    };
    let client = requests::client(clients.config.clone(), &manner)?;
    let trust = Trust {
        exec: args.kustomization.insecure_kubeconfig_exec,
        insecure_tls: args.kustomization.insecure_kubeconfig_tls,
    };
    let connect = requests::connector(&clients.config, &manner);
    let clusters = Clusters::new(clients.config, trust, connect, clients.news);
    let backoff = Backoff { min: args.min_retry_delay, max: args.max_retry_delay };
    let objects = |resource: ApiResource, manager, concurrent| {
        let queue = Queue::new(clock.clone(), backoff);
        let slots = Slots::new(usize::from(concurrent));
        Objects::new(client.clone(), Kind { resource, manager }, queue, slots)
    };
    let resource = ApiResource::erase::<api::OCIRepository>(&());
    let sources = objects(resource, SOURCE_MANAGER, args.source_concurrent());
    let resource = ApiResource::erase::<api::Kustomization>(&());
    let kustomizations = objects(resource, KUSTOMIZATION_MANAGER, args.concurrent);
    Ok(Context {
        settings: Settings::new(args),
        events: Events::start(&client, &clock, &metrics, notifier, tasks),
        clouds: clouds::clouds(args, clients.surroundings, &clock, &client, &metrics)?,
        metrics,
        memories: Memories::default(),
        waiting: Waiting::default(),
        begun: Begun::default(),
        quiet: std::sync::Mutex::default(),
        patient: std::sync::Mutex::default(),
        noticed: std::sync::Mutex::default(),
        foreign: Foreign::default(),
        remote: remote(args)?,
        http,
        registries: oci_repository::Registries::default(),
        store: Arc::new(store),
        clock,
        clusters,
        client,
        sources,
        kustomizations,
        applies: Slots::new(APPLIES_PER_BUILD * usize::from(args.concurrent)),
    })
}

/// Who is asked for the files that builds name, unless nobody may be.
fn remote(args: &Args) -> anyhow::Result<Option<Remote>> {
    let args = &args.kustomization;
    if args.no_remote_bases {
        return Ok(None);
    }
    let agent = concat!("sluice/", env!("CARGO_PKG_VERSION"));
    Ok(Some(Remote::new(args.allow_remote_base_host.iter().cloned(), agent)?))
}

/// The client that downloads artifacts of other controllers.
fn http_client() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().connect_timeout(HTTP_CONNECT_TIMEOUT);
    let builder = builder.read_timeout(HTTP_READ_TIMEOUT);
    Ok(builder.user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION"))).build()?)
}

/// Starts watching and working. Both kinds are watched by either half: a Kustomization needs to see
/// its sources.
fn run_halves(
    args: &Args,
    context: &Arc<Context>,
    ready: &Arc<AtomicBool>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let synced = signal::Sender::new(0_usize);
    let namespace = (!args.watch_all_namespaces).then(|| args.runtime_namespace.clone());
    let mut watched = vec![Watched::Ours(Half::Source), Watched::Ours(Half::Kustomization)];
    if args.controllers.contains(&Half::Kustomization) {
        watched.extend(foreign::KINDS.map(Watched::Foreign));
    }
    let all = watched.len();
    let labels = &args.kustomization.watch_configs_label_selector;
    if args.controllers.contains(&Half::Kustomization) && !args.gate("DisableConfigWatchers") {
        for kind in configs::KINDS {
            let watching =
                configs::follow(Arc::clone(context), kind, labels.clone(), namespace.clone());
            tasks.spawn(until(stop.clone(), watching));
        }
    }
    for watched in watched {
        let watching = follow(Arc::clone(context), watched, namespace.clone(), synced.clone());
        tasks.spawn(until(stop.clone(), watching));
    }
    let filled = {
        let (mut synced, ready) = (synced.subscribe(), Arc::clone(ready));
        let context = Arc::clone(context);
        async move {
            if synced.wait_for(|count| *count == all).await.is_ok() {
                kustomization::start::begin(&context);
                ready.store(true, Ordering::Relaxed);
            }
        }
    };
    tasks.spawn(until(stop.clone(), filled));
    for half in &args.controllers {
        let count = if *half == Half::Source { args.source_concurrent() } else { args.concurrent };
        context.metrics.workers_max(half.kind(), count);
        let (context, half, mut synced) = (Arc::clone(context), *half, synced.subscribe());
        let stop = stop.clone();
        tasks.spawn(async move {
            // A Kustomization that runs before its source has been seen would report it missing.
            tokio::select! {
                _ = synced.wait_for(|count| *count == all) => {}
                () = stop.cancelled() => return,
            }
            work(context, half, stop).await;
        });
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Runs what the queue of one kind gives, until it is told to stop; then lets open runs end.
async fn work(context: Arc<Context>, half: Half, stop: CancellationToken) {
    let objects = half.objects(&context);
    let mut runs = JoinSet::new();
    loop {
        let key = tokio::select! {
            key = objects.queue.next() => key,
            () = stop.cancelled() => break,
        };
        // After the key: a slot that is held while nothing is there to do would be missing to a run
        // that comes back from a wait.
        let slot = tokio::select! {
            slot = objects.slots.take() => slot,
            () = stop.cancelled() => break,
        };
        context.metrics.depth(half.kind(), objects.queue.depth());
        while runs.try_join_next().is_some() {}
        let (context, stop) = (Arc::clone(&context), stop.clone());
        runs.spawn(async move {
            run_one(&context, half, key, slot, &stop).await;
        });
    }
    while runs.join_next().await.is_some() {}
}

async fn run_one(
    context: &Arc<Context>,
    half: Half,
    key: Key,
    mut slot: crate::runtime::slots::Slot,
    stop: &CancellationToken,
) {
    let waited = half.objects(context).queue.waited(&key);
    context.metrics.begin(half.kind(), &key, waited);
    let run = {
        let (context, key) = (Arc::clone(context), key.clone());
        async move {
            match half {
                Half::Source => oci_repository::reconcile(&context, &key, &mut slot).await,
                Half::Kustomization => kustomization::reconcile(&context, &key, &mut slot).await,
            }
        }
    };
    // A task of its own, so that a panic ends this run and nothing else.
    let mut task = AbortOnDropHandle::new(tokio::spawn(run));
    let mut panicked = false;
    let requeue = tokio::select! {
        result = &mut task => result.unwrap_or_else(|error| {
            panicked = true;
            tracing::error!(%error, kind = half.kind(), %key, "a run ended unexpectedly");
            Requeue::Backoff(Duration::ZERO)
        }),
        // What waits may wait for long: it is begun anew by whoever comes after us.
        () = stop.cancelled() => {
            let _ = tokio::time::timeout(STOP_TIMEOUT / 4, &mut task).await;
            Requeue::OnChange
        }
    };
    let result = match requeue {
        _ if panicked => RunResult::Panic,
        Requeue::OnChange => RunResult::Success,
        Requeue::After(_) => RunResult::RequeueAfter,
        Requeue::Backoff(_) => RunResult::Error,
    };
    context.metrics.end(half.kind(), &key, result);
    let objects = half.objects(context);
    if objects.cache.get(&key).is_none() {
        // Its last run ended after it was gone.
        context.metrics.forget(half.kind(), &key);
    }
    objects.queue.done(&key, requeue);
}

impl Half {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Source => "OCIRepository",
            Self::Kustomization => "Kustomization",
        }
    }

    pub(crate) fn objects(self, context: &Context) -> &Objects {
        match self {
            Self::Source => &context.sources,
            Self::Kustomization => &context.kustomizations,
        }
    }
}
