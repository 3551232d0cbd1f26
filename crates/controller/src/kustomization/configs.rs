//! ConfigMaps and Secrets that wake the Kustomizations that refer to them (kustomization.md, 2.4;
//! W20: only those that carry the label are ever sent to us, and of these the metadata only).

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher as watch};
use serde_json::Value;

use crate::context::Context;
use crate::runtime::cache::Key;
use crate::watching::within;

/// The kinds.
pub(crate) const KINDS: [&str; 2] = ["ConfigMap", "Secret"];

/// Wakes the users of the objects of one kind that `labels` select, whenever one of them changes.
pub(crate) async fn follow(
    context: Arc<Context>,
    kind: &'static str,
    labels: String,
    namespace: Option<String>,
) {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let api: Api<PartialObjectMeta<DynamicObject>> =
        within(&context, namespace.as_deref(), &resource);
    let config = watcher::Config::default().labels(&labels);
    let mut events = pin!(watch(api, config).default_backoff());
    let mut known: HashMap<Key, Option<String>> = HashMap::new();
    let mut listed: Option<HashMap<Key, Option<String>>> = None;
    let (mut is_first, mut is_refused) = (true, false);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Some(HashMap::new()),
            Ok(Event::InitApply(object)) => {
                let (key, version) = identity(&object);
                listed.get_or_insert_default().insert(key, version);
            }
            Ok(Event::InitDone) => {
                let listed = listed.take().unwrap_or_default();
                // What was there when we began wakes nobody: everybody runs then.
                if !std::mem::take(&mut is_first) {
                    let moved = known.keys().chain(listed.keys());
                    let moved = moved.filter(|key| known.get(key) != listed.get(key));
                    moved.for_each(|key| wake(&context, kind, key));
                }
                (known, is_refused) = (listed, false);
            }
            Ok(Event::Apply(object)) => {
                let (key, version) = identity(&object);
                if known.get(&key) != Some(&version) {
                    wake(&context, kind, &key);
                }
                known.insert(key, version);
            }
            Ok(Event::Delete(object)) => {
                let (key, _) = identity(&object);
                known.remove(&key);
                wake(&context, kind, &key);
            }
            Err(error) => {
                if !std::mem::replace(&mut is_refused, true) {
                    tracing::warn!(%error, kind, "changes of these objects are not noticed");
                }
            }
        }
    }
}

fn identity(object: &PartialObjectMeta<DynamicObject>) -> (Key, Option<String>) {
    let metadata = &object.metadata;
    let key = Key {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    };
    (key, metadata.resource_version.clone())
}

fn wake(context: &Context, kind: &str, moved: &Key) {
    let cause = format!("{kind}/{moved}");
    for object in context.kustomizations.cache.list() {
        let key = Key::of(&object);
        if key.namespace == moved.namespace && refers_to(&object.data["spec"], kind, &moved.name) {
            context.kustomizations.queue.add(key, &cause);
        }
    }
}

fn refers_to(spec: &Value, kind: &str, name: &str) -> bool {
    let is_it = |reference: &Value| reference["name"] == name;
    let variables = spec["postBuild"]["substituteFrom"].as_array().into_iter().flatten();
    let cluster = &spec["kubeConfig"];
    variables.filter(|reference| reference["kind"] == kind).any(is_it)
        || match kind {
            "ConfigMap" => is_it(&cluster["configMapRef"]),
            _ => is_it(&cluster["secretRef"]) || is_it(&spec["decryption"]["secretRef"]),
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::refers_to;

    #[test]
    fn every_reference_counts_for_its_kind() {
        let spec = json!({
            "postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "a"}, {"kind": "Secret", "name": "b"}]},
            "decryption": {"secretRef": {"name": "c"}},
            "kubeConfig": {"secretRef": {"name": "d"}, "configMapRef": {"name": "e"}},
        });
        let of = |kind: &str| -> String {
            "abcdef".chars().filter(|c| refers_to(&spec, kind, &c.to_string())).collect()
        };
        assert_eq!((of("ConfigMap"), of("Secret")), ("ae".into(), "bcd".into()));
    }
}
