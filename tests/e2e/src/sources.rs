//! OCIRepositories of a story, and what is stored of them.

use std::collections::BTreeMap;

use futures::{StreamExt as _, pin_mut};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::watcher::{Config, Event, watcher};
use serde_json::{Map, Value, json};

use crate::{Story, condition};

impl Story {
    /// Applies an OCIRepository `name` of the repository `app`.
    pub async fn follow(&self, name: &str, spec: Value) {
        let mut source = self.source(spec);
        source["metadata"]["name"] = name.into();
        self.apply(&source).await;
    }

    /// Applies an OCIRepository `name` of the tag of that name, and waits until it is Ready.
    pub async fn stored(&self, name: &str, spec: Value) -> Value {
        let mut spec = spec;
        spec["ref"] = json!({"tag": name});
        self.follow(name, spec).await;
        self.wait_ready("OCIRepository", name).await
    }

    /// What Ready of an OCIRepository says once it is False for `reason`; it is tried again, so it
    /// is not Stalled.
    pub async fn failure(&self, name: &str, reason: &str) -> String {
        let source = self.wait_failed("OCIRepository", name, reason).await;
        assert_eq!(condition(&source, "Stalled"), Value::Null, "{name}");
        assert_eq!(condition(&source, "FetchFailed")["reason"], reason, "{name}");
        assert_eq!(condition(&source, "Reconciling")["reason"], "ProgressingWithRetry", "{name}");
        condition(&source, "Ready")["message"].as_str().unwrap().to_owned()
    }

    /// The files of an OCIRepository's artifact, as it is served.
    pub async fn files(&self, source: &Value) -> BTreeMap<String, Vec<u8>> {
        let url = source["status"]["artifact"]["url"].as_str().unwrap();
        let (status, body) = self.http("GET", url).await;
        assert_eq!(status, 200);
        let limits = artifact::Limits::default();
        let tree = artifact::Tree::unpack(body.as_slice(), &limits, self.storage()).unwrap();
        tree.entries().unwrap()
    }

    /// Every event of the objects of a kind: name, type, reason, message.
    pub async fn happenings(&self, kind: &str) -> Vec<(String, String, String, String)> {
        let list = self.api("Event", &self.namespace).list(&ListParams::default()).await.unwrap();
        let events = list.items.iter().map(|event| &event.data);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        events
            .filter(|event| event["involvedObject"]["kind"] == kind)
            .map(|event| {
                let name = text(&event["involvedObject"]["name"]);
                (name, text(&event["type"]), text(&event["reason"]), text(&event["message"]))
            })
            .collect()
    }

    /// Resource version of every object of a kind.
    pub async fn states(&self, kind: &str) -> Vec<Option<String>> {
        let list = self.api(kind, &self.namespace).list(&ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| object.metadata.resource_version).collect()
    }

    /// How often each object has run, by the operator's own count.
    pub async fn runs(&self) -> BTreeMap<String, u64> {
        let url = format!("http://{}/metrics", self.operator().addresses.metrics);
        let (_, body) = self.http("GET", &url).await;
        let body = String::from_utf8(body).unwrap();
        let lines = body.lines().filter(|l| l.starts_with("gotk_reconcile_duration_seconds_count"));
        lines
            .map(|line| {
                let name = line.split_once("name=\"").unwrap().1.split_once('"').unwrap().0;
                (name.to_owned(), line.rsplit_once(' ').unwrap().1.parse().unwrap())
            })
            .collect()
    }

    /// One HTTP request, as any program makes it: status and body.
    pub async fn http(&self, method: &str, url: &str) -> (u16, Vec<u8>) {
        let client = reqwest::Client::new();
        let method = method.parse().unwrap();
        let answer = client.request(method, url).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    /// One HTTP request with headers: status, and the headers of the answer in lower case.
    pub async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &Map<String, Value>,
    ) -> (u16, BTreeMap<String, String>) {
        let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        let answer = request.send().await.unwrap();
        let named =
            |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
        (answer.status().as_u16(), answer.headers().iter().map(named).collect())
    }

    /// Applies an object of one of our kinds, and gives every state of it that a watch tells of, up
    /// to the first that `ends`.
    pub async fn told(&self, object: &Value, ends: impl Fn(&Value) -> bool) -> Vec<Value> {
        let api = self.api(object["kind"].as_str().unwrap(), &self.namespace);
        let events = watcher(api, Config::default());
        pin_mut!(events);
        while !matches!(events.next().await, Some(Ok(Event::InitDone))) {}
        self.apply(object).await;
        let mut states = Vec::new();
        while !states.last().is_some_and(&ends) {
            let Some(Ok(Event::Apply(state))) = events.next().await else { continue };
            if state.metadata.name.as_deref() == object["metadata"]["name"].as_str() {
                states.push(serde_json::to_value(state).unwrap());
            }
        }
        states
    }

    /// Changes the status of an object by a merge patch, as somebody else.
    pub async fn patch_status(&self, kind: &str, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        let api = self.api(kind, &self.namespace);
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Asks an OCIRepository to reconcile, and waits until it has.
    pub async fn handled(&self, name: &str, token: &str) -> Value {
        self.request("OCIRepository", name, token).await;
        self.wait("OCIRepository", name, "handled", |s| {
            s["status"]["lastHandledReconcileAt"] == token
        })
        .await
    }
}
