//! Which types may stand for each other, and what that says of types that are to be found out.

use std::collections::HashMap;

use crate::types::Type;

/// What has been found out so far.
#[derive(Default)]
pub(crate) struct Unifier {
    known: HashMap<usize, Type>,
    /// What was known before, so that a try that fails leaves nothing behind.
    undo: Vec<(usize, Option<Type>)>,
    next: usize,
}

impl Unifier {
    /// A type that is to be found out.
    pub(crate) fn unknown(&mut self) -> Type {
        self.next += 1;
        Type::Param(self.next)
    }

    /// Room for `count` parameters; gives the first.
    pub(crate) fn reserve(&mut self, count: usize) -> usize {
        let first = self.next + 1;
        self.next += count;
        first
    }

    /// Whether each type may stand where its partner is demanded; then what follows is kept.
    pub(crate) fn assign_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a Type, &'a Type)>,
    ) -> bool {
        self.undo.clear();
        let fits = pairs.into_iter().all(|(given, wanted)| self.fits(given, wanted));
        if !fits {
            for (param, before) in self.undo.drain(..).rev() {
                match before {
                    Some(before) => self.known.insert(param, before),
                    None => self.known.remove(&param),
                };
            }
        }
        fits
    }

    pub(crate) fn assign(&mut self, given: &Type, wanted: &Type) -> bool {
        self.assign_all([(given, wanted)])
    }

    fn find(&self, kind: &Type) -> Option<&Type> {
        match kind {
            Type::Param(param) => self.known.get(param),
            _ => None,
        }
    }

    fn learn(&mut self, param: &Type, kind: Type) {
        if let Type::Param(param) = param {
            let before = self.known.insert(*param, kind);
            self.undo.push((*param, before));
        }
    }

    fn fits(&mut self, given: &Type, wanted: &Type) -> bool {
        if matches!(wanted, Type::Param(_)) {
            match self.substitutes(given, wanted) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if matches!(given, Type::Param(_)) {
            return self.substitutes(wanted, given).0;
        }
        if given.is_dyn_or_error() || wanted.is_dyn_or_error() {
            return true;
        }
        match (given, wanted) {
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null
                    | Type::Optional(_)
                    | Type::Duration
                    | Type::Timestamp
                    | Type::Wrapper(_)
            ),
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                self.fits(a, b)
            }
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (Type::Wrapper(a), Type::Wrapper(b)) => a == b,
            (Type::Wrapper(a), b) | (b, Type::Wrapper(a)) => **a == *b,
            (a, b) => a == b,
        }
    }

    /// Whether the unknown `param` can be `kind`, and whether something is known of it.
    fn substitutes(&mut self, kind: &Type, param: &Type) -> (bool, bool) {
        if kind == param {
            return (true, true);
        }
        if let Some(known) = self.find(param).cloned() {
            if *kind == known {
                return (true, true);
            }
            if !self.fits(kind, &known) {
                return (false, true);
            }
            let general = if is_less_specific(kind, &known) { kind.clone() } else { known };
            if self.is_absent(param, &general) {
                self.learn(param, general);
            }
            return (true, true);
        }
        if self.is_absent(param, kind) {
            self.learn(param, kind.clone());
            return (true, false);
        }
        (false, false)
    }

    /// Whether a parameter is no part of a type.
    fn is_absent(&self, param: &Type, within: &Type) -> bool {
        if param == within {
            return false;
        }
        match within {
            Type::Param(_) => self.find(within).is_none_or(|known| self.is_absent(param, known)),
            Type::List(inner) | Type::Optional(inner) | Type::Kind(Some(inner)) => {
                self.is_absent(param, inner)
            }
            Type::Map(pair) => self.is_absent(param, &pair.0) && self.is_absent(param, &pair.1),
            _ => true,
        }
    }

    /// A type with everything put in that is known; what is not becomes `dyn` if `settled`.
    pub(crate) fn resolve(&self, kind: &Type, settled: bool) -> Type {
        if let Some(known) = self.find(kind) {
            return self.resolve(known, settled);
        }
        match kind {
            Type::Param(_) if settled => Type::Dyn,
            Type::List(item) => Type::list(self.resolve(item, settled)),
            Type::Optional(inner) => Type::optional(self.resolve(inner, settled)),
            Type::Kind(Some(inner)) => Type::of(self.resolve(inner, settled)),
            Type::Map(pair) => {
                Type::map(self.resolve(&pair.0, settled), self.resolve(&pair.1, settled))
            }
            other => other.clone(),
        }
    }
}

/// The more general of two types that fit each other.
pub(crate) fn more_general(first: Type, second: Type) -> Type {
    if is_less_specific(&first, &second) { first } else { second }
}

fn is_less_specific(first: &Type, second: &Type) -> bool {
    match (first, second) {
        (Type::Dyn | Type::Param(_), _) | (Type::Kind(_), Type::Kind(_)) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
            is_less_specific(a, b)
        }
        (Type::Map(a), Type::Map(b)) => {
            is_less_specific(&a.0, &b.0) && is_less_specific(&a.1, &b.1)
        }
        (a, b) => a == b,
    }
}
