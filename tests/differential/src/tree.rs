//! A tree of files: kustomizations on kustomizations, each with some of the features.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::ink::{self, FREE, Freedom, PLAIN};
use crate::{fields, generators, objects, patches, plugins, references, settings};

/// What a layer may use: the name that is counted, and what puts it there.
type Feature = (&'static str, fn(&mut Layer<'_>));

/// Every feature of a kustomization file.
const FEATURES: &[Feature] = &[
    ("namespace", fields::namespace),
    ("namePrefix", fields::prefix),
    ("nameSuffix", fields::suffix),
    ("labels", fields::labels),
    ("commonLabels", fields::common_labels),
    ("commonAnnotations", fields::annotations),
    ("images", fields::images),
    ("replicas", fields::replicas),
    ("configMapGenerator", generators::config_maps),
    ("secretGenerator", generators::secrets),
    ("generatorOptions", generators::options),
    ("patches: strategic", patches::strategic),
    ("patches: strategic", patches::strategic),
    ("patches: json", patches::json),
    ("patchesStrategicMerge", patches::legacy_strategic),
    ("patchesJson6902", patches::legacy_json),
    ("replacements", references::replacements),
    ("replacements", references::replacements),
    ("vars", references::vars),
    ("sortOptions", settings::sort),
    ("buildMetadata", settings::metadata),
    ("crds", settings::definitions),
    ("openapi", settings::openapi),
    ("configurations", settings::configurations),
    ("transformers", plugins::transformers),
    ("transformers", plugins::transformers),
    ("generators", plugins::generators),
];

/// Files by path, and which features they use.
#[derive(Clone, Default)]
pub struct Tree {
    /// Contents by path below the root kustomization.
    pub files: BTreeMap<String, String>,
    /// What is used.
    pub features: BTreeSet<&'static str>,
    taken: BTreeSet<String>,
    folders: usize,
}

/// One kustomization in the making.
pub struct Layer<'a> {
    /// Chance.
    pub dice: &'a mut Dice,
    /// The fields of the kustomization file.
    pub fields: Map<String, Value>,
    /// The objects that can be meant, as they were written.
    pub known: Vec<Value>,
    tree: &'a mut Tree,
    folder: String,
    serial: usize,
}

impl Tree {
    /// The tree of one case.
    pub fn grow(dice: &mut Dice) -> Self {
        let mut tree = Self::default();
        let place = Place { folder: String::new(), role: Role::Root, depth: 0 };
        layer(dice, &mut tree, place, Vec::new());
        tree
    }
}

impl Layer<'_> {
    /// Counts the use of a feature.
    pub fn uses(&mut self, feature: &'static str) {
        self.tree.features.insert(feature);
    }

    /// Adds to a list of the kustomization file.
    pub fn append(&mut self, field: &str, item: Value) {
        let list = self.fields.entry(field).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(item);
        }
    }

    /// A file name that is not taken.
    pub fn fresh(&mut self, stem: &str, ending: &str) -> String {
        self.serial += 1;
        format!("{stem}-{}.{ending}", self.serial)
    }

    /// Writes a file of this layer.
    pub fn write(&mut self, name: &str, text: String) {
        self.tree.files.insert(format!("{}{name}", self.folder), text);
    }

    /// A value as YAML text.
    pub fn yaml(&mut self, freedom: Freedom, value: &Value) -> String {
        ink::document(self.dice, freedom, value)
    }

    /// Writes a value to a new file and names it.
    pub fn file(&mut self, stem: &str, value: &Value) -> String {
        let name = self.fresh(stem, "yaml");
        let text = self.yaml(FREE, value);
        self.write(&name, text);
        name
    }

    /// One of the objects.
    pub fn object(&mut self) -> Option<Value> {
        (!self.known.is_empty()).then(|| self.dice.pick(&self.known).clone())
    }

    /// A new object, whose name is not taken.
    fn new_object(&mut self) -> Option<Value> {
        for _ in 0..8 {
            let made = objects::object(self.dice);
            let space = if self.dice.chance(5) {
                made["metadata"]["namespace"].to_string()
            } else {
                String::new()
            };
            if self
                .tree
                .taken
                .insert(format!("{}/{}/{space}", made["kind"], made["metadata"]["name"]))
            {
                self.known.push(made.clone());
                return Some(made);
            }
        }
        None
    }

    fn resources(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let here = self.dice.between(1, left);
            left -= here;
            let made: Vec<_> = (0..here).filter_map(|_| self.new_object()).collect();
            if made.is_empty() {
                continue;
            }
            let name = self.fresh("objects", "yaml");
            let text = self.documents(&made);
            self.write(&name, text);
            self.append("resources", json!(name));
        }
    }

    /// Several objects in one file.
    fn documents(&mut self, objects: &[Value]) -> String {
        let freedom = if self.dice.chance(30) { PLAIN } else { FREE };
        if self.dice.chance(10) {
            self.uses("lists");
            let kind = self.list_kind(objects);
            let list = json!({"apiVersion": kind.0, "kind": kind.1, "items": objects});
            return self.yaml(freedom, &list);
        }
        let mut text = String::new();
        if self.dice.chance(15) {
            text.push_str(self.dice.word(&[
                "---\n",
                "# head\n---\n",
                "\n",
                "%YAML 1.1\n---\n",
                "---\n---\n",
            ]));
        }
        for (at, object) in objects.iter().enumerate() {
            if at > 0 {
                let marks = [
                    "---\n",
                    "---\n",
                    "---\n",
                    "--- # next\n",
                    "---\n\n",
                    "---\n---\n",
                    "...\n---\n",
                ];
                text.push_str(self.dice.word(&marks));
            }
            text.push_str(&self.yaml(freedom, object));
        }
        if self.dice.chance(10) {
            text.push_str(self.dice.word(&["---\n", "\n\n", "# end\n", "---\n# end\n", "...\n"]));
        }
        if self.dice.chance(2) {
            text = text.replace('\n', "\r\n");
        }
        text
    }

    fn list_kind(&mut self, objects: &[Value]) -> (String, String) {
        let first = &objects[0];
        let alike = objects.iter().all(|object| object["kind"] == first["kind"]);
        if alike && self.dice.chance(50) {
            let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
            return (text("apiVersion"), format!("{}List", text("kind")));
        }
        ("v1".to_owned(), "List".to_owned())
    }

    /// A kustomization below this one.
    fn below(&mut self, role: Role, depth: usize) {
        self.tree.folders += 1;
        let name = format!("{}{}", role.word(), self.tree.folders);
        let folder = format!("{}{name}/", self.folder);
        let known = match role {
            Role::Component => self.known.clone(),
            _ => Vec::new(),
        };
        let made = layer(self.dice, self.tree, Place { folder, role, depth: depth + 1 }, known);
        if matches!(role, Role::Component) {
            self.uses("components");
            self.known = made;
            self.append("components", json!(name));
        } else {
            self.uses("bases");
            self.known.extend(made);
            let field = if self.dice.chance(5) { "bases" } else { "resources" };
            self.append(field, json!(name));
        }
    }
}

/// What a kustomization is to the one above.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Base,
    Component,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Root => "root",
            Role::Base => "base",
            Role::Component => "component",
        }
    }
}

/// Where a kustomization stands.
struct Place {
    folder: String,
    role: Role,
    depth: usize,
}

/// Writes a kustomization and all below it; gives the objects that it holds.
fn layer(dice: &mut Dice, tree: &mut Tree, place: Place, known: Vec<Value>) -> Vec<Value> {
    let Place { folder, role, depth } = place;
    let mut layer = Layer { dice, fields: Map::new(), known, tree, folder, serial: 0 };
    if role == Role::Component {
        layer.fields.insert("apiVersion".into(), json!("kustomize.config.k8s.io/v1alpha1"));
        layer.fields.insert("kind".into(), json!("Component"));
    } else if layer.dice.chance(20) {
        layer.fields.insert("apiVersion".into(), json!("kustomize.config.k8s.io/v1beta1"));
        layer.fields.insert("kind".into(), json!("Kustomization"));
    }
    if depth < 3 {
        let percent = if role == Role::Component { 8 } else { 38 >> depth };
        for _ in 0..2 {
            if layer.dice.chance(percent) {
                layer.below(Role::Base, depth);
            }
        }
    }
    let fewest = usize::from(layer.known.is_empty());
    let count = layer.dice.between(fewest, 3);
    layer.resources(count);
    if depth < 2 && layer.dice.chance(12) {
        layer.below(Role::Component, depth);
    }
    let count = if role == Role::Base { layer.dice.below(3) } else { layer.dice.between(1, 4) };
    for _ in 0..count {
        let (name, add) = layer.dice.pick(FEATURES);
        if !layer.fields.contains_key(*name) {
            add(&mut layer);
            layer.uses(name);
        }
    }
    let fields = Value::Object(std::mem::take(&mut layer.fields));
    let freedom = if layer.dice.chance(70) { PLAIN } else { FREE };
    let text = layer.yaml(freedom, &fields);
    let name = if layer.dice.chance(96) { "kustomization.yaml" } else { "Kustomization" };
    layer.write(name, text);
    layer.known
}
