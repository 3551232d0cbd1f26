//! Static types of expressions: what the reference refuses before it evaluates.

use crate::ast::{Expr, Fold, Kind, Quantity};
use crate::declarations::{self, Function, PARAMETERS, Signature};
use crate::source::Fault;
use crate::types::Type;
use crate::unify::Unifier;
use crate::{format, messages};

/// The type of an expression over variables that hold whole objects, or what is wrong with it.
pub(crate) fn check(expr: &Expr, variables: &[&str]) -> Result<Type, Vec<Fault>> {
    let object = Type::map(Type::Text, Type::Dyn);
    let mut checker = Checker {
        scopes: variables.iter().map(|name| ((*name).to_owned(), object.clone())).collect(),
        unifier: Unifier::default(),
        faults: Vec::new(),
        literals: Vec::new(),
        formats: Vec::new(),
        in_format: 0,
    };
    let kind = checker.check(expr);
    checker.judge();
    if checker.faults.is_empty() {
        Ok(checker.unifier.resolve(&kind, true))
    } else {
        Err(checker.faults)
    }
}

/// A call of `format` with a constant text: where, the text, its arguments.
struct Format {
    at: usize,
    text: String,
    items: Vec<(usize, Type)>,
}

/// What is known while an expression is checked.
pub(crate) struct Checker {
    /// Variables, the innermost last.
    scopes: Vec<(String, Type)>,
    pub(crate) unifier: Unifier,
    faults: Vec<Fault>,
    /// Types that must be equal: those of the items of a list, the keys or the values of a map.
    pub(crate) literals: Vec<Vec<(usize, Type)>>,
    /// Calls of `format` with a constant text.
    formats: Vec<Format>,
    /// In how many calls of `format` this is, where lists may hold anything.
    pub(crate) in_format: usize,
}

impl Checker {
    pub(crate) fn fault(&mut self, at: usize, text: String) -> Type {
        self.faults.push(Fault::new(at, text));
        Type::Error
    }

    pub(crate) fn mismatch(&mut self, at: usize, expected: &Type, found: &Type) -> Type {
        let (expected, found) = (expected.in_faults(), found.in_faults());
        self.fault(at, format!("expected type '{expected}' but found '{found}'"))
    }

    pub(crate) fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.fault(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<Type> {
        let name = name.trim_start_matches('.');
        let variable = self.scopes.iter().rev().find(|(known, _)| known == name);
        variable.map(|(_, kind)| kind.clone()).or_else(|| messages::type_named(name).map(Type::of))
    }

    pub(crate) fn check(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            Kind::Constant(value) => value.static_type(),
            Kind::Name(name) => self.lookup(name).unwrap_or_else(|| self.undeclared(expr.at, name)),
            Kind::Select { operand, optional, .. } => {
                let named = expr.path().and_then(|path| self.lookup(&path));
                if let Some(kind) = named { kind } else { self.select(expr, operand, *optional) }
            }
            Kind::Has { operand, .. } => {
                self.select(expr, operand, false);
                Type::Bool
            }
            Kind::Index { operand, index, optional } => {
                let types = [self.check(operand), self.check(index)];
                self.operator(expr.at, if *optional { "_[?_]" } else { "_[_]" }, &types)
            }
            Kind::Call { name, target, arguments } => {
                self.call(expr.at, name, target.as_deref(), arguments)
            }
            Kind::Logic { terms, .. } => {
                let types: Vec<_> = terms.iter().map(|term| self.check(term)).collect();
                for (term, kind) in terms.iter().zip(types) {
                    self.demand_bool(term.at, &kind);
                }
                Type::Bool
            }
            Kind::Choice(parts) => {
                let types = parts.each_ref().map(|part| self.check(part));
                self.operator(expr.at, "_?_:_", &types)
            }
            Kind::List(items) => self.list(items),
            Kind::Map(pairs) => self.map(pairs),
            Kind::Message { name, fields } => self.message(expr.at, name, fields),
            Kind::Fold(fold) => self.fold(expr.at, fold),
            Kind::Unwrap { target, variable, body, flat } => {
                self.unwrap(expr.at, target, (variable, body), *flat)
            }
        }
    }

    fn demand_bool(&mut self, at: usize, kind: &Type) {
        if !self.unifier.assign(kind, &Type::Bool) {
            self.mismatch(at, &Type::Bool, kind);
        }
    }

    fn select(&mut self, expr: &Expr, operand: &Expr, optional: bool) -> Type {
        let kind = self.check(operand);
        let kind = self.unifier.resolve(&kind, false);
        let (target, was_optional) = match &kind {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        };
        let result = match &target {
            Type::Map(pair) => pair.1.clone(),
            Type::Param(_) => {
                self.unifier.assign(&Type::Dyn, &target);
                Type::Dyn
            }
            other if other.is_dyn_or_error() => Type::Dyn,
            other => {
                let name = other.in_faults();
                self.fault(expr.at, format!("type '{name}' does not support field selection"));
                Type::Dyn
            }
        };
        let result = self.unifier.resolve(&result, false);
        if optional || was_optional { Type::optional(result) } else { result }
    }

    fn call(&mut self, at: usize, name: &str, target: Option<&Expr>, arguments: &[Expr]) -> Type {
        let exempt = usize::from(name == "format");
        self.in_format += exempt;
        let mut types: Vec<_> = arguments.iter().map(|argument| self.check(argument)).collect();
        if let (Some(Kind::Constant(text)), [Expr { kind: Kind::List(items), .. }]) =
            (target.map(|target| &target.kind).filter(|_| exempt > 0), arguments)
            && let Some(text) = text.as_text()
        {
            let items = items.iter().map(|item| (item.value.at, self.check(&item.value))).collect();
            self.formats.push(Format { at, text: text.to_owned(), items });
        }
        let kind = match target {
            None => {
                let name = name.trim_start_matches('.');
                match declarations::function(name) {
                    Some(function) => self.resolve(at, (name, function), false, &types),
                    None => self.undeclared(at, name),
                }
            }
            Some(target) => {
                let full = target.path().map(|path| format!("{path}.{name}"));
                let namespaced = full.as_deref().and_then(declarations::function);
                if let (Some(full), Some(function)) = (&full, namespaced) {
                    self.resolve(at, (full, function), false, &types)
                } else {
                    types.insert(0, self.check(target));
                    match declarations::function(name) {
                        Some(function) => self.resolve(at, (name, function), true, &types),
                        None => self.undeclared(at, name),
                    }
                }
            }
        };
        self.in_format -= exempt;
        kind
    }

    fn operator(&mut self, at: usize, name: &str, types: &[Type]) -> Type {
        match declarations::function(name) {
            Some(function) => self.resolve(at, (name, function), false, types),
            None => Type::Error,
        }
    }

    /// The type that a function gives for arguments of these types.
    fn resolve(
        &mut self,
        at: usize,
        (name, function): (&str, &Function),
        method: bool,
        types: &[Type],
    ) -> Type {
        let mut result: Option<Type> = None;
        for Signature { method: is_method, arguments, result: gives } in &function.signatures {
            if *is_method != method || arguments.len() != types.len() {
                continue;
            }
            let first = self.unifier.reserve(PARAMETERS);
            let fresh = |kind: &Type| shifted(kind, first);
            let wanted: Vec<_> = arguments.iter().map(fresh).collect();
            if self.unifier.assign_all(types.iter().zip(&wanted)) {
                let gives = self.unifier.resolve(&fresh(gives), false);
                result = Some(match result {
                    None => gives,
                    Some(known) if known == Type::Dyn || known == gives => known,
                    Some(_) => Type::Dyn,
                });
            }
        }
        result.unwrap_or_else(|| {
            let mut names = types.iter().map(|kind| self.unifier.resolve(kind, true).in_faults());
            let receiver = if method { names.next().map(|name| name + ".") } else { None };
            let receiver = receiver.unwrap_or_default();
            let names: Vec<_> = names.collect();
            let signature = format!("{receiver}({})", names.join(", "));
            self.fault(
                at,
                format!("found no matching overload for '{name}' applied to '{signature}'"),
            )
        })
    }

    /// The type of the items of a range.
    fn item(&mut self, range: &Expr) -> Type {
        let kind = self.check(range);
        match self.unifier.resolve(&kind, false) {
            Type::List(item) => (*item).clone(),
            Type::Map(pair) => pair.0.clone(),
            kind @ (Type::Dyn | Type::Error | Type::Param(_)) => {
                self.unifier.assign(&Type::Dyn, &kind);
                Type::Dyn
            }
            other => {
                let name = other.in_faults();
                self.fault(range.at, format!(
                    "expression of type '{name}' cannot be range of a comprehension (must be list, map, or dynamic)"
                ))
            }
        }
    }

    fn fold(&mut self, at: usize, fold: &Fold) -> Type {
        let item = self.item(&fold.range);
        self.scopes.push((fold.variable.clone(), item.clone()));
        let condition = fold.condition.as_ref().map(|condition| self.check(condition));
        let body = fold.body.as_ref().map(|body| (body.at, self.check(body)));
        self.scopes.pop();
        match (fold.quantity, body) {
            (Quantity::All | Quantity::Exists, Some((at, kind))) => {
                self.demand_bool(at, &kind);
                Type::Bool
            }
            (Quantity::ExistsOne, Some((_, kind))) => {
                self.operator(at, "_?_:_", &[kind, Type::Int, Type::Int]);
                Type::Bool
            }
            (_, body) => {
                let result = Type::list(body.map_or(item, |(_, kind)| kind));
                if let Some(condition) = condition {
                    self.operator(at, "_?_:_", &[condition, result.clone(), result.clone()]);
                }
                self.unifier.resolve(&result, false)
            }
        }
    }

    fn unwrap(
        &mut self,
        at: usize,
        target: &Expr,
        (variable, body): (&str, &Expr),
        flat: bool,
    ) -> Type {
        let target = self.check(target);
        let mut method = |name: &str| match declarations::function(name) {
            Some(function) => {
                self.resolve(at, (name, function), true, std::slice::from_ref(&target))
            }
            None => Type::Error,
        };
        let (present, item) = (method("hasValue"), method("value"));
        self.scopes.push((variable.to_owned(), item));
        let body = self.check(body);
        self.scopes.pop();
        let yes = if flat { body } else { Type::optional(body) };
        let no = Type::optional(self.unifier.unknown());
        self.operator(at, "_?_:_", &[present, yes, no])
    }

    /// What can be said only when every type is known.
    fn judge(&mut self) {
        if !self.faults.is_empty() {
            return;
        }
        for types in std::mem::take(&mut self.literals) {
            let mut types = types.into_iter().map(|(at, k)| (at, self.unifier.resolve(&k, true)));
            let Some((_, first)) = types.next() else { continue };
            if let Some((at, other)) =
                types.collect::<Vec<_>>().into_iter().find(|(_, k)| *k != first)
            {
                self.mismatch(at, &first, &other);
            }
        }
        for Format { at, text, items } in std::mem::take(&mut self.formats) {
            let items: Vec<_> =
                items.iter().map(|(at, kind)| (*at, self.unifier.resolve(kind, true))).collect();
            self.faults.extend(format::check(at, &text, &items));
        }
    }
}

/// A type of a signature with its parameters in their places from `first` on.
fn shifted(kind: &Type, first: usize) -> Type {
    match kind {
        Type::Param(param) => Type::Param(param + first),
        Type::List(item) => Type::list(shifted(item, first)),
        Type::Optional(inner) => Type::optional(shifted(inner, first)),
        Type::Kind(Some(inner)) => Type::of(shifted(inner, first)),
        Type::Map(pair) => Type::map(shifted(&pair.0, first), shifted(&pair.1, first)),
        other => other.clone(),
    }
}
