//! OCIRepositories of a story, and what is stored of them.

use std::collections::BTreeMap;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

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
