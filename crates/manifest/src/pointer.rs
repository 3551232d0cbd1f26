//! JSON pointers (RFC 6901) into a manifest.

use crate::Value;

/// A place in a manifest, from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads a pointer; `None` if it does not begin with a slash. The empty one is the root.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let parts = text.strip_prefix('/')?.split('/');
        Some(Self(parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect()))
    }

    /// Its names and indexes.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at this place.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, part| match value {
            Value::Map(map) => map.get(part),
            Value::List(items) => items.get(index(part, items.len())?),
            _ => None,
        })
    }

    /// The value at this place, for editing.
    pub fn get_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(value, |value, part| match value {
            Value::Map(map) => map.get_mut(part),
            Value::List(items) => {
                let at = index(part, items.len())?;
                items.get_mut(at)
            }
            _ => None,
        })
    }

    /// Takes the value at this place out, if there is one; the root stays.
    pub fn remove(&self, value: &mut Value) {
        let Some((last, parents)) = self.0.split_last() else { return };
        match Self(parents.to_vec()).get_mut(value) {
            Some(Value::Map(map)) => {
                map.shift_remove(last);
            }
            Some(Value::List(items)) => {
                if let Some(at) = index(last, items.len()).filter(|at| *at < items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
}

/// A place in a list; a negative one counts from its end.
fn index(part: &str, length: usize) -> Option<usize> {
    match part.strip_prefix('-') {
        Some(back) => length.checked_sub(back.parse().ok()?).filter(|at| *at < length),
        None => part.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn value(text: &str) -> Value {
        yaml::read_one(text).unwrap_or_else(|_| unreachable!("it is YAML"))
    }

    #[test]
    fn a_pointer_leads_through_mappings_and_lists() {
        let tree = value("a:\n  b/c:\n  - x\n  - ~y\n  d~e: 1\n");
        let found = |text: &str| Pointer::parse(text)?.get(&tree).map(Value::to_text);
        assert_eq!(found("/a/b~1c/0").as_deref(), Some("x"));
        assert_eq!(found("/a/b~1c/-1").as_deref(), Some("~y"));
        assert_eq!(found("/a/d~0e").as_deref(), Some("1"));
        for missing in ["/a/x", "/a/b~1c/2", "/a/b~1c/-3", "/a/b~1c/-0", "/a/d~0e/f", "a"] {
            assert_eq!(found(missing), None, "{missing}");
        }
        assert_eq!(Pointer::parse("").map(|root| root.is_root()), Some(true));
    }

    #[test]
    fn what_is_there_is_removed() {
        let mut tree = value("a: [1, 2, 3]\nb: {c: 1}\n");
        for text in ["/a/0", "/a/-1", "/a/9", "/b/c", "/b/x/y", ""] {
            if let Some(pointer) = Pointer::parse(text) {
                pointer.remove(&mut tree);
            }
        }
        assert_eq!(tree, value("a: [2]\nb: {}\n"));
    }
}
