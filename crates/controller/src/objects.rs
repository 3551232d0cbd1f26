//! One of our kinds: its cache, its queue, and the only place that writes to it.

use std::sync::Arc;

use api::well_known::{DISABLED, FINALIZER, RECONCILE_REQUEST, SLUICE_PREFIX};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::runtime::cache::{Cache, Key};
use crate::runtime::queue::Queue;
use crate::runtime::slots::Slots;

/// How often a write is tried again after someone else wrote in between (contract L07).
const CONFLICTS_MAX: usize = 5;

/// One of our two kinds.
pub struct Objects {
    client: Client,
    resource: ApiResource,
    manager: &'static str,
    /// The objects as last seen or written.
    pub cache: Cache,
    /// What has to run.
    pub queue: Queue<Key>,
    /// How many run at once.
    pub slots: Slots,
}

/// Names of a kind.
pub struct Kind {
    /// Group, version and names.
    pub resource: ApiResource,
    /// Field manager of what we write to it.
    pub manager: &'static str,
}

impl Objects {
    /// The objects of a kind, none of them seen yet.
    pub fn new(client: Client, kind: Kind, queue: Queue<Key>, slots: Slots) -> Self {
        let Kind { resource, manager } = kind;
        Self { client, resource, manager, cache: Cache::default(), queue, slots }
    }

    /// The kind's names.
    pub fn resource(&self) -> &ApiResource {
        &self.resource
    }

    fn api(&self, key: &Key) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &self.resource)
    }

    fn params(&self) -> PatchParams {
        PatchParams { field_manager: Some(self.manager.into()), ..PatchParams::default() }
    }

    /// Puts our finalizer on an object, in the same run as its first work (W19).
    pub async fn hold(&self, object: Arc<DynamicObject>) -> kube::Result<Arc<DynamicObject>> {
        let mut finalizers = object.metadata.finalizers.clone().unwrap_or_default();
        if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(object);
        }
        finalizers.push(FINALIZER.into());
        self.write_finalizers(&object, &finalizers).await
    }

    /// Takes our finalizer off an object; that it is gone already is fine.
    pub async fn release(&self, object: &DynamicObject) -> kube::Result<()> {
        let held = object.metadata.finalizers.clone().unwrap_or_default();
        let rest: Vec<String> = held.iter().filter(|f| *f != FINALIZER).cloned().collect();
        if rest.len() == held.len() {
            return Ok(());
        }
        match self.write_finalizers(object, &rest).await {
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            other => drop(other?),
        }
        // Who held it last sees it go: a run that comes before the watch tells would end it again.
        if rest.is_empty() && object.metadata.deletion_timestamp.is_some() {
            self.cache.remove(object);
        }
        Ok(())
    }

    async fn write_finalizers(
        &self,
        object: &DynamicObject,
        finalizers: &[String],
    ) -> kube::Result<Arc<DynamicObject>> {
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
        }});
        let api = self.api(&Key::of(object));
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let written = api.patch(name, &self.params(), &Patch::Merge(&patch)).await?;
        Ok(self.remember(written))
    }

    /// Writes the difference between an object's status and `status`; nothing when there is none.
    ///
    /// What others have written meanwhile stays, and so do conditions of types other than `owned`.
    pub async fn write_status<S: Serialize>(
        &self,
        object: &Arc<DynamicObject>,
        status: &S,
        owned: &[&str],
    ) -> kube::Result<Arc<DynamicObject>> {
        let mut base = Arc::clone(object);
        let wanted = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
        let api = self.api(&Key::of(object));
        let name = object.metadata.name.as_deref().unwrap_or_default();
        for attempt in 0.. {
            let (known, stored) = (&object.data["status"], &base.data["status"]);
            let Some(change) = change(known, wanted.clone(), stored, owned) else {
                return Ok(base);
            };
            let patch = json!({
                "metadata": {
                    "uid": base.metadata.uid,
                    "resourceVersion": base.metadata.resource_version,
                },
                "status": change,
            });
            match api.patch_status(name, &self.params(), &Patch::Merge(&patch)).await {
                Ok(written) => return Ok(self.remember(written)),
                Err(kube::Error::Api(answer)) if answer.code == 409 && attempt < CONFLICTS_MAX => {
                    base = Arc::new(api.get(name).await?);
                    if base.metadata.uid != object.metadata.uid {
                        return Err(kube::Error::Api(answer));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(base)
    }

    /// Takes in what a write answered; a newer state that came by the watch meanwhile counts.
    fn remember(&self, written: DynamicObject) -> Arc<DynamicObject> {
        let written = self.cache.put(written);
        let known = self.cache.get(&Key::of(&written));
        known.filter(|known| known.metadata.uid == written.metadata.uid).unwrap_or(written)
    }
}

/// Reads one part of an object (`spec`, `status`) as its type.
pub fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> serde_json::Result<T> {
    T::deserialize(object.data.get(name).unwrap_or(&Value::Object(Map::new())))
}

/// `metadata.generation`.
pub fn generation(object: &DynamicObject) -> i64 {
    object.metadata.generation.unwrap_or_default()
}

/// The value of an annotation.
pub fn annotation<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether something of ours is on for an object: as its annotation says, and as the operator's flag
/// says when it has none. It is off only for `disabled`, so that a slip of the pen guards too much.
pub fn is_on(object: &DynamicObject, key: &str, flag: bool) -> bool {
    annotation(object, key).map_or(flag, |value| !value.eq_ignore_ascii_case(DISABLED))
}

/// Whether the object itself asks for a run: new, changed, being deleted, requested, or told
/// something in our own annotations.
pub fn asks(before: Option<&DynamicObject>, after: &DynamicObject) -> bool {
    let Some(before) = before else { return true };
    let request = |object: &DynamicObject| annotation(object, RECONCILE_REQUEST).map(str::to_owned);
    let told = |object: &DynamicObject| -> Vec<(String, String)> {
        let annotations = object.metadata.annotations.iter().flatten();
        let ours = annotations.filter(|(key, _)| key.starts_with(SLUICE_PREFIX));
        ours.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    before.metadata.uid != after.metadata.uid
        || before.metadata.generation != after.metadata.generation
        || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        || (request(after).is_some() && request(before) != request(after))
        || told(before) != told(after)
}

fn keep_foreign_conditions(target: &mut Value, stored: &Value, owned: &[&str]) {
    let list = |value: &Value| -> Vec<Value> {
        value.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let ours =
        |condition: &Value| condition["type"].as_str().is_some_and(|kind| owned.contains(&kind));
    let mut conditions: Vec<Value> = list(target).into_iter().filter(|c| ours(c)).collect();
    conditions.extend(list(stored).into_iter().filter(|c| !ours(c)));
    if let Some(map) = target.as_object_mut()
        && (!conditions.is_empty() || stored.get("conditions").is_some())
    {
        map.insert("conditions".into(), conditions.into());
    }
}

/// The JSON merge patch that makes the status that was `known` the `wanted` one, where `stored` is
/// there now.
fn change(known: &Value, mut wanted: Value, stored: &Value, owned: &[&str]) -> Option<Value> {
    keep_foreign_conditions(&mut wanted, stored, owned);
    difference(known, &wanted)
}

/// The JSON merge patch that turns `from` into `to`; `None` when they are equal.
fn difference(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut change = Map::new();
    for (key, value) in to {
        match from.get(key) {
            None => drop(change.insert(key.clone(), value.clone())),
            Some(old) => {
                if let Some(inner) = difference(old, value) {
                    change.insert(key.clone(), inner);
                }
            }
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        change.insert(key.clone(), Value::Null);
    }
    (!change.is_empty()).then_some(Value::Object(change))
}

/// Whether a condition of an object is True.
pub fn is_true(object: &DynamicObject, kind: &str) -> bool {
    let list = object.data["status"]["conditions"].as_array();
    list.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_names_what_changed_and_nulls_what_is_gone() {
        let from = json!({"a": 1, "b": {"c": 1, "d": 2}, "gone": true});
        let to = json!({"a": 1, "b": {"c": 3, "d": 2}, "new": []});
        assert_eq!(difference(&from, &to), Some(json!({"b": {"c": 3}, "new": [], "gone": null})));
        assert_eq!(difference(&from, &from), None);
    }

    #[test]
    fn what_others_write_meanwhile_stays() {
        let known = json!({"artifact": "a", "handled": "1"});
        let wanted = json!({"artifact": "a", "handled": "2"});
        let stored = json!({"artifact": "b", "handled": "1", "conditions": [{"type": "Theirs"}]});
        let theirs = json!({"handled": "2", "conditions": [{"type": "Theirs"}]});
        assert_eq!(change(&known, wanted, &stored, &["Ready"]), Some(theirs));
    }

    #[test]
    fn conditions_of_others_stay() {
        let stored =
            json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "Theirs"}]});
        let mut target = json!({"conditions": [{"type": "Ready", "status": "False"}]});
        keep_foreign_conditions(&mut target, &stored, &["Ready"]);
        let wanted = json!([{"type": "Ready", "status": "False"}, {"type": "Theirs"}]);
        assert_eq!(target["conditions"], wanted);
    }
}
