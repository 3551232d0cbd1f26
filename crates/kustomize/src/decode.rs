//! Trees → structures, as Go's JSON decoder does it: names fit in any case, null is the zero value,
//! entries are read in the order of their names, and the first error is worded alike.
//!
//! A structure bears the reference's name for it (`types.Patch`), which its errors quote.

use std::fmt;

use manifest::{Map, Value};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::go_type::name_of;

/// Fields that the reference keeps in an embedded structure, which its errors name.
const EMBEDDED: &[(&str, &[&str], &[&str])] = &[
    ("Kustomization", &["TypeMeta"], &["apiVersion", "kind"]),
    ("ConfigMapArgs", &["GeneratorArgs"], &["name", "namespace", "behavior", "options"]),
    ("ConfigMapArgs", &["GeneratorArgs", "KvPairSources"], &["literals", "files", "envs", "env"]),
    ("Selector", &["ResId", "Gvk"], &["group", "version", "kind"]),
    ("Selector", &["ResId"], &["name", "namespace"]),
    ("SourceSelector", &["ResId", "Gvk"], &["group", "version", "kind"]),
    ("SourceSelector", &["ResId"], &["name", "namespace"]),
    ("ReplacementField", &["Replacement"], &["source", "targets", "sourceValue"]),
    ("Target", &["Gvk"], &["group", "version", "kind"]),
    ("FieldSpec", &["Gvk"], &["group", "version", "kind"]),
    ("NameBackReferences", &["Gvk"], &["group", "version", "kind"]),
];

/// What becomes of what a structure does not ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// An unknown field is an error, and so is a number for a text.
    Strict,
    /// Unknown fields are ignored, numbers and truth values become texts.
    Lenient,
}

/// Turns a tree into a structure that has all of its fields.
pub(crate) fn strict<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    decode(value, Rules::Strict)
}

/// Turns a tree into a structure that has some of its fields.
pub(crate) fn lenient<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    decode(value, Rules::Lenient)
}

fn decode<T: DeserializeOwned>(value: &Value, rules: Rules) -> Result<T, String> {
    T::deserialize(Decoder { value, rules, place: &Place::Root }).map_err(|Failure(text)| text)
}

/// Why a tree is not what a structure asks for.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(format!("json: {text}"))
    }
}

/// The fields that lead to a value.
enum Place<'a> {
    Root,
    Field { above: &'a Place<'a>, structure: &'static str, name: &'static str },
}

impl Place<'_> {
    fn names(&self) -> Vec<&'static str> {
        let Self::Field { above, structure, name } = self else { return Vec::new() };
        let mut names = above.names();
        let embedded = EMBEDDED.iter().find(|(of, _, fields)| {
            let of_both = *structure == "SecretArgs" && *of == "ConfigMapArgs";
            (of == structure || of_both) && fields.contains(name)
        });
        names.extend(embedded.into_iter().flat_map(|(_, path, _)| path.iter()));
        names.push(name);
        names
    }
}

struct Decoder<'a> {
    value: &'a Value,
    rules: Rules,
    place: &'a Place<'a>,
}

/// The last part of a name such as `types.Patch`.
fn unqualified(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Decoder<'_> {
    fn integer<'de, V: Visitor<'de>>(self, wanted: &str, visitor: V) -> Result<V::Value, Failure> {
        match (self.value, self.value.as_i64()) {
            (_, Some(number)) => visitor.visit_i64(number),
            (Value::Null, _) => visitor.visit_i64(0),
            _ => self.misfit(wanted),
        }
    }

    fn misfit<T>(&self, wanted: &str) -> Result<T, Failure> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            number @ Value::Number(_) if wanted.starts_with("int") => {
                format!("number {}", number.to_text())
            }
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::List(_) => "array".to_owned(),
            Value::Map(_) => "object".to_owned(),
        };
        let place = match self.place {
            Place::Root => "Go value".to_owned(),
            Place::Field { structure, .. } => {
                format!("Go struct field {structure}.{}", self.place.names().join("."))
            }
        };
        Err(Failure(format!("json: cannot unmarshal {found} into {place} of type {wanted}")))
    }
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let json = serde_json::Value::from(self.value.clone());
        json.into_deserializer().deserialize_any(visitor).map_err(de::Error::custom)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Null => visitor.visit_bool(false),
            _ => self.misfit("bool"),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer("int64", visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer("int", visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Null => visitor.visit_str(""),
            scalar @ (Value::Bool(_) | Value::Number(_)) if self.rules == Rules::Lenient => {
                visitor.visit_string(scalar.to_text())
            }
            _ => self.misfit("string"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let items = match self.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            _ => return self.misfit(&name_of(|probe| probe.deserialize_seq(visitor))),
        };
        let rest = items.iter();
        visitor.visit_seq(Items { rest, rules: self.rules, place: self.place })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let empty = Map::new();
        let map = match self.value {
            Value::Map(map) => map,
            Value::Null => &empty,
            _ => return self.misfit(&name_of(|probe| probe.deserialize_map(visitor))),
        };
        let mut entries = Entries::new(self.rules, self.place);
        entries.list.extend(map.iter().map(|(key, value)| (Name::Key(key), value)));
        visitor.visit_map(entries)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let empty = Map::new();
        let map = match self.value {
            Value::Map(map) => map,
            Value::Null => &empty,
            _ => return self.misfit(name),
        };
        let mut sorted: Vec<_> = map.iter().collect();
        sorted.sort_by_key(|(key, _)| key.as_str());
        let mut entries = Entries::new(self.rules, self.place);
        for (key, value) in sorted {
            let same = |field: &&&str| field.eq_ignore_ascii_case(key);
            let field = fields.iter().find(|field| *field == key);
            match field.or_else(|| fields.iter().find(same)) {
                Some(_) if value.is_null() => {}
                Some(field) => entries.put(Name::Field(unqualified(name), field), value),
                None if self.rules == Rules::Strict => {
                    entries.list.push((Name::Unknown(key), value));
                }
                None => {}
            }
        }
        visitor.visit_map(entries)
    }

    forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct enum identifier ignored_any
    }
}

struct Items<'a> {
    rest: std::slice::Iter<'a, Value>,
    rules: Rules,
    place: &'a Place<'a>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Decoder { value, rules: self.rules, place: self.place }).map(Some)
    }
}

/// What an entry is called.
#[derive(Clone, Copy, PartialEq)]
enum Name<'a> {
    /// A field of the named structure.
    Field(&'static str, &'static str),
    /// A key of a mapping.
    Key(&'a str),
    /// A field that the structure does not have.
    Unknown(&'a str),
}

struct Entries<'a> {
    list: Vec<(Name<'a>, &'a Value)>,
    next: usize,
    rules: Rules,
    place: &'a Place<'a>,
}

impl<'a> Entries<'a> {
    fn new(rules: Rules, place: &'a Place<'a>) -> Self {
        Self { list: Vec::new(), next: 0, rules, place }
    }

    /// Adds a field; of two that differ in case only, the later one holds.
    fn put(&mut self, name: Name<'a>, value: &'a Value) {
        self.list.retain(|(other, _)| *other != name);
        self.list.push((name, value));
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        match self.list.get(self.next) {
            None => Ok(None),
            Some((Name::Unknown(name), _)) => {
                Err(Failure(format!("json: unknown field \"{name}\"")))
            }
            Some((Name::Field(_, name) | Name::Key(name), _)) => {
                seed.deserialize((*name).into_deserializer()).map(Some)
            }
        }
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Failure> {
        let (name, value) =
            self.list.get(self.next).copied().unwrap_or((Name::Key(""), &Value::Null));
        self.next += 1;
        let rules = self.rules;
        match name {
            Name::Field(structure, name) => {
                let place = Place::Field { above: self.place, structure, name };
                seed.deserialize(Decoder { value, rules, place: &place })
            }
            _ => seed.deserialize(Decoder { value, rules, place: self.place }),
        }
    }
}
