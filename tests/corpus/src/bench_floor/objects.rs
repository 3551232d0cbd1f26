//! The objects of one application.

use serde_json::{Value, json};

/// One application.
pub(super) struct App {
    pub(super) name: String,
    namespace: String,
    version: &'static str,
}

/// One object: where it is, and what it is.
pub(super) struct Made {
    /// Its path below the namespace's, with the group before it.
    pub(super) path: String,
    pub(super) body: Value,
}

impl App {
    pub(super) fn new(at: usize, namespace: &str, version: &'static str) -> Self {
        Self { name: format!("app-{at}"), namespace: namespace.to_owned(), version }
    }

    fn made(&self, root: &str, plural: &str, mut body: Value) -> Made {
        let (name, namespace) = (&self.name, &self.namespace);
        body["metadata"] = json!({"name": name, "namespace": namespace, "labels": {
            "app.kubernetes.io/name": name, "app.kubernetes.io/version": self.version,
            "kustomize.toolkit.fluxcd.io/name": name, "kustomize.toolkit.fluxcd.io/namespace": namespace,
        }});
        Made { path: format!("/{root}/namespaces/{namespace}/{plural}/{name}"), body }
    }

    /// The four objects that the application consists of.
    pub(super) fn objects(&self) -> Vec<Made> {
        let (name, labels) = (&self.name, json!({"app.kubernetes.io/name": self.name}));
        let port = |name: &str, number: u16| json!({"port": number, "targetPort": name, "protocol": "TCP", "name": name});
        let probe =
            |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5});
        let container = json!({
            "name": "app", "image": format!("registry.test/app:{}", self.version),
            "command": ["./app", "--port=9898", "--level=info"],
            "env": [{"name": "COLOR", "value": "#34577c"}],
            "ports": [{"name": "http", "containerPort": 9898}, {"name": "grpc", "containerPort": 9999}],
            "livenessProbe": probe("/healthz"), "readinessProbe": probe("/readyz"),
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
        });
        let backend = json!({"service": {"name": name, "port": {"number": 9898}}});
        let path = json!({"path": "/", "pathType": "ImplementationSpecific", "backend": backend});
        vec![
            self.made(
                "api/v1",
                "serviceaccounts",
                json!({"apiVersion": "v1", "kind": "ServiceAccount"}),
            ),
            self.made(
                "api/v1",
                "services",
                json!({"apiVersion": "v1", "kind": "Service", "spec": {
                "type": "ClusterIP", "selector": labels,
                "ports": [port("http", 9898), port("grpc", 9999)]}}),
            ),
            self.made(
                "apis/apps/v1",
                "deployments",
                json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels},
                    "spec": {"serviceAccountName": name, "containers": [container],
                        "volumes": [{"name": "data", "emptyDir": {}}]}}}}),
            ),
            self.made(
                "apis/networking.k8s.io/v1",
                "ingresses",
                json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "spec": {"ingressClassName": "nginx", "rules": [
                    {"host": format!("{name}.local"), "http": {"paths": [path]}}]}}),
            ),
        ]
    }

    /// Its source.
    pub(super) fn source(&self, registry: &str) -> Made {
        let url = format!("oci://{registry}/{}", self.name);
        self.made(
            "apis/source.toolkit.fluxcd.io/v1",
            "ocirepositories",
            json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
            // Suspended: nobody else works on it.
            "spec": {"interval": "60m", "insecure": true, "url": url, "suspend": true}}),
        )
    }

    /// Its Kustomization.
    pub(super) fn kustomization(&self) -> Made {
        let substitute = json!({"INDEX": self.name, "PODS": "0", "MCPU": "1m"});
        self.made(
            "apis/kustomize.toolkit.fluxcd.io/v1",
            "kustomizations",
            json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "spec": {"sourceRef": {"kind": "OCIRepository", "name": self.name}, "interval": "60m",
                "retryInterval": "2m", "path": "/", "prune": true, "wait": true, "timeout": "1m",
                "suspend": true, "serviceAccountName": "tenant", "targetNamespace": self.namespace,
                "postBuild": {"substitute": substitute}}}),
        )
    }

    /// A status of the size that ours have.
    pub(super) fn status(&self, step: &str) -> Value {
        let condition = |kind: &str| {
            json!({"type": kind, "status": "True", "reason": "ReconciliationSucceeded",
            "message": format!("{step} of revision latest@{}", self.version), "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        json!({"status": {"observedGeneration": 1, "conditions": [condition("Ready"), condition("Healthy")]}})
    }

    /// What tells of the four objects.
    pub(super) fn inventory(&self) -> Value {
        let entries: Vec<Value> = ["Deployment", "Ingress", "Service", "ServiceAccount"].iter()
            .map(|kind| json!({"id": format!("{}_{}__{kind}", self.namespace, self.name), "v": "v1"}))
            .collect();
        json!({"status": {"inventory": {"entries": entries}}})
    }

    /// An event of the source or of the Kustomization.
    pub(super) fn event(&self, kind: &str, nth: usize) -> Made {
        let name = format!("{}.{}.{nth}.{}", self.name, kind.to_ascii_lowercase(), self.version);
        let body = json!({"apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": self.namespace},
            "involvedObject": {"kind": kind, "name": self.name, "namespace": self.namespace},
            "type": "Normal", "reason": "Progressing", "message": format!("{} configured", self.name)});
        Made { path: format!("/api/v1/namespaces/{}/events", self.namespace), body }
    }
}
