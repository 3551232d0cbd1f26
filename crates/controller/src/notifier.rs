//! What happens is told to a notification controller, if there is one (kustomization.md, 15).
//!
//! Telling happens in the background: a receiver that is slow or gone holds no reconcile (W10).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::runtime::clock::{Clock, rfc3339};
use crate::runtime::lanes::Lanes;

/// What waits to be told; more is dropped and counted.
const QUEUE_LENGTH_MAX: usize = 4_000;
/// Happenings that are told at once; those of one object stay in order.
const LANES: usize = 4;
/// How long the receiver may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// How often it is tried again, and how long after the first failure; twice as long after each more.
const RETRIES_MAX: u32 = 4;
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Where the receiver is, and how it is reached.
#[derive(Clone)]
pub(crate) struct Receiver {
    /// Everything is posted there.
    pub(crate) address: reqwest::Url,
    /// The client that posts.
    pub(crate) client: reqwest::Client,
    /// Who says that he tells: the host's name.
    pub(crate) instance: String,
}

/// Tells a receiver what happens.
#[derive(Clone)]
pub(crate) struct Notifier {
    lanes: Lanes<Value>,
    instance: Arc<str>,
    metrics: Arc<Metrics>,
}

impl Notifier {
    /// Starts to tell. What is on its way when `stop` is cancelled is tried once more.
    pub(crate) fn start(
        receiver: &Receiver,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (lanes, ends) = Lanes::new(LANES, QUEUE_LENGTH_MAX / LANES);
        for waiting in ends {
            let telling =
                Telling { receiver: receiver.clone(), clock: clock.clone(), stop: stop.clone() };
            tasks.spawn(telling.tell_all(waiting));
        }
        Self { lanes, instance: receiver.instance.as_str().into(), metrics: Arc::clone(metrics) }
    }

    /// Tells of an event, as soon as those before it are told.
    pub(crate) fn tell(&self, event: &Event) {
        let uid = event.involved_object.uid.as_deref().unwrap_or_default();
        if !self.lanes.put(uid, body(event, &self.instance)) {
            self.metrics.dropped("notification");
        }
    }
}

/// The body that receivers know.
fn body(event: &Event, instance: &str) -> Value {
    let subject = &event.involved_object;
    let severity = if event.type_.as_deref() == Some("Warning") { "error" } else { "info" };
    let mut body = json!({
        "involvedObject": {
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
            "apiVersion": subject.api_version,
            "resourceVersion": subject.resource_version,
        },
        "severity": severity,
        "timestamp": event.last_timestamp.as_ref().map(|time| rfc3339(time.0)),
        "message": event.message,
        "reason": event.reason,
        "reportingController": event.reporting_component,
        "reportingInstance": instance,
    });
    if let Some(metadata) = &event.metadata.annotations {
        body["metadata"] = json!(metadata);
    }
    body
}

struct Telling {
    receiver: Receiver,
    clock: Clock,
    stop: CancellationToken,
}

/// Why a receiver has not taken something.
enum Untold {
    /// It may next time.
    Now(String),
    /// It never will.
    Ever(String),
}

impl Telling {
    async fn tell_all(self, mut waiting: mpsc::Receiver<Value>) {
        while let Some(body) = waiting.recv().await {
            let Err(error) = self.tell(&body).await else { continue };
            tracing::warn!(error, "a notification was not taken");
            if self.stop.is_cancelled() {
                return;
            }
        }
    }

    async fn tell(&self, body: &Value) -> Result<(), String> {
        let mut delay = RETRY_DELAY;
        for _ in 0..RETRIES_MAX {
            match self.post(body).await {
                Ok(()) => return Ok(()),
                Err(Untold::Ever(error)) => return Err(error),
                Err(Untold::Now(error)) if self.stop.is_cancelled() => return Err(error),
                Err(Untold::Now(_)) => tokio::select! {
                    () = self.clock.sleep(delay) => {}
                    () = self.stop.cancelled() => {}
                },
            }
            delay *= 2;
        }
        self.post(body).await.map_err(|(Untold::Now(error) | Untold::Ever(error))| error)
    }

    async fn post(&self, body: &Value) -> Result<(), Untold> {
        let request = self.receiver.client.post(self.receiver.address.clone()).json(body);
        let Some(answer) = self.clock.timeout(ANSWER_TIME_MAX, request.send()).await else {
            return Err(Untold::Now(format!("no answer within {ANSWER_TIME_MAX:?}")));
        };
        // The address may hold a secret.
        let answer =
            answer.map_err(|error| Untold::Now(artifact::text::explain(&error.without_url())))?;
        match answer.status().as_u16() {
            // It has heard that already.
            429 => Ok(()),
            501 => Err(Untold::Ever("it answers 501".into())),
            status @ 500.. => Err(Untold::Now(format!("it answers {status}"))),
            status @ 400.. => Err(Untold::Ever(format!("it answers {status}"))),
            _ => Ok(()),
        }
    }
}
