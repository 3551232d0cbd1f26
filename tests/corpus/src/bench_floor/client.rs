//! The client: each function makes the requests of one run, in their order.

use std::path::Path;

use futures::future::try_join_all;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::objects::{App, Made};

const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

pub(super) struct Client {
    operator: kube::Client,
    tenant: kube::Client,
    http: reqwest::Client,
    namespace: String,
    registry: String,
}

impl Client {
    pub(super) async fn open(
        kubeconfig: &Path,
        namespace: &str,
        registry: &str,
    ) -> anyhow::Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        let mut tenant = config.clone();
        tenant.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:tenant"));
        Ok(Self {
            operator: kube::Client::try_from(config)?,
            tenant: kube::Client::try_from(tenant)?,
            http: reqwest::Client::new(),
            namespace: namespace.to_owned(),
            registry: registry.to_owned(),
        })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The namespace, and an account that may do in it what an admin may.
    pub(super) async fn prepare(&self) -> anyhow::Result<()> {
        let ns = &self.namespace;
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
        self.apply(&self.operator, &format!("/api/v1/namespaces/{ns}"), &space, "").await?;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "tenant", "namespace": ns}});
        let path = format!("/api/v1/namespaces/{ns}/serviceaccounts/tenant");
        self.apply(&self.operator, &path, &account, "").await?;
        let group = "rbac.authorization.k8s.io";
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
            "metadata": {"name": "tenant", "namespace": ns},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": ns}]});
        let path = format!("/apis/{group}/v1/namespaces/{ns}/rolebindings/tenant");
        self.apply(&self.operator, &path, &binding, "").await
    }

    /// A user creates both; the source is fetched, its objects are applied.
    pub(super) async fn create(&self, app: &App) -> anyhow::Result<()> {
        let (source, kustomization) = (app.source(&self.registry), app.kustomization());
        let held = json!({"metadata": {"finalizers": ["finalizers.fluxcd.io"]}});
        for object in [&source, &kustomization] {
            self.create_one(object).await?;
        }
        self.merge(&source.path, &held).await?;
        self.fetch(app, &source).await?;
        self.merge(&kustomization.path, &held).await?;
        self.roll_out(app, &kustomization).await
    }

    /// A user asks for a run that finds nothing to do.
    pub(super) async fn run_again(&self, app: &App) -> anyhow::Result<()> {
        let kustomization = app.kustomization();
        self.ask(&kustomization).await?;
        self.report(&kustomization, &app.status("a repeated run")).await?;
        self.create_one(&app.event("Kustomization", 9)).await
    }

    /// A user asks for a new revision, in which every object differs.
    pub(super) async fn change(&self, app: &App) -> anyhow::Result<()> {
        let source = app.source(&self.registry);
        self.ask(&source).await?;
        self.fetch(app, &source).await?;
        self.roll_out(app, &app.kustomization()).await
    }

    /// A user deletes both; what was applied is deleted.
    pub(super) async fn delete(&self, app: &App) -> anyhow::Result<()> {
        let (source, kustomization) = (app.source(&self.registry), app.kustomization());
        let released = json!({"metadata": {"finalizers": null}});
        self.send(&self.operator, Method::DELETE, &kustomization.path, None).await?;
        let account = format!("/api/v1/namespaces/{}/serviceaccounts/tenant", self.namespace);
        self.send(&self.operator, Method::GET, &account, None).await?;
        let objects = app.objects();
        let deletions = objects
            .iter()
            .map(|object| self.send(&self.tenant, Method::DELETE, &object.path, None));
        try_join_all(deletions).await?;
        self.create_one(&app.event("Kustomization", 8)).await?;
        self.merge(&kustomization.path, &released).await?;
        self.send(&self.operator, Method::DELETE, &source.path, None).await?;
        self.merge(&source.path, &released).await
    }

    /// HEAD, manifest and layer; two states and an event.
    async fn fetch(&self, app: &App, source: &Made) -> anyhow::Result<()> {
        self.report(source, &app.status("a fetch")).await?;
        let path = format!("http://{}/v2/{}", self.registry, app.name);
        let manifest = format!("{path}/manifests/latest");
        let head = self.http.head(&manifest).header("accept", ACCEPT).send().await?;
        head.error_for_status()?;
        let manifest = self.http.get(&manifest).header("accept", ACCEPT).send().await?;
        let manifest: Value = serde_json::from_slice(&manifest.error_for_status()?.bytes().await?)?;
        let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default();
        let layer = self.http.get(format!("{path}/blobs/{layer}")).send().await?;
        layer.error_for_status()?.bytes().await?;
        self.report(source, &app.status("a stored artifact")).await?;
        self.create_one(&app.event("OCIRepository", 0)).await
    }

    /// Inventory, tries, applies, one read of what is awaited, the end, and three events.
    async fn roll_out(&self, app: &App, kustomization: &Made) -> anyhow::Result<()> {
        self.report(kustomization, &app.inventory()).await?;
        let objects = app.objects();
        for query in ["&dryRun=All", ""] {
            let applies = objects
                .iter()
                .map(|object| self.apply(&self.tenant, &object.path, &object.body, query));
            try_join_all(applies).await?;
        }
        let deployment = objects.iter().find(|object| object.path.contains("deployments"));
        if let Some(deployment) = deployment {
            self.send(&self.tenant, Method::GET, &deployment.path, None).await?;
        }
        self.report(kustomization, &app.status("an applied revision")).await?;
        for nth in 0..3 {
            self.create_one(&app.event("Kustomization", nth)).await?;
        }
        Ok(())
    }

    async fn ask(&self, object: &Made) -> anyhow::Result<()> {
        let asked =
            json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}});
        self.merge(&object.path, &asked).await
    }

    async fn report(&self, object: &Made, status: &Value) -> anyhow::Result<()> {
        self.merge(&format!("{}/status", object.path), status).await
    }

    async fn create_one(&self, object: &Made) -> anyhow::Result<()> {
        let name = object.body["metadata"]["name"].as_str().unwrap_or_default();
        let path = object.path.strip_suffix(&format!("/{name}")).unwrap_or(&object.path);
        let body = Some(("application/json", &object.body));
        self.send(&self.operator, Method::POST, path, body).await
    }

    async fn merge(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.send(&self.operator, Method::PATCH, path, Some((MERGE, body))).await
    }

    async fn apply(
        &self,
        client: &kube::Client,
        path: &str,
        body: &Value,
        query: &str,
    ) -> anyhow::Result<()> {
        let path = format!("{path}?fieldManager=kustomize-controller&force=true{query}");
        self.send(client, Method::PATCH, &path, Some((APPLY, body))).await
    }

    async fn send(
        &self,
        client: &kube::Client,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> anyhow::Result<()> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if let Some((content, body)) = body {
            request = request.header(http::header::CONTENT_TYPE, content);
            bytes = serde_json::to_vec(body)?;
        }
        client.request_text(request.body(bytes)?).await?;
        Ok(())
    }
}
