//! Texts → resources: lists taken apart, everything else with a kind and a name.

use manifest::value::Number;
use manifest::yaml::{self, Document, Step};
use manifest::{Key, Map, Style, Text, Value};

use crate::Error;
use crate::resource::Resource;

/// Reads the objects of a manifest's text; lists are taken apart.
pub(crate) fn read(text: &str, threads: usize) -> Result<Vec<Resource>, ReadError> {
    let documents = yaml::read_as_written(text, threads)?;
    let alone = documents.len() == 1;
    let mut queue = Vec::new();
    for document in documents {
        match document.value {
            Value::Map(mut map)
                if alone
                    && matches!(
                        map.get("kind").and_then(Value::as_str),
                        Some("List" | "ResourceList")
                    )
                    && (map.contains_key("items") || map.contains_key("functionConfig")) =>
            {
                match map.shift_remove("items") {
                    Some(Value::List(items)) => {
                        let item = |(at, value)| {
                            let front = [Step::Key("items".to_owned()), Step::Item(at)];
                            let inside =
                                |path: &Vec<Step>| Some(path.strip_prefix(&front)?.to_vec());
                            let blanks = document.blanks.iter().filter_map(inside).collect();
                            Document { value, blanks, flow: false }
                        };
                        queue.extend(items.into_iter().enumerate().map(item));
                    }
                    Some(Value::Map(items)) if !items.is_empty() => {
                        return Err(ReadError::Rule(NO_METADATA.to_owned()));
                    }
                    _ => {}
                }
            }
            value => queue.push(Document { value, ..document }),
        }
    }
    let mut resources = Vec::new();
    let mut queue: std::collections::VecDeque<_> = checked(queue)?.into();
    while let Some(document) = queue.pop_front() {
        let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !kind.ends_with("List") {
            resources.push(document);
            continue;
        }
        match document.value.get("items") {
            None => resources.push(document),
            Some(Value::Null) => {}
            Some(Value::List(items)) => {
                let item = |item| {
                    through_json(item).map(|value| Document {
                        value,
                        blanks: Vec::new(),
                        flow: true,
                    })
                };
                let items = items.iter().map(item).collect::<Result<_, _>>()?;
                queue.extend(checked(items)?);
            }
            Some(other) => {
                let found = go_type(other);
                let text = format!("expected array in {kind}/items, but found {found}");
                return Err(ReadError::Rule(text));
            }
        }
    }
    let resource =
        |Document { value, blanks, flow }| Resource { blanks, flow, ..Resource::new(value) };
    Ok(resources.into_iter().map(resource).collect())
}

/// An item of a list of any kind becomes JSON, in which every text is in quotes.
fn through_json(value: &Value) -> Result<Value, yaml::Error> {
    Ok(match value {
        Value::List(items) => items.iter().map(through_json).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Map(map) => {
            let entry = |(key, value): (&Key, _)| Ok((key.clone(), through_json(value)?));
            map.iter().map(entry).collect::<Result<Map, yaml::Error>>()?.into()
        }
        scalar => {
            let mut scalar = scalar.clone();
            scalar.unfold();
            scalar.settle()?;
            match scalar {
                Value::String(text) => Text::new(text.into_string(), Style::Double).into(),
                other => other,
            }
        }
    })
}

/// Why a text holds no objects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Yaml(yaml::Error),
    #[error("{0}")]
    Rule(String),
}

impl From<yaml::Error> for ReadError {
    fn from(error: yaml::Error) -> Self {
        match error {
            // Not the grammar is broken, but a rule of what stands on it.
            yaml::Error::Separator(_) | yaml::Error::DuplicateMerge => {
                Self::Rule(error.to_string())
            }
            yaml::Error::Merge => {
                Self::Rule("map merge requires map or sequence of maps as the value".to_owned())
            }
            other => Self::Yaml(other),
        }
    }
}

impl ReadError {
    /// Names the file that the text came from.
    pub(crate) fn in_file(self, file: &str) -> Error {
        match self {
            Self::Yaml(source) => Error::Malformed { file: file.to_owned(), source },
            Self::Rule(text) => Error::Rule(text),
        }
    }
}

const NO_METADATA: &str = "missing Resource metadata";

/// What an object lacks, if it lacks a kind or a name.
pub(crate) fn missing(value: &Value) -> Option<String> {
    let has = |keys: &[&str]| value.at(keys).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    if has(&["kind"]) && has(&["metadata", "name"]) {
        return None;
    }
    let text = |keys: &[&str]| value.at(keys).map(Value::to_text).unwrap_or_default();
    let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
    let missing = match (kind.as_str(), name.as_str()) {
        ("", _) => "kind",
        (kind, "") if !kind.ends_with("List") => "metadata.name",
        _ => return None,
    };
    let texts = |field| {
        let map = value.at(&["metadata", field]).and_then(Value::as_map);
        let mut texts: Vec<_> = map
            .into_iter()
            .flat_map(Map::iter)
            .map(|(key, value)| format!("{key}:{}", value.to_text()))
            .collect();
        texts.sort();
        texts.join(" ")
    };
    let (api_version, namespace) = (text(&["apiVersion"]), text(&["metadata", "namespace"]));
    let (labels, annotations) = (texts("labels"), texts("annotations"));
    let parts = [&api_version, &kind, &name, &namespace, &labels, &annotations];
    if parts.iter().all(|part| part.is_empty()) {
        return Some(NO_METADATA.to_owned());
    }
    Some(format!(
        "missing {missing} in object {{{{{api_version} {kind}}} {{{{{name} {namespace}}} \
         map[{labels}] map[{annotations}]}}}}"
    ))
}

/// What Go calls the type of a value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(numeral) if matches!(numeral.number(), Number::Float(_)) => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    }
}

/// Leaves out what is empty; everything else needs a kind and a name.
fn checked(documents: Vec<Document>) -> Result<Vec<Document>, ReadError> {
    let mut result = Vec::with_capacity(documents.len());
    for document in documents {
        match &document.value {
            Value::Null => continue,
            Value::Map(map) if map.is_empty() => continue,
            value => missing(value).map_or(Ok(()), |text| Err(ReadError::Rule(text)))?,
        }
        result.push(document);
    }
    Ok(result)
}
