//! What the reference calls the type that a structure asks for: `[]types.Patch`, `map[string]string`.

use serde::de::{self, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::decode::Failure;

/// Answers every question with the name of the type that is asked for.
pub(crate) struct Probe;

/// The reference's name of the type that is asked for.
pub(crate) fn name_of<T>(ask: impl FnOnce(Probe) -> Result<T, Failure>) -> String {
    ask(Probe).err().map_or_else(String::new, |Failure(name)| name)
}

fn named<T>(name: &str) -> Result<T, Failure> {
    Err(Failure(name.to_owned()))
}

impl<'de> de::Deserializer<'de> for Probe {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        named("interface {}")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        named("bool")
    }

    fn deserialize_i64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        named("int64")
    }

    fn deserialize_string<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        named("string")
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Err(Failure(inner)) = visitor.visit_seq(Inner) else { return named("[]interface {}") };
        named(&format!("[]{inner}"))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Err(Failure(inner)) = visitor.visit_map(Inner) else {
            return named("map[string]interface {}");
        };
        named(&format!("map[string]{inner}"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Failure> {
        named(name)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 u8 u16 u32 u64 i128 u128 f32 f64 char str bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier ignored_any
    }
}

/// One entry, whose type is asked for.
struct Inner;

impl<'de> de::SeqAccess<'de> for Inner {
    type Error = Failure;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        seed.deserialize(Probe).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Inner {
    type Error = Failure;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        seed.deserialize("".into_deserializer()).map(Some)
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Failure> {
        seed.deserialize(Probe)
    }
}
