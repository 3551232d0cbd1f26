//! Metrics, under the names that dashboards of Flux and controller-runtime know.

mod tokens;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::runtime::cache::Key;
use crate::runtime::clock::Clock;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    controller: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    host: String,
    method: String,
}

type PerController<M, C = fn() -> M> = Family<ControllerLabels, M, C>;
type PerQueue<M, C = fn() -> M> = Family<QueueLabels, M, C>;

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    durations: Family<ObjectLabels, Histogram>,
    results: Family<ResultLabels, Counter>,
    errors: PerController<Counter>,
    panics: PerController<Counter>,
    times: PerController<Histogram>,
    workers: PerController<Gauge>,
    workers_max: PerController<Gauge>,
    depths: PerQueue<Gauge>,
    adds: PerQueue<Counter>,
    retries: PerQueue<Counter>,
    waits: PerQueue<Histogram>,
    works: PerQueue<Histogram>,
    unfinished: PerQueue<Gauge<f64, AtomicU64>>,
    longest: PerQueue<Gauge<f64, AtomicU64>>,
    notices: Family<CodeLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    drops: Family<SinkLabels, Counter>,
    tokens: tokens::Tokens,
    /// Runs that have not ended, with when they began.
    running: Mutex<HashMap<(&'static str, Key), Instant>>,
}

/// How a run ended, in the words of controller-runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// Nothing more to do now.
    Success,
    /// It failed and is tried again with backoff.
    Error,
    /// It ended unexpectedly.
    Panic,
    /// It runs again after a time.
    RequeueAfter,
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new(clock: Clock) -> Self {
        let durations: Family<ObjectLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS_SECONDS));
        let queue_time: fn() -> Histogram = || Histogram::new(exponential_buckets(1e-8, 10.0, 12));
        let mut metrics = Self {
            registry: Registry::default(),
            clock,
            durations,
            results: Family::default(),
            errors: Family::new_with_constructor(Counter::default),
            panics: Family::new_with_constructor(Counter::default),
            times: Family::new_with_constructor(|| Histogram::new(TIME_BUCKETS_SECONDS)),
            workers: Family::new_with_constructor(Gauge::default),
            workers_max: Family::new_with_constructor(Gauge::default),
            depths: Family::new_with_constructor(Gauge::default),
            adds: Family::new_with_constructor(Counter::default),
            retries: Family::new_with_constructor(Counter::default),
            waits: Family::new_with_constructor(queue_time),
            works: Family::new_with_constructor(queue_time),
            unfinished: Family::new_with_constructor(Gauge::default),
            longest: Family::new_with_constructor(Gauge::default),
            notices: Family::default(),
            requests: Family::default(),
            drops: Family::default(),
            tokens: tokens::Tokens::default(),
            running: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let all = &mut self.registry;
        let help = "The duration in seconds of a reconciliation.";
        all.register("gotk_reconcile_duration_seconds", help, self.durations.clone());
        self.tokens.register(all);
        let runtime = all.sub_registry_with_prefix("controller_runtime");
        runtime.register("reconcile", "Reconciliations", self.results.clone());
        runtime.register("reconcile_errors", "Reconciliations that failed", self.errors.clone());
        runtime.register("reconcile_panics", "Reconciliations that panicked", self.panics.clone());
        runtime.register("reconcile_time_seconds", "Time per reconciliation", self.times.clone());
        runtime.register("active_workers", "Workers that work", self.workers.clone());
        let help = "The most workers at once";
        runtime.register("max_concurrent_reconciles", help, self.workers_max.clone());
        let queue = all.sub_registry_with_prefix("workqueue");
        queue.register("depth", "Current depth of workqueue", self.depths.clone());
        queue.register("adds", "What was added to the queue", self.adds.clone());
        queue.register("retries", "What was added again after a failure", self.retries.clone());
        queue.register("queue_duration_seconds", "How long an item waits", self.waits.clone());
        queue.register("work_duration_seconds", "How long work takes", self.works.clone());
        queue.register("unfinished_work_seconds", "Age of all open work", self.unfinished.clone());
        let help = "Age of the oldest open work";
        queue.register("longest_running_processor_seconds", help, self.longest.clone());
        let help = "Push notices, by the status that answers them";
        all.register("sluice_webhook_requests", help, self.notices.clone());
        let help = "Requests to the API server, by status, host and method";
        all.register("rest_client_requests", help, self.requests.clone());
        let help = "Happenings that were not told, because too many wait to be, by where they go";
        all.register("sluice_dropped_events", help, self.drops.clone());
    }
}

/// Those of controller-runtime.
const TIME_BUCKETS_SECONDS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0,
    25.0, 30.0, 40.0, 50.0, 60.0,
];

/// Ten exponential buckets from 10 ms to 30 minutes (kustomization.md, 17), to the bit: they are
/// part of a series' name.
const BUCKETS_SECONDS: [f64; 10] = [
    0.01,
    0.038_363_583_488_692_544,
    0.147_176_453_809_388_3,
    0.564_621_617_328_616_9,
    2.166_090_855_590_701,
    8.309_900_738_254_731,
    31.879_757_075_478_317,
    122.302_172_216_434_93,
    469.194_959_467_365_44,
    1_799.999_999_999_998_6,
];

impl Metrics {
    /// How many objects of a kind are worked on at once.
    pub fn workers_max(&self, kind: &'static str, count: u16) {
        self.workers_max.get_or_create(&controller(kind)).set(count.into());
        // Series that exist from the start, as dashboards expect.
        drop(self.workers.get_or_create(&controller(kind)));
        drop(self.panics.get_or_create(&controller(kind)));
    }

    /// A run of an object begins, after having waited.
    pub fn begin(&self, kind: &'static str, key: &Key, waited: Duration) {
        self.workers.get_or_create(&controller(kind)).inc();
        self.adds.get_or_create(&queue(kind)).inc();
        self.waits.get_or_create(&queue(kind)).observe(waited.as_secs_f64());
        self.running().insert((kind, key.clone()), self.clock.instant());
    }

    /// A run of an object ends.
    pub fn end(&self, kind: &'static str, key: &Key, result: RunResult) {
        let now = self.clock.instant();
        let began = self.running().remove(&(kind, key.clone())).unwrap_or(now);
        let seconds = now.saturating_duration_since(began).as_secs_f64();
        self.durations.get_or_create(&labels(kind, key)).observe(seconds);
        self.times.get_or_create(&controller(kind)).observe(seconds);
        self.works.get_or_create(&queue(kind)).observe(seconds);
        self.workers.get_or_create(&controller(kind)).dec();
        let word = match result {
            RunResult::Success => "success",
            RunResult::Error | RunResult::Panic => "error",
            RunResult::RequeueAfter => "requeue_after",
        };
        if result == RunResult::Panic {
            self.panics.get_or_create(&controller(kind)).inc();
        }
        if word == "error" {
            self.errors.get_or_create(&controller(kind)).inc();
            self.retries.get_or_create(&queue(kind)).inc();
        }
        let ControllerLabels { controller } = controller(kind);
        self.results.get_or_create(&ResultLabels { controller, result: word.into() }).inc();
    }

    /// A push notice was answered with a status.
    pub fn noticed(&self, status: u16) {
        self.notices.get_or_create(&CodeLabels { code: status.to_string() }).inc();
    }

    /// The API server answered a request with a status, or not at all.
    pub fn requested(&self, status: Option<u16>, host: &str, method: &str) {
        let code = status.map_or_else(|| "<error>".to_owned(), |status| status.to_string());
        let labels = RequestLabels { code, host: host.into(), method: method.into() };
        self.requests.get_or_create(&labels).inc();
    }

    /// A happening was not told to a `sink`: too many wait to be.
    pub fn dropped(&self, sink: &str) {
        self.drops.get_or_create(&SinkLabels { sink: sink.into() }).inc();
    }

    fn running(&self) -> MutexGuard<'_, HashMap<(&'static str, Key), Instant>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the series of an object that is gone.
    pub fn forget(&self, kind: &str, key: &Key) {
        self.durations.remove(&labels(kind, key));
        self.tokens.forget(kind, key);
    }

    /// Records how many objects of a kind wait to run.
    pub fn depth(&self, kind: &str, depth: usize) {
        self.depths.get_or_create(&queue(kind)).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// All series in the OpenMetrics text format.
    pub fn render(&self) -> String {
        self.measure_open_work();
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

impl Metrics {
    fn measure_open_work(&self) {
        let now = self.clock.instant();
        let running = self.running();
        for kind in ["OCIRepository", "Kustomization"] {
            let open = running.iter().filter(|((of, _), _)| *of == kind);
            let ages = open.map(|(_, began)| now.saturating_duration_since(*began).as_secs_f64());
            let (sum, longest) =
                ages.fold((0.0, 0.0_f64), |(sum, max), age| (sum + age, max.max(age)));
            self.unfinished.get_or_create(&queue(kind)).set(sum);
            self.longest.get_or_create(&queue(kind)).set(longest);
        }
    }
}

fn controller(kind: &str) -> ControllerLabels {
    ControllerLabels { controller: kind.to_lowercase() }
}

fn queue(kind: &str) -> QueueLabels {
    QueueLabels { controller: kind.to_lowercase(), name: kind.to_lowercase() }
}

fn labels(kind: &str, key: &Key) -> ObjectLabels {
    ObjectLabels { kind: kind.into(), name: key.name.clone(), namespace: key.namespace.clone() }
}
