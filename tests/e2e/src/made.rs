//! What stories are made of: artifacts, sources and Kustomizations.

use serde_json::{Value, json};

use crate::Story;

impl Story {
    /// Pushes files under a tag of the repository `app`; gives the manifest's digest.
    pub fn push(&self, tag: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
        self.registry.push_files("app", tag, &files)
    }

    /// An OCIRepository `src` of the repository `app`.
    pub fn source(&self, spec: Value) -> Value {
        let mut object = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "OCIRepository",
            "metadata": {"name": "src"},
            "spec": {"url": self.registry.url("app"), "interval": "10m", "insecure": true},
        });
        merge(&mut object["spec"], spec);
        object
    }

    /// A Kustomization of the source `src`.
    pub fn kustomization(&self, name: &str, spec: Value) -> Value {
        let mut object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name},
            "spec": {
                "interval": "10m",
                "retryInterval": "5s",
                "timeout": "30s",
                "prune": true,
                "targetNamespace": self.namespace,
                "sourceRef": {"kind": "OCIRepository", "name": "src"},
            },
        });
        merge(&mut object["spec"], spec);
        object
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}
