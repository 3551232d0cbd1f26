//! Metrics, under the names that dashboards of Flux and controller-runtime know.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::runtime::cache::Key;

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
    name: String,
}

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    durations: Family<ObjectLabels, Histogram>,
    results: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    depths: Family<QueueLabels, Gauge>,
}

/// How a run ended, in the words of controller-runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// Nothing more to do now.
    Success,
    /// It failed and is tried again with backoff.
    Error,
    /// It runs again after a time.
    RequeueAfter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let durations: Family<ObjectLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS_SECONDS));
        let results = Family::default();
        let errors = Family::default();
        let depths = Family::default();
        let help = "The duration in seconds of a reconciliation.";
        registry.register("gotk_reconcile_duration_seconds", help, Family::clone(&durations));
        let help = "Total number of reconciliations per controller.";
        registry.register("controller_runtime_reconcile", help, Family::clone(&results));
        let help = "Total number of reconciliation errors per controller.";
        registry.register("controller_runtime_reconcile_errors", help, Family::clone(&errors));
        let help = "Current depth of workqueue.";
        registry.register("workqueue_depth", help, Family::clone(&depths));
        Self { registry, durations, results, errors, depths }
    }
}

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
    /// Records a run of an object.
    pub fn observe(&self, kind: &str, key: &Key, seconds: f64, result: RunResult) {
        self.durations.get_or_create(&labels(kind, key)).observe(seconds);
        let controller = kind.to_lowercase();
        let word = match result {
            RunResult::Success => "success",
            RunResult::Error => "error",
            RunResult::RequeueAfter => "requeue_after",
        };
        if result == RunResult::Error {
            self.errors.get_or_create(&ControllerLabels { controller: controller.clone() }).inc();
        }
        self.results.get_or_create(&ResultLabels { controller, result: word.into() }).inc();
    }

    /// Drops the series of an object that is gone.
    pub fn forget(&self, kind: &str, key: &Key) {
        self.durations.remove(&labels(kind, key));
    }

    /// Records how many objects of a kind wait to run.
    pub fn depth(&self, kind: &str, depth: usize) {
        let labels = QueueLabels { name: kind.to_lowercase() };
        self.depths.get_or_create(&labels).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// All series in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

fn labels(kind: &str, key: &Key) -> ObjectLabels {
    ObjectLabels { kind: kind.into(), name: key.name.clone(), namespace: key.namespace.clone() }
}
