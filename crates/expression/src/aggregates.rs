//! Static types of lists, maps and messages.

use crate::ast::{Field, Item, Pair};
use crate::check::Checker;
use crate::messages;
use crate::types::Type;
use crate::unify::more_general;

impl Checker {
    /// The more general of two types, or `dyn`.
    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        match previous {
            None => current,
            Some(previous) if self.unifier.assign(&previous, &current) => {
                more_general(previous, current)
            }
            Some(_) => Type::Dyn,
        }
    }

    /// What an optional item holds.
    fn inner(&mut self, at: usize, optional: bool, kind: Type) -> Type {
        match (optional, kind) {
            (true, Type::Optional(inner)) => (*inner).clone(),
            (true, kind) if kind != Type::Dyn => {
                self.mismatch(at, &Type::optional(kind.clone()), &kind);
                kind
            }
            (_, kind) => kind,
        }
    }

    /// Notes types that must be equal in the end.
    fn demand_equal(&mut self, types: Vec<(usize, Type)>) {
        if self.in_format == 0 && types.len() > 1 {
            self.literals.push(types);
        }
    }

    pub(crate) fn list(&mut self, items: &[Item]) -> Type {
        let (mut joined, mut types) = (None, Vec::new());
        for Item { optional, value } in items {
            let kind = self.check(value);
            let kind = self.inner(value.at, *optional, kind);
            types.push((value.at, kind.clone()));
            joined = Some(self.join(joined, kind));
        }
        self.demand_equal(types);
        Type::list(joined.unwrap_or_else(|| self.unifier.unknown()))
    }

    pub(crate) fn map(&mut self, pairs: &[Pair]) -> Type {
        let (mut keys, mut values) = (None, None);
        let (mut key_types, mut value_types) = (Vec::new(), Vec::new());
        for Pair { optional, key, value } in pairs {
            let kind = self.check(key);
            key_types.push((key.at, kind.clone()));
            keys = Some(self.join(keys, kind));
            let kind = self.check(value);
            let kind = self.inner(value.at, *optional, kind);
            value_types.push((value.at, kind.clone()));
            values = Some(self.join(values, kind));
        }
        self.demand_equal(key_types);
        self.demand_equal(value_types);
        let mut or_unknown = |kind: Option<Type>| kind.unwrap_or_else(|| self.unifier.unknown());
        Type::map(or_unknown(keys), or_unknown(values))
    }

    pub(crate) fn message(&mut self, at: usize, name: &str, fields: &[Field]) -> Type {
        let known = messages::message(name);
        let result = match (known, self.lookup(name)) {
            (Some(message), _) => message.kind(),
            (None, Some(Type::Kind(Some(kind)))) => {
                self.fault(at, format!("'{}' is not a message type", kind.name()))
            }
            (None, Some(_)) => self.fault(at, format!("'{name}' is not a type")),
            (None, None) => self.undeclared(at, name),
        };
        for Field { at, name: field, value, .. } in fields {
            let given = self.check(value);
            let Some(message) = known else { continue };
            match message.field(field) {
                None => {
                    self.fault(*at, format!("undefined field '{field}'"));
                }
                Some(wanted) if !self.unifier.assign(&wanted, &given) => {
                    let (wanted, given) = (wanted.in_faults(), given.in_faults());
                    self.fault(*at, format!(
                        "expected type of field '{field}' is '{wanted}' but provided type is '{given}'"
                    ));
                }
                Some(_) => {}
            }
        }
        result
    }
}
