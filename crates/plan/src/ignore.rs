//! Fields whose drift is left to others (kustomization.md, 9.6; decisions.md, W16).

use std::borrow::Cow;

use manifest::NotAnObject;
pub use manifest::Target;
use manifest::pattern::Pattern;
use manifest::pointer::Pointer;
use manifest::selector::Selector;
use manifest::{Object, Value, pattern, selector};

use crate::managed::is_applied_by_another;

/// Why rules cannot be used, in the words of the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part of a selector is no regular expression.
    #[error("failed to create ignore rule selector: invalid {part} regex: {source}")]
    Regex {
        /// Which part.
        part: &'static str,
        /// Why.
        source: pattern::Error,
    },
    /// A selector of labels or annotations cannot be read.
    #[error("failed to create ignore rule selector: invalid {part} selector: {source}")]
    Selector {
        /// Which one.
        part: &'static str,
        /// Why.
        source: selector::Error,
    },
    /// A path is no JSON pointer: it does not begin with a slash.
    #[error("replace operation does not apply: doc is missing path: {0}: missing value")]
    Path(String),
    /// A rule takes away what tells an object apart, such as its name.
    #[error("failed to apply ignore rules: {0}")]
    Identity(NotAnObject),
}

/// Fields that are left alone in some objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// JSON pointers to the fields.
    pub paths: Vec<String>,
    /// The objects.
    pub target: Target,
}

/// Rules that can be asked; every rule that fits an object counts.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Compiled>);

#[derive(Clone, Debug)]
struct Compiled {
    paths: Vec<String>,
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Selector,
    annotations: Selector,
}

impl Rules {
    /// Compiles rules; the first part that cannot be read is the error.
    pub fn new(rules: &[Rule]) -> Result<Self, Error> {
        rules.iter().map(Compiled::new).collect::<Result<_, _>>().map(Self)
    }

    /// The fields of one object that are left alone.
    pub(crate) fn of(&self, object: &Object) -> Ignored<'_> {
        let rules = self.0.iter().filter(|rule| rule.selects(object));
        Ignored(rules.flat_map(|rule| rule.paths.iter().map(String::as_str)).collect())
    }
}

impl Compiled {
    fn new(rule: &Rule) -> Result<Self, Error> {
        let target = &rule.target;
        let regex =
            |part, text: &str| Pattern::new(text).map_err(|source| Error::Regex { part, source });
        let selector = |part, text: &str| {
            Selector::parse(text).map_err(|source| Error::Selector { part, source })
        };
        Ok(Self {
            paths: rule.paths.clone(),
            group: regex("group", &target.group)?,
            version: regex("version", &target.version)?,
            kind: regex("kind", &target.kind)?,
            name: regex("name", &target.name)?,
            namespace: regex("namespace", &target.namespace)?,
            labels: selector("label", &target.label_selector)?,
            annotations: selector("annotation", &target.annotation_selector)?,
        })
    }

    fn selects(&self, object: &Object) -> bool {
        let gvk = object.gvk();
        self.namespace.matches(object.namespace())
            && self.name.matches(object.name())
            && self.group.matches(&gvk.group)
            && self.version.matches(&gvk.version)
            && self.kind.matches(&gvk.kind)
            && self.labels.matches(object.at(&["metadata", "labels"]))
            && self.annotations.matches(object.at(&["metadata", "annotations"]))
    }
}

/// The paths that are ignored in one object.
pub(crate) struct Ignored<'a>(Vec<&'a str>);

impl Ignored<'_> {
    /// Whether nothing of it is ignored.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the whole object is left alone.
    pub(crate) fn is_all(&self) -> bool {
        self.0.contains(&"")
    }

    /// The object without the ignored fields.
    pub(crate) fn without<'o>(&self, object: &'o Object) -> Cow<'o, Value> {
        let mut value = Cow::Borrowed(object.value());
        for pointer in self.0.iter().filter_map(|path| Pointer::parse(path)) {
            pointer.remove(value.to_mut());
        }
        value
    }

    /// What is sent when the object is applied nevertheless: an ignored field that would change is
    /// left out if somebody else applies it, and keeps its live value otherwise.
    pub(crate) fn settle(
        &self,
        desired: Object,
        live: &Object,
        dry_run: &Object,
    ) -> Result<Object, Error> {
        let mut payload = desired.into_value();
        for path in &self.0 {
            let pointer = Pointer::parse(path).ok_or_else(|| Error::Path((*path).to_owned()))?;
            let value = pointer.get(live.value());
            if value == pointer.get(dry_run.value()) {
                continue;
            }
            match (value, pointer.get_mut(&mut payload)) {
                (Some(value), Some(own)) if !is_applied_by_another(live, pointer.parts()) => {
                    own.clone_from(value);
                }
                _ => pointer.remove(&mut payload),
            }
        }
        Object::new(payload).map_err(Error::Identity)
    }
}
