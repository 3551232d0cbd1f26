//! Counters of the cache of cloud tokens (ocirepository.md, 16).

use cloud::who::Object;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runtime::cache::Key;

const HIT: &str = "cache_hit";
const MISS: &str = "cache_miss";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event_type: &'static str,
    kind: String,
    name: String,
    namespace: String,
    operation: &'static str,
}

impl EventLabels {
    fn new(event_type: &'static str, kind: &str, namespace: &str, name: &str) -> Self {
        let (kind, name, namespace) = (kind.into(), name.into(), namespace.into());
        Self { event_type, kind, name, namespace, operation: "reconcile" }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

/// What the cache of cloud tokens did.
#[derive(Default)]
pub(super) struct Tokens {
    events: Family<EventLabels, Counter>,
    requests: Family<StatusLabels, Counter>,
    evictions: Counter,
    items: Gauge,
}

impl Tokens {
    pub(super) fn register(&self, all: &mut Registry) {
        let help = "Lookups of cloud tokens, by object.";
        all.register("gotk_token_cache_events", help, self.events.clone());
        let help = "Lookups of cloud tokens, by success.";
        all.register("gotk_token_cache_requests", help, self.requests.clone());
        let help = "Cloud tokens that made room for others.";
        all.register("gotk_token_cache_evictions", help, self.evictions.clone());
        all.register("gotk_token_cached_items", "Cloud tokens that are kept.", self.items.clone());
    }

    /// Drops the series of an object that is gone.
    pub(super) fn forget(&self, kind: &str, key: &Key) {
        for event in [HIT, MISS] {
            self.events.remove(&EventLabels::new(event, kind, &key.namespace, &key.name));
        }
    }
}

impl cloud::cache::Count for super::Metrics {
    fn looked_up(&self, object: &Object, found: bool) {
        let event = if found { HIT } else { MISS };
        let labels = EventLabels::new(event, object.kind, &object.namespace, &object.name);
        self.tokens.events.get_or_create(&labels).inc();
    }

    fn answered(&self, success: bool) {
        let status = if success { "success" } else { "failure" };
        self.tokens.requests.get_or_create(&StatusLabels { status }).inc();
    }

    fn evicted(&self) {
        self.tokens.evictions.inc();
    }

    fn grown(&self) {
        self.tokens.items.inc();
    }
}
