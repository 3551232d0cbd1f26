//! Events: what happened to an object, written where `kubectl describe` shows it.
//!
//! core/v1 Events of our own (decisions.md, events): the same message again raises the count of
//! the event that is there, and a token bucket for each object keeps one that fails in a loop from
//! filling the cluster. Writing happens in the background and holds no reconcile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use api::well_known::EVENT_PREFIX;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::notifier::Notifier;
use crate::runtime::clock::Clock;
use crate::runtime::lanes::Lanes;

/// Events waiting to be written; more are dropped and counted.
const QUEUE_LENGTH_MAX: usize = 10_000;
/// Writers; the events of one object stay in order.
const WRITERS: usize = 4;
/// Objects whose last events are remembered, for each writer.
const REMEMBERED_MAX: usize = 4096;
/// Events that an object may have at once, and how often it earns another.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(300);

/// How an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something went as it should.
    Info,
    /// Something went wrong.
    Error,
    /// Something that only who looks at the object wants to know: nobody is notified.
    Trace,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Happening {
    /// How it is shown.
    pub severity: Severity,
    /// Why, in one word.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// Facts for tools.
    pub metadata: BTreeMap<String, String>,
}

/// Writes events in the background.
#[derive(Clone)]
pub struct Events {
    writers: Lanes<Event>,
    notifier: Option<Notifier>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Events {
    /// Starts the writers, which end when the last `Events` is dropped. The notifier, if there is one,
    /// is told of what is written.
    pub(crate) fn start(
        client: &Client,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        notifier: Option<Notifier>,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Self {
        let (writers, ends) = Lanes::new(WRITERS, QUEUE_LENGTH_MAX / WRITERS);
        for events in ends {
            tasks.spawn(write(client.clone(), clock.clone(), events));
        }
        Self { writers, notifier, metrics: Arc::clone(metrics), clock: clock.clone() }
    }

    /// Records what happened to an object. `component` is the controller's name that tools know.
    pub fn record(&self, object: &DynamicObject, component: &str, happening: Happening) {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let is_told = happening.severity != Severity::Trace;
        let event = self.event(object, component, happening);
        let subject = &event.involved_object;
        tracing::info!(
            kind = subject.kind.as_deref(),
            namespace = subject.namespace.as_deref(),
            name = subject.name.as_deref(),
            reason = event.reason.as_deref(),
            "{}",
            event.message.as_deref().unwrap_or_default().replace('\n', "; "),
        );
        if let Some(notifier) = self.notifier.as_ref().filter(|_| is_told) {
            notifier.tell(&event);
        }
        if !self.writers.put(&uid, event) {
            self.metrics.dropped("event");
            tracing::warn!(object = %object.name_any(), "event dropped: too many wait to be written");
        }
    }

    fn event(&self, object: &DynamicObject, component: &str, happening: Happening) -> Event {
        let now = self.clock.now();
        let types = object.types.clone().unwrap_or_default();
        let namespace = object.metadata.namespace.clone();
        let mut annotations = happening.metadata;
        for (key, value) in object.annotations() {
            if key.starts_with(EVENT_PREFIX) {
                annotations.insert(key.clone(), value.clone());
            }
        }
        let severity = match happening.severity {
            Severity::Info | Severity::Trace => "Normal",
            Severity::Error => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", object.name_any(), now.as_nanosecond())),
                namespace: namespace.clone(),
                annotations: (!annotations.is_empty()).then_some(annotations),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(types.api_version),
                kind: Some(types.kind),
                name: object.metadata.name.clone(),
                namespace,
                resource_version: object.metadata.resource_version.clone(),
                uid: object.metadata.uid.clone(),
                field_path: None,
            },
            reason: Some(happening.reason),
            message: Some(happening.message),
            type_: Some(severity.into()),
            count: Some(1),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            source: Some(EventSource { component: Some(component.into()), host: None }),
            reporting_component: Some(component.into()),
            ..Event::default()
        }
    }
}

/// What is remembered of one object's events.
struct Memory {
    tokens: u32,
    refilled: Instant,
    /// By type, reason and message: the event's name and count.
    written: HashMap<(String, String, String), (String, i32)>,
}

async fn write(client: Client, clock: Clock, mut events: mpsc::Receiver<Event>) {
    let mut remembered: HashMap<String, Memory> = HashMap::new();
    while let Some(event) = events.recv().await {
        if remembered.len() > REMEMBERED_MAX {
            remembered.clear();
        }
        let uid = event.involved_object.uid.clone().unwrap_or_default();
        let now = clock.instant();
        let memory = remembered.entry(uid).or_insert_with(|| Memory {
            tokens: BURST,
            refilled: now,
            written: HashMap::new(),
        });
        if memory.spend(now)
            && let Err(error) = memory.write(&client, event).await
        {
            tracing::warn!(%error, "an event could not be written");
        }
    }
}

impl Memory {
    /// Takes a token, if there is one.
    fn spend(&mut self, now: Instant) -> bool {
        let earned = now.duration_since(self.refilled).as_secs() / REFILL.as_secs();
        if earned > 0 {
            self.tokens =
                self.tokens.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            self.refilled = now;
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }

    async fn write(&mut self, client: &Client, event: Event) -> kube::Result<()> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = (text(&event.type_), text(&event.reason), text(&event.message));
        let namespace = text(&event.metadata.namespace);
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        if let Some((name, count)) = self.written.get_mut(&key) {
            *count += 1;
            let patch = json!({"count": *count, "lastTimestamp": event.last_timestamp});
            match api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Err(kube::Error::Api(answer)) if answer.code == 404 => {}
                other => return other.map(drop),
            }
        }
        if self.written.len() > REMEMBERED_MAX {
            self.written.clear();
        }
        self.written.insert(key, (text(&event.metadata.name), 1));
        api.create(&PostParams::default(), &event).await.map(drop)
    }
}
