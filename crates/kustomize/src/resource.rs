//! An object with the history of its build.

use std::fmt;

use manifest::scope::is_cluster_scoped;
use manifest::yaml::Step;
use manifest::{Gvk, Key, Map, Value};

use crate::Error;
use crate::shared::Shared;
use crate::unquoted;

/// The namespace that objects outside of namespaces are filed under.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Which object this is, or was, at some point of the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// Known to be outside of namespaces; former identities do not know.
    pub(crate) cluster_scoped: bool,
}

impl Id {
    pub(crate) fn effective_namespace(&self) -> &str {
        effective_namespace(self.cluster_scoped, &self.namespace)
    }

    pub(crate) fn same_object(&self, other: &Self) -> bool {
        self.same_name_and_kind(other) && self.effective_namespace() == other.effective_namespace()
    }

    pub(crate) fn same_name_and_kind(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk == other.gvk
    }

    /// Whether the kind fits a selection whose empty parts mean any.
    pub(crate) fn is_selected(&self, gvk: &Gvk) -> bool {
        selects(gvk, &self.gvk)
    }
}

pub(crate) fn effective_namespace(cluster_scoped: bool, namespace: &str) -> &str {
    match namespace {
        _ if cluster_scoped => NO_NAMESPACE,
        "" => DEFAULT_NAMESPACE,
        own => own,
    }
}

/// Whether `gvk` fits `selector`, whose empty parts mean any.
pub(crate) fn selects(selector: &Gvk, gvk: &Gvk) -> bool {
    (selector.kind.is_empty() || selector.kind == gvk.kind)
        && (selector.group.is_empty() || selector.group == gvk.group)
        && (selector.version.is_empty() || selector.version == gvk.version)
}

pub(crate) fn gvk_text(gvk: &Gvk) -> String {
    let or = |text: &str, none: &str| if text.is_empty() { none.to_owned() } else { text.into() };
    let (kind, version) = (or(&gvk.kind, "[noKind]"), or(&gvk.version, "[noVer]"));
    format!("{kind}.{version}.{}", or(&gvk.group, "[noGrp]"))
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, none: &str| {
            if text.is_empty() { none.to_owned() } else { text.to_owned() }
        };
        let (name, namespace) = (or(&self.name, "[noName]"), or(&self.namespace, "[noNs]"));
        write!(out, "{}/{name}.{namespace}", gvk_text(&self.gvk))
    }
}

/// What a generated object does to one that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// Where an object comes from, or what changed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) path: String,
    pub(crate) configured_in: String,
    /// apiVersion, kind, name, namespace of the configuration.
    pub(crate) configured_by: [String; 4],
}

/// An identity that an object had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Former {
    pub(crate) name: Key,
    pub(crate) namespace: Key,
    pub(crate) kind: Key,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) former: Vec<Former>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) needs_hash: bool,
    /// Whether its data was set entry by entry, by a generator or to be merged with one.
    pub(crate) generated: bool,
    pub(crate) behavior: Behavior,
    pub(crate) origin: Option<Origin>,
    pub(crate) transformations: Vec<Origin>,
    /// Variables that read from this object.
    pub(crate) variables: Vec<String>,
}

/// An object with the history of its build; null once it is deleted.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) value: Value,
    pub(crate) history: History,
    /// Values that were left out in the source: a merge drops them, a written null stays.
    pub(crate) blanks: Vec<Vec<Step>>,
    /// Whether the source is JSON or the like, in which nothing is folded.
    pub(crate) flow: bool,
    pub(crate) shared: Shared,
}

impl Resource {
    pub(crate) fn new(value: Value) -> Self {
        let (history, blanks, shared) = <_>::default();
        Self { value, history, blanks, flow: false, shared }
    }

    fn text(&self, keys: &[&str]) -> String {
        self.value.at(keys).map(Value::to_text).unwrap_or_default()
    }

    pub(crate) fn is_deleted(&self) -> bool {
        match &self.value {
            Value::Map(map) => map.is_empty(),
            _ => true,
        }
    }

    pub(crate) fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> &str {
        self.value.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn group_version(&self) -> (&str, &str) {
        let api_version = self.api_version();
        api_version.split_once('/').unwrap_or(("", api_version))
    }

    pub(crate) fn gvk(&self) -> Gvk {
        let (group, version) = self.group_version();
        Gvk { group: group.into(), version: version.into(), kind: self.kind().into() }
    }

    pub(crate) fn name(&self) -> String {
        self.text(&["metadata", "name"])
    }

    /// Whether this has, or had, a name.
    pub(crate) fn had_name(&self, name: &str) -> bool {
        let current = self.value.at(&["metadata", "name"]);
        current.map_or(name.is_empty(), |value| match value {
            Value::String(text) => **text == *name,
            other => other.to_text() == name,
        }) || self.history.former.iter().any(|former| former.name == name)
    }

    pub(crate) fn namespace(&self) -> String {
        self.text(&["metadata", "namespace"])
    }

    pub(crate) fn id(&self) -> Id {
        Id {
            gvk: self.gvk(),
            name: self.name(),
            namespace: self.namespace(),
            cluster_scoped: is_cluster_scoped(self.api_version(), self.kind()),
        }
    }

    /// Every identity that this had before, oldest first.
    pub(crate) fn former_ids(&self) -> impl DoubleEndedIterator<Item = Id> {
        let gvk = self.gvk();
        self.history.former.iter().map(move |former| Id {
            gvk: Gvk { kind: former.kind.to_string(), ..gvk.clone() },
            name: former.name.to_string(),
            namespace: former.namespace.to_string(),
            cluster_scoped: false,
        })
    }

    /// The kind that this had first.
    pub(crate) fn original_kind(&self) -> &str {
        self.history.former.first().map_or_else(|| self.kind(), |former| &former.kind)
    }

    pub(crate) fn original_id(&self) -> Id {
        let first = self.former_ids().next();
        first.unwrap_or_else(|| self.id())
    }

    /// Keeps the current identity before it changes.
    pub(crate) fn remember_id(&mut self) {
        let cluster_scoped = is_cluster_scoped(self.api_version(), self.kind());
        let text = |key| {
            let value = self.value.at(&["metadata", key]);
            value.map_or(Key::default(), |value| match value {
                Value::String(text) => Key::from(&**text),
                other => other.to_text().into(),
            })
        };
        let namespace = effective_namespace(cluster_scoped, &text("namespace")).into();
        let former = Former { name: text("name"), namespace, kind: self.kind().into() };
        self.history.former.push(former);
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.metadata_mut().entry("name".into()).or_default().set_scalar(name);
    }

    /// Sets the namespace; an empty one removes the field.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        let metadata = self.metadata_mut();
        if namespace.is_empty() {
            metadata.shift_remove("namespace");
        } else {
            metadata.entry("namespace".into()).or_default().set_scalar(namespace);
        }
    }

    /// The entries of `metadata`, made when absent.
    pub(crate) fn metadata_mut(&mut self) -> &mut Map {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Map::new().into();
        }
        map_in(map_of(&mut self.value), "metadata")
    }

    /// Labels or annotations as texts; a written null is one too.
    pub(crate) fn texts(&self, field: &str) -> Vec<(String, String)> {
        let left_out = |key: &str| {
            let path = ["metadata", field, key].map(|key| Step::Key(key.to_owned()));
            self.blanks.iter().any(|blank| *blank == path)
        };
        let entries = self.value.at(&["metadata", field]).and_then(Value::as_map);
        let text = |key: &str, value: &Value| match value {
            Value::Null if !left_out(key) => "null".to_owned(),
            value => value.to_text(),
        };
        entries
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_string(), text(key, value)))
            .collect()
    }

    /// Generated data was set entry by entry.
    pub(crate) fn refuse_unquoted_data(&self) -> Result<(), Error> {
        let mut fields = ["data", "binaryData"].iter().filter(|_| self.history.generated);
        fields.try_for_each(|field| unquoted::map(self.value.get(field)))
    }

    /// Sets labels or annotations; none removes the field.
    pub(crate) fn set_texts(&mut self, field: &str, texts: Vec<(String, String)>) {
        let metadata = self.metadata_mut();
        if texts.is_empty() {
            metadata.shift_remove(field);
            return;
        }
        let texts: Map = texts.into_iter().map(|(key, text)| (key, text.into())).collect();
        metadata.insert(field.into(), texts.into());
    }
}

/// How deep an object may nest after patches and replacements.
pub(crate) const DEPTH_MAX: usize = 512;
/// How many nodes an object may hold after patches and replacements.
pub(crate) const NODES_MAX: usize = 2_000_000;
/// How long a text may become.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 20;

/// Refuses an object that was made to grow without end.
pub(crate) fn bounded(value: &Value) -> Result<(), Error> {
    fn count(value: &Value, depth: usize, nodes: &mut usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(Error::Limit("nesting of an object"));
        }
        *nodes += 1;
        if *nodes > NODES_MAX {
            return Err(Error::Limit("size of an object"));
        }
        match value {
            Value::List(items) => items.iter().try_for_each(|item| count(item, depth + 1, nodes)),
            Value::Map(map) => map.values().try_for_each(|value| count(value, depth + 1, nodes)),
            _ => Ok(()),
        }
    }
    count(value, 1, &mut 0)
}

/// A value as a mapping, replaced by an empty one if it is none.
pub(crate) fn map_of(value: &mut Value) -> &mut Map {
    static SHAPE: &str = "made a mapping above";
    if !matches!(value, Value::Map(_)) {
        *value = Map::new().into();
    }
    value.as_map_mut().expect(SHAPE)
}

/// The mapping under a key, made when absent.
pub(crate) fn map_in<'a>(map: &'a mut Map, key: &str) -> &'a mut Map {
    map_of(map.entry(key.into()).or_default())
}
