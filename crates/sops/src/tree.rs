//! Documents as trees: which values are encrypted, and what they become.

use manifest::{Map, Value, value::Number};
use ring::digest::{Context, SHA512};

use crate::cipher::{Kind, Plain, open};
use crate::keys::DataKey;
use crate::metadata::{Covered, Metadata, Rule};

/// Where a walk is, and what it works with.
pub(crate) struct Walk<'a> {
    pub(crate) key: &'a DataKey,
    pub(crate) rule: &'a Rule,
    path: Vec<String>,
    covered: Covered,
    code: Context,
}

/// What a code begins with that covers encrypted values only.
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

impl<'a> Walk<'a> {
    pub(crate) fn new(key: &'a DataKey, metadata: &'a Metadata) -> Self {
        let mut code = Context::new(&SHA512);
        if metadata.code_of == Covered::Encrypted {
            code.update(&ENCRYPTED_ONLY);
        }
        let (rule, covered) = (&metadata.rule, metadata.code_of);
        Self { key, rule, path: Vec::new(), covered, code }
    }

    /// A value was seen in plain; the code covers it where it should.
    pub(crate) fn saw(&mut self, plain: &[u8], was: Covered) {
        if self.covered == Covered::All || was == Covered::Encrypted {
            self.code.update(plain);
        }
    }

    /// The code of all that was seen.
    pub(crate) fn code(self) -> String {
        hex::encode_upper(self.code.finish())
    }

    /// Opens every encrypted value of a mapping.
    pub(crate) fn map(&mut self, map: &mut Map) -> Result<(), String> {
        for (key, value) in map.iter_mut() {
            self.path.push(key.to_string());
            self.value(value)?;
            self.path.pop();
        }
        Ok(())
    }

    fn value(&mut self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::Map(map) => self.map(map),
            Value::List(items) => {
                for item in items.iter_mut() {
                    self.value(item)?;
                }
                // Comments of a list are items until they are open.
                items.retain(|item| !matches!(item, Value::String(text) if &**text == COMMENT));
                Ok(())
            }
            Value::Null => Ok(()),
            scalar => {
                if !self.rule.covers(&self.path, scalar.as_str()) {
                    self.saw(spelling(scalar).as_bytes(), Covered::All);
                    return Ok(());
                }
                let text = scalar.as_str().ok_or_else(|| {
                    format!("Expected encrypted value as string, but got {}", type_name(scalar))
                })?;
                let plain = open(text, self.key, &joined(&self.path))?;
                if plain.kind != Kind::Comment {
                    self.saw(plain.text.as_bytes(), Covered::Encrypted);
                }
                *scalar = plain_value(&plain);
                Ok(())
            }
        }
    }
}

/// What a comment in a list becomes until the list is done; no value is this.
const COMMENT: &str = "\u{0}comment";

/// A path as values are bound to it.
pub(crate) fn joined(path: &[String]) -> String {
    let mut out = path.join(":");
    out.push(':');
    out
}

/// A scalar as codes cover it.
fn spelling(scalar: &Value) -> String {
    match scalar {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(numeral) => match numeral.number() {
            Number::Int(number) => number.to_string(),
            Number::UInt(number) => number.to_string(),
            Number::Float(number) => number.to_string(),
        },
        other => other.to_text(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        _ => "string",
    }
}

fn plain_value(plain: &Plain) -> Value {
    let text = plain.text.as_str();
    let string = || Value::from(text);
    match plain.kind {
        Kind::Text | Kind::Time => string(),
        Kind::Comment => Value::from(COMMENT),
        Kind::Bool => Value::Bool(text.eq_ignore_ascii_case("true")),
        Kind::Int => text.parse::<i64>().map_or_else(|_| string(), Value::from),
        Kind::Float => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::from(Number::from(number)),
            _ => string(),
        },
    }
}
