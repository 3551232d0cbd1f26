//! The fields of the built-in kinds of Kubernetes 1.36, as their Go types have them.
//!
//! `kinds.txt` is written by `remake.sh` from `k8s.io/client-go`: a line a
//! kind with the number of its structure (`!` where it is no object), an empty line, then a line a
//! structure. A field is `name:type` and the flags `?` (omitempty) and `z` (omitzero); a type is a
//! number of a structure, `*` `[` `{` for pointer, list and mapping to what follows, or a letter of
//! [`Scalar`].

use std::collections::HashMap;
use std::sync::LazyLock;

use manifest::Gvk;

use super::scalars::Scalar;

/// What a field holds.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Pointer(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>),
    Structure(usize),
    Scalar(Scalar),
}

/// A field of a structure.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) omits_empty: bool,
    pub(super) omits_zero: bool,
}

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// An object of this structure.
    Object(usize),
    /// No object, such as a list.
    NoObject,
}

/// All kinds and their structures.
pub(super) struct Kinds {
    /// By `group/version/kind`.
    kinds: HashMap<&'static str, Known>,
    structures: Vec<Vec<Field>>,
}

impl Kinds {
    /// The table; read once.
    pub(super) fn get() -> &'static Self {
        static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::read(include_str!("kinds.txt")));
        &KINDS
    }

    fn read(text: &'static str) -> Self {
        let (kinds, structures) = text.split_once("\n\n").unwrap_or_default();
        let kind = |line: &'static str| {
            let (name, number) = line.split_once(' ')?;
            Some((name, number.parse().map_or(Known::NoObject, Known::Object)))
        };
        let fields = |line: &str| line.split_ascii_whitespace().filter_map(field).collect();
        Self {
            kinds: kinds.lines().filter_map(kind).collect(),
            structures: structures.lines().map(fields).collect(),
        }
    }

    /// What is known of a kind; nothing if it is not built in.
    pub(super) fn of(&self, gvk: &Gvk) -> Option<Known> {
        let name = format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind);
        self.kinds.get(name.as_str()).copied()
    }

    /// The fields of a structure.
    pub(super) fn fields(&self, number: usize) -> &[Field] {
        self.structures.get(number).map_or(&[], Vec::as_slice)
    }
}

fn field(text: &str) -> Option<Field> {
    let (name, kind) = text.split_once(':')?;
    let bare = kind.trim_end_matches(['?', 'z']);
    let flags = &kind[bare.len()..];
    Some(Field {
        name: name.to_owned(),
        kind: type_of(bare)?,
        omits_empty: flags.contains('?'),
        omits_zero: flags.contains('z'),
    })
}

fn type_of(text: &str) -> Option<Type> {
    let inner = |text: &str| type_of(text).map(Box::new);
    Some(match text.chars().next()? {
        '*' => Type::Pointer(inner(&text[1..])?),
        '[' => Type::List(inner(&text[1..])?),
        '{' => Type::Map(inner(&text[1..])?),
        '0'..='9' => Type::Structure(text.parse().ok()?),
        letter => Type::Scalar(Scalar::of(letter)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let text = include_str!("kinds.txt");
        let kinds = Kinds::get();
        let (head, tail) = text.split_once("\n\n").unwrap_or_default();
        assert_eq!(kinds.kinds.len(), head.lines().count());
        assert_eq!(kinds.structures.len(), tail.lines().count());
        for (line, fields) in tail.lines().zip(&kinds.structures) {
            assert_eq!(line.split_ascii_whitespace().count(), fields.len(), "{line}");
        }
    }
}
