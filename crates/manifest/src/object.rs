//! A tree that is proven to be a Kubernetes object.

use serde::Serialize;

use crate::{Gvk, Map, ObjectId, Value};

/// One Kubernetes object: a mapping with an `apiVersion`, a `kind` and a `metadata.name`.
///
/// Checked once, where it enters; everything after relies on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Value);

/// Why a tree is no Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// The root is a scalar or a list.
    #[error("not a mapping")]
    NotAMapping,
    /// A field that every object has is absent, empty or no text.
    #[error("missing {0}")]
    Missing(&'static str),
    /// `metadata`, its labels or annotations are of a type that no object has.
    #[error("{0} is not a mapping")]
    Malformed(&'static str),
}

impl Object {
    /// Checks a tree.
    pub fn new(value: Value) -> Result<Self, NotAnObject> {
        if value.as_map().is_none() {
            return Err(NotAnObject::NotAMapping);
        }
        let text =
            |keys: &[&str]| value.at(keys).and_then(Value::as_str).filter(|text| !text.is_empty());
        text(&["apiVersion"]).ok_or(NotAnObject::Missing("apiVersion"))?;
        text(&["kind"]).ok_or(NotAnObject::Missing("kind"))?;
        let metadata = value.get("metadata").ok_or(NotAnObject::Missing("metadata"))?;
        metadata.as_map().ok_or(NotAnObject::Malformed("metadata"))?;
        text(&["metadata", "name"]).ok_or(NotAnObject::Missing("metadata.name"))?;
        Ok(Self(value))
    }

    fn text(&self, keys: &[&str]) -> &str {
        self.0.at(keys).and_then(Value::as_str).unwrap_or_default()
    }

    /// `apiVersion` as written.
    pub fn api_version(&self) -> &str {
        self.text(&["apiVersion"])
    }

    /// `kind`.
    pub fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text(&["metadata", "name"])
    }

    /// `metadata.namespace`; empty when absent.
    pub fn namespace(&self) -> &str {
        self.text(&["metadata", "namespace"])
    }

    /// Which object this is.
    pub fn id(&self) -> ObjectId {
        let Gvk { group, kind, .. } = self.gvk();
        ObjectId { group, kind, namespace: self.namespace().into(), name: self.name().into() }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.at(&["metadata", "labels", key])?.as_str()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.at(&["metadata", "annotations", key])?.as_str()
    }

    /// The whole tree.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The whole tree, by value.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// The value at the end of a chain of mapping keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Value> {
        self.0.at(keys)
    }

    /// Sets or (with `None`) removes a top-level field other than the identifying ones.
    pub fn set(&mut self, key: &str, value: Option<Value>) {
        debug_assert!(!["apiVersion", "kind", "metadata"].contains(&key), "identity is kept");
        let Value::Map(root) = &mut self.0 else { return };
        match value {
            Some(value) => {
                root.insert(key.into(), value);
            }
            None => {
                root.shift_remove(key);
            }
        }
    }

    /// The entries of `metadata`, for editing anything but the name.
    #[expect(clippy::missing_panics_doc, reason = "the shape is proven by `Object::new`")]
    pub fn metadata_mut(&mut self) -> &mut Map {
        static SHAPE: &str = "checked by Object::new";
        self.0.as_map_mut().and_then(|root| root.get_mut("metadata")?.as_map_mut()).expect(SHAPE)
    }

    /// The entries of `metadata.labels` or `metadata.annotations`, made when absent or null.
    pub fn metadata_map_mut(&mut self, key: &str) -> Result<&mut Map, NotAnObject> {
        let slot = self.metadata_mut().entry(key.into()).or_insert_with(|| Map::new().into());
        if slot.is_null() {
            *slot = Map::new().into();
        }
        let what = if key == "labels" { "metadata.labels" } else { "metadata.annotations" };
        slot.as_map_mut().ok_or(NotAnObject::Malformed(what))
    }
}

impl TryFrom<Value> for Object {
    type Error = NotAnObject;

    fn try_from(value: Value) -> Result<Self, NotAnObject> {
        Self::new(value)
    }
}

impl TryFrom<serde_json::Value> for Object {
    type Error = NotAnObject;

    fn try_from(json: serde_json::Value) -> Result<Self, NotAnObject> {
        Self::new(json.into())
    }
}

impl Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
