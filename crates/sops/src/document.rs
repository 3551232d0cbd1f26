//! Documents: what they are wrapped with, and what they hold.

use manifest::{Map, Value, yaml};
use zeroize::Zeroizing;

use crate::cipher::{open, open_bytes};
use crate::error::Error;
use crate::format::Format;
use crate::keys::{DataKey, DataKeys, Wrapped};
use crate::lines::{self, Line};
use crate::metadata::{Covered, KEY, Metadata, Rule};
use crate::tree::{Walk, joined};

/// The key of a wrapped binary.
const DATA: &str = "data";
const NO_DATA: &str = "no binary data found in tree";

/// A document that was read.
struct Document {
    metadata: Metadata,
    content: Content,
}

enum Content {
    Trees(Vec<Map>),
    Lines(Vec<Line>),
}

/// What the data key of a document is wrapped with.
pub fn wrapped(bytes: &[u8], format: Format) -> Result<Wrapped, Error> {
    read(bytes, format).map(|document| document.metadata.wrapped)
}

/// The document in plain, in a format that may be another one. Each value is authenticated by
/// itself, at its place; [`is_intact`] tells of the whole.
pub fn decrypt(
    bytes: &[u8],
    from: Format,
    to: Format,
    keys: &DataKeys,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Document { metadata, content } = read(bytes, from)?;
    let key = keys.get(&metadata.wrapped).map_err(Error::DataKey)?;
    let mut walk = Walk::new(key, &metadata);
    let trees = match content {
        Content::Lines(mut lines) => {
            lines::open_all(&mut lines, &mut walk).map_err(Error::Value)?;
            match (from, to) {
                (Format::Dotenv, Format::Dotenv) => return Ok(text(&lines::write_dotenv(&lines))),
                (Format::Ini, Format::Ini) => return Ok(text(&lines::write_ini(&lines))),
                _ => vec![lines::tree(&lines)],
            }
        }
        Content::Trees(trees) if from == Format::Binary && to == Format::Binary => {
            return binary(&trees, key, &metadata.rule);
        }
        Content::Trees(mut trees) => {
            for tree in &mut trees {
                walk.map(tree).map_err(Error::Value)?;
            }
            trees
        }
    };
    if let (Format::Yaml, Format::Yaml, Ok(source)) = (from, to, std::str::from_utf8(bytes))
        && let Some(opened) = crate::yaml::open_lines(source, &walk)
        && means(&opened, &trees)
    {
        return Ok(text(&opened));
    }
    write(trees, from, to)
}

/// Whether a document is as it was encrypted: its message authentication code fits. Nobody is refused
/// for it, as in the reference, because people edit what is not encrypted.
pub fn is_intact(bytes: &[u8], format: Format, keys: &DataKeys) -> Result<bool, Error> {
    let Document { metadata, content } = read(bytes, format)?;
    let key = keys.get(&metadata.wrapped).map_err(Error::DataKey)?;
    let mut walk = Walk::new(key, &metadata);
    match content {
        Content::Trees(trees) if format == Format::Binary => {
            walk.saw(&binary(&trees, key, &metadata.rule)?, Covered::Encrypted);
        }
        Content::Trees(mut trees) => {
            trees.iter_mut().try_for_each(|tree| walk.map(tree)).map_err(Error::Value)?;
        }
        Content::Lines(mut lines) => {
            lines::open_all(&mut lines, &mut walk).map_err(Error::Value)?;
        }
    }
    let code = open(&metadata.code, key, &metadata.modified).map_err(Error::Value)?;
    Ok(*code.text == walk.code())
}

/// The bytes that were wrapped, which need be no text.
fn binary(trees: &[Map], key: &DataKey, rule: &Rule) -> Result<Zeroizing<Vec<u8>>, Error> {
    let data = trees.first().and_then(|tree| tree.get(DATA)?.as_str());
    let (from, to, problem) = (Format::Binary.name(), Format::Binary.name(), NO_DATA);
    let data = data.ok_or(Error::Emit { from, to, problem })?;
    let path = [DATA.to_owned()];
    if !rule.covers(&path, Some(data)) {
        return Ok(text(data));
    }
    let opened = open_bytes(data, key, &joined(&path)).map_err(Error::Value)?;
    Ok(opened.0)
}

fn text(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

/// Whether a text of YAML is these trees.
fn means(text: &str, trees: &[Map]) -> bool {
    let Ok(documents) = yaml::read_manifests(text) else { return false };
    let as_read = |tree: &Map| yaml::read_one(&yaml::to_string(&tree.clone().into())).ok();
    documents.len() == trees.len()
        && documents
            .iter()
            .zip(trees)
            .all(|(read, tree)| as_read(tree).as_ref() == Some(&read.value))
}

/// Whether an object is an encrypted document: it has metadata with a code.
pub fn is_encrypted(object: &Value) -> bool {
    let code = object.at(&[KEY, "mac"]).map(Value::to_text);
    code.is_some_and(|code| !code.is_empty())
}

/// What the data key of an encrypted object is wrapped with.
pub fn wrapped_of(object: &Value) -> Result<Wrapped, Error> {
    metadata_of(object).map(|metadata| metadata.wrapped)
}

/// An encrypted object in plain, without what it says of itself.
pub fn decrypt_object(object: &Value, keys: &DataKeys) -> Result<Value, Error> {
    let metadata = metadata_of(object)?;
    let key = keys.get(&metadata.wrapped).map_err(Error::DataKey)?;
    let mut map = object.as_map().cloned().unwrap_or_default();
    map.shift_remove(KEY);
    Walk::new(key, &metadata).map(&mut map).map_err(Error::Value)?;
    Ok(map.into())
}

fn metadata_of(object: &Value) -> Result<Metadata, Error> {
    let metadata = object.get(KEY).map(Metadata::parse);
    metadata.unwrap_or_else(|| Err(NOT_FOUND.into())).map_err(|problem| load(Format::Json, problem))
}

const NOT_FOUND: &str = "sops metadata not found";

fn load(format: Format, problem: impl Into<String>) -> Error {
    Error::Load { format: format.name(), problem: problem.into() }
}

fn read(bytes: &[u8], format: Format) -> Result<Document, Error> {
    let failed = |problem: String| load(format, problem);
    let source = std::str::from_utf8(bytes).map_err(|_| failed("it is no text".into()))?;
    let (content, metadata) = match format {
        Format::Yaml => trees(read_yaml(source).map_err(failed)?),
        Format::Json | Format::Binary => {
            // The parser's own words do not quote the document.
            let value: serde_json::Value = serde_json::from_str(source)
                .map_err(|error| failed(format!("Could not unmarshal input data: {error}")))?;
            match Value::from(value) {
                Value::Map(map) => trees(vec![map]),
                _ => return Err(failed("Could not unmarshal input data: no object".into())),
            }
        }
        Format::Dotenv => split(lines::read_dotenv(source).map_err(failed)?),
        Format::Ini => split(lines::read_ini(source).map_err(failed)?),
    };
    let metadata = metadata.ok_or_else(|| failed(NOT_FOUND.into()))?;
    let metadata = Metadata::parse(&metadata).map_err(failed)?;
    Ok(Document { metadata, content })
}

fn split(read: lines::Lines) -> (Content, Option<Value>) {
    (Content::Lines(read.lines), read.metadata)
}

fn read_yaml(source: &str) -> Result<Vec<Map>, String> {
    let documents = yaml::read_manifests(source)
        .map_err(|error| format!("Error unmarshaling input YAML: {error}"))?;
    let map = |document: yaml::Document| match document.value {
        Value::Map(map) => Ok(map),
        _ => Err("Error unmarshaling input YAML: YAML documents that are values are not supported"
            .to_owned()),
    };
    documents.into_iter().map(map).collect()
}

/// The metadata is the first document's; the others repeat it.
fn trees(mut trees: Vec<Map>) -> (Content, Option<Value>) {
    let mut metadata = None;
    for (at, tree) in trees.iter_mut().enumerate() {
        let found = tree.shift_remove(KEY);
        if at == 0 {
            metadata = found;
        }
    }
    (Content::Trees(trees), metadata)
}

fn write(trees: Vec<Map>, from: Format, to: Format) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |problem| Error::Emit { from: from.name(), to: to.name(), problem };
    let first = || trees.first().cloned().ok_or_else(|| failed("there is nothing in it"));
    Ok(match to {
        Format::Yaml => {
            let documents: Vec<_> =
                trees.into_iter().map(|tree| yaml::to_source(&tree.into())).collect();
            text(&documents.join("---\n"))
        }
        Format::Json => {
            let mut out = Zeroizing::new(Vec::new());
            let layout = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            let mut writer = serde_json::Serializer::with_formatter(&mut *out, layout);
            let value = serde_json::Value::from(Value::from(first()?));
            serde::Serialize::serialize(&value, &mut writer)
                .map_err(|_| failed("it cannot be written"))?;
            let json = Zeroizing::new(String::from_utf8_lossy(&out).into_owned());
            text(
                &(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
                    + "\n"),
            )
        }
        Format::Binary => match first()?.get(DATA).and_then(Value::as_str) {
            Some(data) => text(data),
            None => return Err(failed(NO_DATA)),
        },
        Format::Dotenv => {
            let pair = |(key, value): (manifest::Key, Value)| match value {
                Value::Map(_) | Value::List(_) => {
                    Err(failed("cannot use complex value in dotenv file"))
                }
                scalar => Ok(Line::Pair(key.to_string(), scalar.to_text())),
            };
            let pairs: Result<Vec<_>, _> = first()?.into_iter().map(pair).collect();
            text(&lines::write_dotenv(&pairs?))
        }
        Format::Ini => {
            let mut all = Vec::new();
            for (name, section) in first()? {
                all.push(Line::Section(name.to_string()));
                let Value::Map(section) = section else {
                    return Err(failed("Section values should always be TreeBranches"));
                };
                let pairs =
                    section.into_iter().map(|(k, v)| Line::Pair(k.to_string(), v.to_text()));
                all.extend(pairs);
            }
            text(&lines::write_ini(&all))
        }
    })
}
