//! Digests of parts of objects. Two values have the same digest if they are equal.

use manifest::Value;
use manifest::value::Number;
use sha2::{Digest as _, Sha256};

/// A digest.
pub(crate) type Sum = [u8; 16];

/// Takes in values one after the other.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

/// The digest of one value.
pub(crate) fn sum(value: &Value) -> Sum {
    let mut hasher = Hasher::default();
    hasher.value(value);
    hasher.finish()
}

impl Hasher {
    /// Takes in a value, each part led by its kind and length, so that no two values give the same
    /// bytes. The order of keys does not matter.
    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Map(map) => self.pairs(map.iter().map(|(key, value)| (key.as_str(), value))),
            Value::List(list) => {
                self.length(b'l', list.len());
                for item in list {
                    self.value(item);
                }
            }
            Value::String(string) => self.text(b's', string),
            Value::Null => self.0.update([b'n']),
            Value::Bool(flag) => self.0.update([b'b', u8::from(*flag)]),
            Value::Number(number) => match number.number() {
                Number::Int(number) => self.text(b'i', &number.to_string()),
                Number::UInt(number) => self.text(b'i', &number.to_string()),
                Number::Float(number) => self.text(b'f', &number.to_string()),
            },
        }
    }

    /// Takes in the entries of a mapping.
    pub(crate) fn pairs<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a Value)>) {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(key, _)| *key);
        self.length(b'm', pairs.len());
        for (key, value) in pairs {
            self.text(b'k', key);
            self.value(value);
        }
    }

    fn text(&mut self, kind: u8, text: &str) {
        self.length(kind, text.len());
        self.0.update(text);
    }

    fn length(&mut self, kind: u8, length: usize) {
        self.0.update([kind]);
        self.0.update(length.to_le_bytes());
    }

    /// The digest of everything so far.
    pub(crate) fn finish(self) -> Sum {
        let mut sum = Sum::default();
        sum.copy_from_slice(&self.0.finalize()[..16]);
        sum
    }
}
