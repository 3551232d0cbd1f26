//! ConfigMaps and Secrets made from literals, files and environment files.

use serde_json::{Map, Value, json};

use crate::scalars::{SETTINGS, SPACES, pairs};
use crate::tree::Layer;

const LITERALS: &[&str] = &[
    "a=b",
    "A=",
    "x='quoted'",
    "y=\"double\"",
    "z='it''s'",
    "u=a=b",
    "s= spaced ",
    "n=line\\nbreak",
    "q=\"",
    "w='open",
    "e=\u{e9}\u{1f600}",
    "b=true",
    "c=0x1f",
    "d=1e3",
    "t=a\tb",
    "m=two\nlines\n",
    "k.with-dots_=1",
    "r=\"'both'\"",
    "j={\"a\":1}",
    "h=# not a comment",
    "nil=null",
    "tilde=~",
    "multi=a\n\n  b\n",
    "trail=x ",
    "long=The quick brown fox jumps over the lazy dog and on and on until it has to be folded somewhere, or not",
];
const FILES: &[(&str, &str)] = &[
    ("plain.txt", "hello\n"),
    ("empty.txt", ""),
    ("app.properties", "a=1\nb = two\n# c\n\n"),
    ("no-newline.conf", "last line"),
    ("crlf.txt", "a\r\nb\r\n"),
    ("tabs.txt", "\ta\tb\n"),
    ("trailing.txt", "a \nb  \n"),
    ("lead.txt", "  a\n b\n"),
    ("deep.yaml", "a:\n  - b: \"c\"\n---\nd\n"),
    ("unicode.txt", "h\u{e9}llo \u{1f600}\n"),
    ("blank.txt", "\n\n"),
    ("bell.txt", "\u{7}\n"),
    (
        "long.txt",
        "The quick brown fox jumps over the lazy dog and on and on until it has to be folded somewhere, or not",
    ),
    ("bom.txt", "\u{feff}a\n"),
    ("many.txt", "a\n\n\nb\n\n\n"),
];
const ENVS: &[&str] = &[
    "A=1\nB=two words\n",
    "# comment\n\nC='quoted'\nD=\"double\"\n",
    "E=a=b\n F=lead\nG= space \n",
    "H=\nI=x # no comment\n",
    "J=\\n\nK=\u{e9}\n",
    "L=1\r\nM=2\r\n",
    "\u{feff}N=bom\n",
    "O=no newline",
];

/// The fields that both kinds share.
pub fn arguments(layer: &mut Layer<'_>) -> Map<String, Value> {
    let mut made = Map::new();
    made.insert("name".into(), json!(*layer.dice.pick(SETTINGS)));
    if layer.dice.chance(70) {
        let literals = layer.dice.some(LITERALS, 12);
        made.insert("literals".into(), json!(literals));
    }
    if layer.dice.chance(40) {
        let files = files(layer);
        made.insert("files".into(), files);
    }
    if layer.dice.chance(25) {
        let name = layer.fresh("vars", "env");
        let text = (*layer.dice.pick(ENVS)).to_owned();
        layer.write(&name, text);
        if layer.dice.chance(80) {
            made.insert("envs".into(), json!([name]));
        } else {
            made.insert("env".into(), json!(name));
        }
    }
    if layer.dice.chance(20) {
        made.insert("namespace".into(), json!(*layer.dice.pick(SPACES)));
    }
    if layer.dice.chance(40) {
        let options = option_fields(layer);
        made.insert("options".into(), options);
    }
    made
}

fn files(layer: &mut Layer<'_>) -> Value {
    let chosen = layer.dice.some(FILES, 12);
    chosen
        .into_iter()
        .map(|(name, text)| {
            layer.write(name, text.to_owned());
            match layer.dice.below(4) {
                0 => json!(format!("{}={name}", layer.dice.pick(&["key", "other.txt", "K_1"]))),
                1 => json!(format!("./{name}")),
                _ => json!(name),
            }
        })
        .collect()
}

fn option_fields(layer: &mut Layer<'_>) -> Value {
    let dice = &mut *layer.dice;
    let mut made = Map::new();
    if dice.chance(40) {
        made.insert("labels".into(), pairs(dice, 10));
    }
    if dice.chance(40) {
        made.insert("annotations".into(), pairs(dice, 50));
    }
    if dice.chance(40) {
        made.insert("disableNameSuffixHash".into(), json!(dice.chance(80)));
    }
    if dice.chance(25) {
        made.insert("immutable".into(), json!(dice.chance(80)));
    }
    Value::Object(made)
}

/// An entry that makes an object, or changes one that is there.
fn entry(layer: &mut Layer<'_>, kind: &str) -> Value {
    let mut made = arguments(layer);
    let there: Vec<_> =
        layer.known.iter().filter(|object| object["kind"] == kind).cloned().collect();
    if let Some(object) = there.first()
        && (layer.dice.chance(35)
            || there.iter().any(|object| object["metadata"]["name"] == made["name"]))
    {
        made.insert("name".into(), object["metadata"]["name"].clone());
        made.shift_remove("namespace");
        if let Some(namespace) = object["metadata"].get("namespace") {
            made.insert("namespace".into(), namespace.clone());
        }
        layer.uses("generators: behavior");
        made.insert("behavior".into(), json!(*layer.dice.pick(&["merge", "merge", "replace"])));
    } else {
        if layer.dice.chance(10) {
            made.insert("behavior".into(), json!("create"));
        }
        layer.known.push(json!({"apiVersion": "v1", "kind": kind,
            "metadata": {"name": made["name"], "namespace": made.get("namespace").cloned().unwrap_or(json!("default"))}, "data": {"a": "b"}}));
    }
    Value::Object(made)
}

/// `configMapGenerator`.
pub fn config_maps(layer: &mut Layer<'_>) {
    for _ in 0..layer.dice.between(1, 2) {
        let made = entry(layer, "ConfigMap");
        layer.append("configMapGenerator", made);
    }
}

/// `secretGenerator`.
pub fn secrets(layer: &mut Layer<'_>) {
    let mut made = entry(layer, "Secret");
    if layer.dice.chance(40) {
        made["type"] = json!(*layer.dice.pick(&["Opaque", "kubernetes.io/tls", "example.com/x"]));
    }
    layer.append("secretGenerator", made);
}

/// `generatorOptions`.
pub fn options(layer: &mut Layer<'_>) {
    let options = option_fields(layer);
    layer.fields.insert("generatorOptions".into(), options);
}
