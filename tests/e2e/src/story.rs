//! One story.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Parser as _;
use controller::{Args, Clock, Operator, Surroundings};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use kube::{Api, Client};
use registry::Registry;
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::patience::DEADLINE;
use crate::recorder::Recorder;
use crate::{World, canary};

/// A namespace, a registry and an operator that sees only this namespace.
pub struct Story {
    /// Everything of the story lives here.
    pub namespace: String,
    /// The admin's client.
    pub client: Client,
    /// The registry that it pulls from.
    pub registry: Registry,
    /// The operator's time.
    pub clock: Clock,
    storage: tempfile::TempDir,
    flags: Vec<String>,
    surroundings: Surroundings,
    gate: Option<Gate>,
    operator: Option<Operator>,
}

/// The one place where every story ends: no operator has shown a secret.
impl Drop for Story {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let metrics = self.operator.as_ref().map(|operator| operator.addresses.metrics);
            let shown = canary::shown(&self.namespace, metrics);
            assert!(shown.is_empty(), "secrets were shown: {shown:#?}");
        }
    }
}

impl Story {
    /// Begins a story; its name is part of the namespace's.
    pub async fn begin(name: &str) -> Self {
        Self::begin_with(name, &[]).await
    }

    /// Begins a story whose operator has these flags besides the usual ones.
    pub async fn begin_with(name: &str, flags: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        canary::listen();
        let world = tokio::task::spawn_blocking(World::shared).await.unwrap();
        let namespace = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = Client::try_from(world.admin().await).unwrap();
        let mut story = Self {
            namespace: namespace.clone(),
            client,
            registry: Registry::start().await,
            clock: Clock::default(),
            storage: tempfile::tempdir().unwrap(),
            flags: flags.iter().map(ToString::to_string).collect(),
            surroundings: Surroundings::default(),
            gate: None,
            operator: None,
        };
        story
            .apply(
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            )
            .await;
        story.start_operator().await;
        story
    }

    /// What the operator is started with.
    pub(crate) fn operator_flags(&self) -> Vec<String> {
        let mut flags = vec![
            "sluice-controller".to_owned(),
            "--watch-all-namespaces=false".into(),
            format!("--runtime-namespace={}", self.namespace),
            format!("--storage-path={}", self.storage.path().display()),
            "--storage-addr=127.0.0.1:0".into(),
            "--metrics-addr=127.0.0.1:0".into(),
            "--health-addr=127.0.0.1:0".into(),
            "--interval-jitter-percentage=0".into(),
        ];
        // What a story says itself counts.
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        flags.retain(|usual| !self.flags.iter().any(|own| name(own) == name(usual)));
        flags.extend(self.flags.iter().cloned());
        flags
    }

    /// Starts the operator, on the storage that a former one left.
    pub async fn start_operator(&mut self) {
        let args = Args::try_parse_from(self.operator_flags()).unwrap();
        let config = match &self.gate {
            Some(gate) => kube::Config::new(format!("http://{}", gate.host).parse().unwrap()),
            None => World::shared().operator().await,
        };
        let (clock, surroundings) = (self.clock.clone(), self.surroundings.clone());
        let operator = controller::start(args, config, clock, surroundings).await.unwrap();
        self.operator = Some(operator);
    }

    /// Flags that the next operator has besides the usual ones.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(ToString::to_string).collect();
    }

    /// What the next operator finds around it.
    pub fn set_surroundings(&mut self, surroundings: Surroundings) {
        self.surroundings = surroundings;
    }

    /// Begins a story whose operator is overheard on its way to the API server.
    pub async fn overheard(name: &str, flags: &[&str]) -> (Self, Recorder) {
        let mut story = Self::begin_with(name, flags).await;
        story.stop_operator().await;
        let recorder = Recorder::default();
        story.gate = Some(recorder.cluster().await);
        story.start_operator().await;
        (story, recorder)
    }

    /// Ends the operator as a kill does: at once, wherever it is.
    pub fn kill_operator(&mut self) {
        self.operator = None;
    }

    /// Ends the operator as a signal does: open work may end.
    pub async fn stop_operator(&mut self) {
        self.operator.take().unwrap().stop().await.unwrap();
    }

    /// The running operator.
    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().unwrap()
    }

    /// Folder of the stored artifacts.
    pub fn storage(&self) -> &std::path::Path {
        self.storage.path()
    }

    pub(crate) fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = resource(kind);
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }

    fn home_of<'a>(&'a self, object: &'a Value) -> &'a str {
        match object["kind"].as_str().unwrap() {
            "Namespace"
            | "CustomResourceDefinition"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding" => "",
            _ => object["metadata"]["namespace"].as_str().unwrap_or(&self.namespace),
        }
    }

    /// Applies an object as a user does; it lands in the story's namespace unless it names one.
    pub async fn apply(&self, object: &Value) {
        self.apply_as("flux-client-side-apply", object).await;
    }

    /// Applies an object under the name of a field manager.
    pub async fn apply_as(&self, manager: &str, object: &Value) {
        let kind = format!(
            "{}/{}",
            object["apiVersion"].as_str().unwrap(),
            object["kind"].as_str().unwrap()
        );
        let kind = kind.strip_prefix("v1/").unwrap_or(&kind);
        let api = self.api(kind, self.home_of(object));
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply(manager).force();
        api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
    }

    /// Applies an object that lives in no namespace.
    pub async fn apply_cluster_wide(&self, object: &Value) {
        let part = |key: &str| object[key].as_str().unwrap();
        let api = self.api(&format!("{}/{}", part("apiVersion"), part("kind")), "");
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply("e2e").force();
        api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
    }

    /// Applies an object that the API server must refuse, and gives its words.
    pub async fn refused(&self, object: &Value) -> String {
        let api_version = object["apiVersion"].as_str().unwrap();
        let kind = format!("{api_version}/{}", object["kind"].as_str().unwrap());
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply("e2e").force();
        let result =
            self.api(&kind, &self.namespace).patch(name, &params, &Patch::Apply(object)).await;
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    /// What the API server makes of an object that `manager` would apply; nothing is written.
    pub async fn try_apply(&self, manager: &str, object: &Value) -> kube::Result<Value> {
        let part = |key: &str| object[key].as_str().unwrap();
        let api = self.api(&format!("{}/{}", part("apiVersion"), part("kind")), &self.namespace);
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply(manager).dry_run();
        let made = api.patch(name, &params, &Patch::Apply(object)).await?;
        Ok(serde_json::to_value(made).unwrap())
    }

    /// Changes an object by a merge patch, as `manager`.
    pub async fn patch_as(&self, manager: &str, kind: &str, name: &str, patch: Value) {
        let api = self.api(kind, &self.namespace);
        let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        api.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Changes an object's status, as `manager`.
    pub async fn patch_status_as(&self, manager: &str, kind: &str, name: &str, status: Value) {
        let api = self.api(kind, &self.namespace);
        let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &params, &patch).await.unwrap();
    }

    /// Changes an object by a merge patch.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        self.patch_as("e2e", kind, name, patch).await;
    }

    /// Asks an object to reconcile now.
    pub async fn request(&self, kind: &str, name: &str, token: &str) {
        let annotations = json!({"reconcile.fluxcd.io/requestedAt": token});
        self.patch(kind, name, json!({"metadata": {"annotations": annotations}})).await;
    }

    /// Deletes an object.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind, &self.namespace).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// An object, if it is there.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let object = self.api(kind, &self.namespace).get_opt(name).await.unwrap()?;
        Some(serde_json::to_value(object).unwrap())
    }

    /// Names of the objects of a kind that a label selects.
    pub async fn names(&self, kind: &str, label: &str) -> Vec<String> {
        let params = ListParams::default().labels(label);
        let list = self.api(kind, &self.namespace).list(&params).await.unwrap();
        list.items.into_iter().filter_map(|object| object.metadata.name).collect()
    }

    /// Polls until `holds` of an object, which it gives; the story ends with its last state when
    /// that takes too long.
    pub async fn wait(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let began = std::time::Instant::now();
        loop {
            let object = self.get(kind, name).await.unwrap_or(Value::Null);
            if holds(&object) {
                return object;
            }
            if began.elapsed() > DEADLINE {
                let events = self.events(name).await;
                panic!("{kind} {name} never became {what}: {object:#}\nevents: {events:#?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an object is Ready at its current generation.
    pub async fn wait_ready(&self, kind: &str, name: &str) -> Value {
        self.wait(kind, name, "Ready", is_ready).await
    }

    /// Waits until Ready of an object is False for a reason.
    pub async fn wait_failed(&self, kind: &str, name: &str, reason: &str) -> Value {
        self.wait(kind, name, reason, |object| {
            let ready = condition(object, "Ready");
            ready["status"] == "False" && ready["reason"] == reason
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn wait_gone(&self, kind: &str, name: &str) {
        self.wait(kind, name, "gone", Value::is_null).await;
    }

    /// The events of an object as `Type Reason Message`, oldest first.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let list = self.api("Event", &self.namespace).list(&ListParams::default()).await.unwrap();
        let mut events: Vec<_> = list
            .items
            .into_iter()
            .filter(|event| event.data["involvedObject"]["name"] == name)
            .collect();
        events.sort_by_key(|event| event.metadata.name.clone());
        let text = |event: &DynamicObject, key: &str| {
            event.data[key].as_str().unwrap_or_default().to_owned()
        };
        events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {}",
                    text(event, "type"),
                    text(event, "reason"),
                    text(event, "message")
                )
            })
            .collect()
    }

    /// The annotations of the event of an object that contains a text.
    pub async fn event_annotations(&self, name: &str, text: &str) -> Value {
        let list = self.api("Event", &self.namespace).list(&ListParams::default()).await.unwrap();
        let event = list.items.into_iter().find(|event| {
            event.data["involvedObject"]["name"] == name
                && event.data["message"].as_str().is_some_and(|message| message.contains(text))
        });
        serde_json::to_value(event.unwrap().metadata.annotations).unwrap()
    }

    /// Waits until an event of an object contains a text, and gives it.
    pub async fn wait_event(&self, name: &str, text: &str) -> String {
        let began = std::time::Instant::now();
        loop {
            let events = self.events(name).await;
            if let Some(event) = events.iter().find(|event| event.contains(text)) {
                return event.clone();
            }
            assert!(began.elapsed() < DEADLINE, "no event of {name} with {text:?}: {events:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How the API server names a kind: by the kind alone, or as `version/kind` or `group/version/kind`.
pub(crate) fn resource(kind: &str) -> ApiResource {
    let (api_version, kind) = match kind {
        "OCIRepository" => ("source.toolkit.fluxcd.io/v1", kind),
        "Kustomization" => ("kustomize.toolkit.fluxcd.io/v1", kind),
        "Deployment" | "StatefulSet" | "DaemonSet" => ("apps/v1", kind),
        "Job" => ("batch/v1", kind),
        _ => kind.rsplit_once('/').unwrap_or(("v1", kind)),
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// Says something to the person who reads the log of the tests.
#[expect(clippy::print_stderr, reason = "that is what it is for")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Whether an object is Ready at its current generation.
pub fn is_ready(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && condition(object, "Ready")["status"] == "True"
}

/// A condition of an object; null when it has none of that type.
pub fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|c| c["type"] == kind).cloned().unwrap_or(Value::Null)
}

/// The ids of an object's inventory.
pub fn inventory(object: &Value) -> Vec<String> {
    let entries = object["status"]["inventory"]["entries"].as_array();
    entries.into_iter().flatten().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}
