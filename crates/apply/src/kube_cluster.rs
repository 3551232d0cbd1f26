//! A real cluster, through its API server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request};
use kube::Client;
use manifest::{Gvk, Object, ObjectId, Value};
use plan::health::Pods;

use crate::cluster::{Cluster, Deleted, Only};
use crate::error::Refusal;
use crate::pods::list;

/// How the API server names a kind.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
}

type Kinds = Arc<HashMap<String, Resource>>;

/// A cluster seen with one identity. Its kinds are asked for once a group and version.
pub struct KubeCluster {
    client: Client,
    kinds: Mutex<HashMap<String, Kinds>>,
    /// Held while kinds are asked for: who comes meanwhile takes what is found.
    asking: tokio::sync::Mutex<()>,
}

impl KubeCluster {
    /// A cluster behind a client.
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The client that requests go through.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// How the API server names a kind; asked again when the kind is not among those known.
    pub(crate) async fn resource(&self, gvk: &Gvk) -> Result<Resource, Refusal> {
        let api_version = gvk.api_version();
        let before = self.kinds().get(&api_version).cloned();
        if let Some(resource) = before.as_ref().and_then(|kinds| kinds.get(&gvk.kind).cloned()) {
            return Ok(resource);
        }
        let no_match =
            || Refusal::NoMatch { kind: gvk.kind.clone(), api_version: gvk.api_version() };
        segment(&gvk.version)?;
        let _asking = self.asking.lock().await;
        let now = self.kinds().get(&api_version).cloned();
        let is_new = |kinds: &Kinds| !before.is_some_and(|before| Arc::ptr_eq(&before, kinds));
        if let Some(kinds) = now.filter(is_new) {
            return kinds.get(&gvk.kind).cloned().ok_or_else(no_match);
        }
        let listed = if gvk.group.is_empty() {
            self.client.list_core_api_resources(&gvk.version).await
        } else {
            segment(&gvk.group)?;
            self.client.list_api_group_resources(&api_version).await
        };
        let listed = listed
            .map_err(Refusal::from)
            .map_err(|refusal| if refusal.is_code(404) { no_match() } else { refusal })?;
        let kinds: HashMap<String, Resource> = listed
            .resources
            .into_iter()
            .filter(|resource| !resource.name.contains('/'))
            .map(|r| (r.kind, Resource { plural: r.name, namespaced: r.namespaced }))
            .collect();
        let found = kinds.get(&gvk.kind).cloned();
        self.kinds().insert(api_version, Arc::new(kinds));
        found.ok_or_else(no_match)
    }

    fn kinds(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kinds>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version in which the cluster serves a kind: the wanted one, else any other of its group;
    /// `None` when the kind is gone, and with it all its objects.
    async fn served(
        &self,
        id: &ObjectId,
        wanted: &str,
    ) -> Result<Option<(Gvk, Resource)>, Refusal> {
        let in_version = |version: &str| Gvk {
            group: id.group.clone(),
            version: version.to_owned(),
            kind: id.kind.clone(),
        };
        let gvk = in_version(wanted);
        match self.resource(&gvk).await {
            Ok(resource) => return Ok(Some((gvk, resource))),
            Err(Refusal::NoMatch { .. }) if id.group.is_empty() => return Ok(None),
            Err(Refusal::NoMatch { .. }) => {}
            Err(refusal) => return Err(refusal),
        }
        let group: Value = match self.send(Method::GET, &format!("/apis/{}", id.group), None).await
        {
            Ok(group) => group,
            Err(refusal) if refusal.is_code(404) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let versions = group.get("versions").and_then(Value::as_list).unwrap_or_default();
        for version in versions.iter().filter_map(|version| version.get("version")?.as_str()) {
            let gvk = in_version(version);
            match self.resource(&gvk).await {
                Ok(resource) => return Ok(Some((gvk, resource))),
                Err(Refusal::NoMatch { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(None)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Value, Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if let Some((content_type, content)) = body {
            request = request.header(http::header::CONTENT_TYPE, content_type);
            bytes = content;
        }
        let request = request.body(bytes).map_err(|error| Refusal::Transport(error.to_string()))?;
        Ok(self.client.request(request).await?)
    }

    async fn write(&self, object: &Object, query: &str) -> Result<Object, Refusal> {
        let gvk = object.gvk();
        let resource = self.resource(&gvk).await?;
        let path = path(&gvk, &resource, object.namespace(), object.name())?;
        let manager = plan::ownership::APPLY_MANAGER;
        let uri = format!("{path}?fieldManager={manager}&force=true{query}");
        let body = serde_json::to_vec(object).map_err(malformed)?;
        let answer =
            self.send(Method::PATCH, &uri, Some(("application/apply-patch+yaml", body))).await?;
        Object::new(answer).map_err(malformed)
    }
}

impl Cluster for KubeCluster {
    async fn read(&self, id: &ObjectId, version: &str) -> Result<Option<Object>, Refusal> {
        let Some((gvk, resource)) = self.served(id, version).await? else { return Ok(None) };
        // An id with a namespace is no object of a kind that has none.
        if !resource.namespaced && !id.namespace.is_empty() {
            return Ok(None);
        }
        if resource.namespaced && id.namespace.is_empty() {
            return Err(Refusal::NoNamespace);
        }
        match self.send(Method::GET, &path(&gvk, &resource, &id.namespace, &id.name)?, None).await {
            Ok(answer) => Object::new(answer).map(Some).map_err(malformed),
            Err(refusal) if refusal.is_code(404) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn pods(&self, pods: &Pods) -> Result<Vec<Object>, Refusal> {
        list(self, pods).await
    }

    async fn place(&self, mut object: Object) -> Result<Object, Refusal> {
        let resource = self.resource(&object.gvk()).await?;
        if !resource.namespaced {
            object.metadata_mut().shift_remove("namespace");
        } else if object.namespace().is_empty() {
            return Err(Refusal::NoNamespace);
        }
        Ok(object)
    }

    async fn serves(&self, definition: &Object) -> bool {
        if definition.kind() != "CustomResourceDefinition" {
            return true;
        }
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let versions = definition.at(&["spec", "versions"]).and_then(Value::as_list);
        for version in versions.unwrap_or_default() {
            let gvk = Gvk {
                group: text(definition.at(&["spec", "group"])),
                version: text(version.get("name")),
                kind: text(definition.at(&["spec", "names", "kind"])),
            };
            let served = version.get("served").and_then(Value::as_bool) == Some(true);
            if served && self.resource(&gvk).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn dry_run(&self, object: &Object) -> Result<Object, Refusal> {
        self.write(object, "&dryRun=All").await
    }

    async fn try_create(&self, object: &Object) -> Result<(), Refusal> {
        let gvk = object.gvk();
        let resource = self.resource(&gvk).await?;
        let path = collection(&gvk, &resource, object.namespace())?;
        let uri = format!("{path}?fieldManager={}&dryRun=All", plan::ownership::APPLY_MANAGER);
        let body = serde_json::to_vec(object).map_err(malformed)?;
        self.send(Method::POST, &uri, Some(("application/json", body))).await?;
        Ok(())
    }

    async fn apply(&self, object: &Object) -> Result<Object, Refusal> {
        self.write(object, "").await
    }

    async fn patch(&self, object: &Object, operations: &Value) -> Result<(), Refusal> {
        let gvk = object.gvk();
        let resource = self.resource(&gvk).await?;
        let path = path(&gvk, &resource, object.namespace(), object.name())?;
        let uri = format!("{path}?fieldManager={}", plan::ownership::APPLY_MANAGER);
        let body = serde_json::to_vec(operations).map_err(malformed)?;
        self.send(Method::PATCH, &uri, Some(("application/json-patch+json", body))).await?;
        Ok(())
    }

    async fn delete(
        &self,
        id: &ObjectId,
        version: &str,
        only: Only<'_>,
    ) -> Result<Deleted, Refusal> {
        let Some((gvk, resource)) = self.served(id, version).await? else {
            return Ok(Deleted::Gone);
        };
        let path = path(&gvk, &resource, &id.namespace, &id.name)?;
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": only.uid, "resourceVersion": only.version},
        });
        let body = serde_json::to_vec(&options).map_err(malformed)?;
        let answer = match self.send(Method::DELETE, &path, Some(("application/json", body))).await
        {
            Err(refusal) if refusal.is_code(404) => return Ok(Deleted::Gone),
            other => other?,
        };
        let waits = answer.at(&["metadata", "deletionTimestamp"]).is_some();
        Ok(if waits { Deleted::Terminating } else { Deleted::Gone })
    }
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal::Transport(format!("malformed answer or object: {error}"))
}

/// The address of an object.
fn path(gvk: &Gvk, resource: &Resource, namespace: &str, name: &str) -> Result<String, Refusal> {
    Ok(format!("{}/{}", collection(gvk, resource, namespace)?, segment(name)?))
}

/// The address of the objects of a kind. Every part is checked and escaped: manifests choose them.
fn collection(gvk: &Gvk, resource: &Resource, namespace: &str) -> Result<String, Refusal> {
    let version = segment(&gvk.version)?;
    let root = if gvk.group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{}/{version}", segment(&gvk.group)?)
    };
    let plural = &resource.plural;
    Ok(if resource.namespaced {
        format!("{root}/namespaces/{}/{plural}", segment(namespace)?)
    } else {
        format!("{root}/{plural}")
    })
}

/// One segment of an address, escaped; refused where it would change the address itself.
pub(crate) fn segment(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text == "." || text == ".." || text.contains(['/', '%']) {
        return Err(Refusal::Name(text.to_owned()));
    }
    Ok(escape(text))
}

/// A text as a part of an address holds it.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(["%", &format!("{byte:02X}")]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        for bad in ["", ".", "..", "a/b", "%2e%2e"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
        assert_eq!(segment("system:x y?#").ok().as_deref(), Some("system:x%20y%3F%23"));
    }
}
