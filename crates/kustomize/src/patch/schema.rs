//! Which lists a strategic merge joins, and by which keys.

use std::collections::HashMap;
use std::sync::LazyLock;

use manifest::{Map, Value};

use crate::Error;

/// How deep definitions may nest inside each other.
const DEPTH_MAX: usize = 64;

const BUILT_IN: &str = include_str!("schema.txt");

/// The merge keys of all known kinds; an immutable value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    kinds: HashMap<(String, String), usize>,
    definitions: Vec<HashMap<String, Field>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    /// The definition of what is inside, if anything in there is merged.
    inside: Option<usize>,
    shape: Shape,
    /// Keys of a list that is merged; none means by value.
    merge: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Object,
    List,
    Map,
}

/// How the definitions of a document lie to the built-in ones.
///
/// Kustomize keeps all that it ever read in a global, and reads the built-in definitions when it
/// first needs them, which may be before a custom schema, after it, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// Not read.
    #[default]
    Absent,
    /// Read before: the document's definitions replace those of the same name.
    Before,
    /// Asked for, and read after: they replace the document's.
    After,
}

/// A place in the schema of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'a> {
    Object(&'a HashMap<String, Field>, &'a Schema),
    List(&'a Field, &'a Schema),
    Map(&'a Field, &'a Schema),
}

impl<'a> Node<'a> {
    /// The place of a mapping's entry.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Object(fields, schema) => {
                let field = fields.get(name)?;
                match field.shape {
                    Shape::Object => schema.object(field.inside),
                    Shape::List => Some(Self::List(field, schema)),
                    Shape::Map => Some(Self::Map(field, schema)),
                }
            }
            Self::Map(field, schema) => schema.object(field.inside),
            Self::List(..) => None,
        }
    }

    /// The place of a list's items.
    pub(crate) fn items(self) -> Option<Self> {
        match self {
            Self::List(field, schema) => schema.object(field.inside),
            _ => None,
        }
    }

    /// The merge keys of a list that is joined.
    pub(crate) fn merge_keys(self) -> Option<&'a [String]> {
        match self {
            Self::List(field, _) => field.merge.as_deref(),
            _ => None,
        }
    }
}

impl Schema {
    /// The kinds that kustomize knows by itself.
    pub(crate) fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Schema> = LazyLock::new(Schema::read_built_in);
        &BUILT_IN
    }

    fn read_built_in() -> Self {
        let mut schema = Self::default();
        for line in built_in_lines() {
            let mut words = line.split(' ');
            if words.next() == Some("=") {
                if let [api_version, kind, id] = words.collect::<Vec<_>>()[..] {
                    let id = id.parse().unwrap_or(usize::MAX);
                    schema.kinds.insert((api_version.to_owned(), kind.to_owned()), id);
                }
            } else {
                schema.definitions.push(words.filter_map(field).collect());
            }
        }
        schema
    }

    /// Whether a built-in kind is one whose objects can be asked for: of these kustomize knows
    /// without its schema where they live.
    pub(crate) fn is_object(api_version: &str, kind: &str) -> bool {
        let part = ["List", "Review", "Request", "Options"].iter().any(|end| kind.ends_with(end));
        let none = matches!(kind, "Binding" | "Eviction" | "Kustomization");
        // Most builds need no more of the schema than this.
        !part && !none && BUILT_IN.contains(&format!("\n= {api_version} {kind} "))
    }

    /// The kinds of an OpenAPI document, with the built-in ones or without.
    pub(crate) fn from_openapi(document: &Value, built_in: BuiltIn) -> Result<Self, Error> {
        if !matches!(document, Value::Map(_) | Value::Null) {
            return Err(Error::rule("invalid schema file: it is no mapping"));
        }
        let none = Map::new();
        let definitions = document.get("definitions").and_then(Value::as_map).unwrap_or(&none);
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut schema = Self::default();
        if built_in != BuiltIn::Absent {
            ids.extend(names().enumerate().map(|(id, name)| (name, id)));
            schema = Self::built_in().clone();
        }
        let kept = if built_in == BuiltIn::After { ids.clone() } else { HashMap::new() };
        for name in definitions.keys() {
            let next = ids.len();
            ids.entry(name).or_insert(next);
        }
        schema.definitions.resize_with(ids.len(), HashMap::new);
        for (name, definition) in
            definitions.iter().filter(|(name, _)| !kept.contains_key(&***name))
        {
            let fields = schema.fields_of(definition, &ids, 0);
            let Some(&id) = ids.get(&**name) else { continue };
            if let Some(slot) = schema.definitions.get_mut(id) {
                *slot = fields;
            }
            let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_list);
            for kind in kinds.into_iter().flatten() {
                let text = |key| kind.get(key).and_then(Value::as_str).unwrap_or_default();
                let group = text("group");
                let slash = if group.is_empty() { "" } else { "/" };
                let api_version = format!("{group}{slash}{}", text("version"));
                let known = (api_version, text("kind").to_owned());
                let is_kept = built_in == BuiltIn::After && schema.kinds.contains_key(&known);
                if !is_kept {
                    schema.kinds.insert(known, id);
                }
            }
        }
        Ok(schema)
    }

    fn fields_of(
        &mut self,
        definition: &Value,
        ids: &HashMap<&str, usize>,
        depth: usize,
    ) -> HashMap<String, Field> {
        let properties = definition.get("properties").and_then(Value::as_map);
        let fields = properties.into_iter().flatten();
        fields
            .map(|(name, value)| (name.to_string(), self.field_of(value, ids, depth + 1)))
            .collect()
    }

    fn field_of(&mut self, property: &Value, ids: &HashMap<&str, usize>, depth: usize) -> Field {
        let text = |key| property.get(key).and_then(Value::as_str);
        let merged = text("x-kubernetes-patch-strategy")
            .is_some_and(|strategies| strategies.split(',').any(|one| one == "merge"));
        // The strategy alone makes a list, of whose items only its type tells.
        let typed = text("type") == Some("array");
        if typed || merged {
            let listed = property.get("x-kubernetes-list-map-keys").and_then(Value::as_list);
            let keys = match listed {
                Some(keys) => keys.iter().map(Value::to_text).collect(),
                None => {
                    text("x-kubernetes-patch-merge-key").map(str::to_owned).into_iter().collect()
                }
            };
            let items = property.get("items").filter(|_| typed);
            let inside = items.and_then(|items| self.inside(items, ids, depth));
            return Field { inside, shape: Shape::List, merge: merged.then_some(keys) };
        }
        if let Some(values) = property.get("additionalProperties") {
            let inside = self.inside(values, ids, depth);
            return Field { inside, shape: Shape::Map, merge: None };
        }
        Field { inside: self.inside(property, ids, depth), shape: Shape::Object, merge: None }
    }

    /// The definition that a property refers to, or one made for its own properties.
    fn inside(&mut self, value: &Value, ids: &HashMap<&str, usize>, depth: usize) -> Option<usize> {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            return ids.get(reference.strip_prefix("#/definitions/")?).copied();
        }
        if depth > DEPTH_MAX || value.get("properties").is_none() {
            return None;
        }
        let fields = self.fields_of(value, ids, depth);
        self.definitions.push(fields);
        Some(self.definitions.len() - 1)
    }

    fn object(&self, id: Option<usize>) -> Option<Node<'_>> {
        self.definitions.get(id?).map(|fields| Node::Object(fields, self))
    }

    /// The place of a whole object.
    pub(crate) fn of(&self, value: &Value) -> Option<Node<'_>> {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        self.object(self.kinds.get(&(text("apiVersion")?, text("kind")?)).copied())
    }
}

fn built_in_lines() -> impl Iterator<Item = &'static str> {
    BUILT_IN.lines().filter(|line| !line.starts_with('#'))
}

/// The names of the built-in definitions, in their order.
fn names() -> impl Iterator<Item = &'static str> {
    let lines = built_in_lines().filter(|line| !line.starts_with('='));
    lines.filter_map(|line| line.split(' ').next())
}

fn field(word: &str) -> Option<(String, Field)> {
    let at = word.find(['.', '[', '{'])?;
    let (name, rest) = word.split_at(at);
    let shape = match rest.as_bytes().first()? {
        b'.' => Shape::Object,
        b'[' => Shape::List,
        _ => Shape::Map,
    };
    let (inside, merge) = match rest.get(1..)?.split_once('!') {
        Some((inside, keys)) => {
            let keys = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            (inside, Some(keys))
        }
        None => (rest.get(1..)?, None),
    };
    Some((name.to_owned(), Field { inside: inside.parse().ok(), shape, merge }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_keys_of_containers() {
        let schema = Schema::built_in();
        let deployment = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment"}).into();
        let spec = schema.of(&deployment).and_then(|node| node.field("spec"));
        let pod = spec.and_then(|node| node.field("template")?.field("spec"));
        let containers = pod.and_then(|node| node.field("containers"));
        assert_eq!(containers.and_then(Node::merge_keys), Some(&["name".to_owned()][..]));
        let ports = containers.and_then(|node| node.items()?.field("ports"));
        assert_eq!(ports.and_then(Node::merge_keys).map(<[String]>::len), Some(2));
    }
}
