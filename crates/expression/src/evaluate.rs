//! Trees and data → values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Expr, Field, Fold, Item, Kind, Pair, Quantity};
use crate::budget::Budget;
use crate::call::call;
use crate::fault::{Fault, Result};
use crate::messages;
use crate::prepare::function_name;
use crate::value::{Key, Value, whole};

/// The value of an expression over variables.
pub(crate) fn evaluate(expr: &Expr, variables: Vec<(String, Value)>) -> Result<Value> {
    let budget = Budget::of(expr, &variables)?;
    Evaluation { variables, budget }.value(expr)
}

struct Evaluation {
    /// Variables, the innermost last.
    variables: Vec<(String, Value)>,
    budget: Budget,
}

impl Evaluation {
    fn lookup(&self, name: &str) -> Option<Value> {
        let name = name.trim_start_matches('.');
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Each kind of node has a function of its own, so that deep trees need little stack.
    fn value(&mut self, expr: &Expr) -> Result<Value> {
        self.budget.step()?;
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Name(name) => self.named(name),
            Kind::Select { operand, field, optional } => self.select(operand, field, *optional),
            Kind::Has { operand, field } => self.has(operand, field),
            Kind::Index { operand, index, optional } => self.index(operand, index, *optional),
            Kind::Call { name, target, arguments } => self.call(name, target.as_deref(), arguments),
            Kind::Logic { any, terms } => self.logic(*any, terms),
            Kind::Choice(parts) => self.choice(parts),
            Kind::List(items) => self.list(items),
            Kind::Map(pairs) => self.map(pairs),
            Kind::Message { name, fields } => self.message(name, fields),
            Kind::Fold(fold) => self.fold(fold),
            Kind::Unwrap { target, variable, body, flat } => {
                self.unwrap(target, (variable, body), *flat)
            }
        }
    }

    fn select(&mut self, operand: &Expr, field: &str, optional: bool) -> Result<Value> {
        if let Some(result) = self.qualified(operand, field, optional) {
            return result;
        }
        select(self.value(operand)?, &Value::from(field), optional)
    }

    fn has(&mut self, operand: &Expr, field: &str) -> Result<Value> {
        if let Some(Err(fault)) = self.qualified(operand, field, false) {
            return Err(fault);
        }
        has(&self.value(operand)?, &Value::from(field)).map(Value::Bool)
    }

    fn index(&mut self, operand: &Expr, index: &Expr, optional: bool) -> Result<Value> {
        if let Kind::Constant(Value::Text(field)) = &index.kind
            && let Some(result) = self.qualified(operand, field, optional)
        {
            return result;
        }
        let operand = self.value(operand)?;
        select(operand, &self.value(index)?, optional)
    }

    fn choice(&mut self, [condition, yes, no]: &[Expr; 3]) -> Result<Value> {
        match self.value(condition)? {
            Value::Bool(true) => self.value(yes),
            Value::Bool(false) => self.value(no),
            _ => Err(Fault::no_overload()),
        }
    }

    fn unwrap(
        &mut self,
        target: &Expr,
        (variable, body): (&str, &Expr),
        flat: bool,
    ) -> Result<Value> {
        let Value::Optional(inner) = self.value(target)? else {
            return Err(Fault::no_overload());
        };
        let Some(inner) = inner else { return Ok(Value::Optional(None)) };
        let value = self.with(variable, &inner, body)?;
        Ok(if flat { value } else { Value::optional(Some(value)) })
    }

    fn named(&self, name: &str) -> Result<Value> {
        let kind = || messages::type_named(name.trim_start_matches('.'));
        let kind = || kind().map(|kind| Value::Type(kind.name().into()));
        self.lookup(name).or_else(kind).ok_or_else(|| missing(name))
    }

    /// What `a.b.c` is when there is no variable `a`: a type, or nothing, which the reference says
    /// with the whole name. `None` when there is one.
    fn qualified(&self, operand: &Expr, field: &str, optional: bool) -> Option<Result<Value>> {
        let path = qualified_path(operand)?;
        let root = path.trim_start_matches('.').split('.').next()?;
        if self.lookup(root).is_some() {
            return None;
        }
        let full = format!("{path}.{field}");
        let kind = messages::type_named(full.trim_start_matches('.')).filter(|_| !optional);
        match kind {
            Some(kind) => Some(Ok(Value::Type(kind.name().into()))),
            None => Some(Err(missing(&full))),
        }
    }

    fn call(&mut self, name: &str, target: Option<&Expr>, arguments: &[Expr]) -> Result<Value> {
        let (name, namespaced) = function_name(name, target);
        let target = target.filter(|_| !namespaced);
        if let (Some(target), "or" | "orValue", [other]) = (target, name.as_str(), arguments) {
            return match self.value(target)? {
                Value::Optional(None) => self.value(other),
                Value::Optional(Some(inner)) if name == "orValue" => Ok((*inner).clone()),
                given => Ok(given),
            };
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in target.into_iter().chain(arguments) {
            values.push(self.value(argument)?);
        }
        call(&name, &values, &mut self.budget)
    }

    fn logic(&mut self, any: bool, terms: &[Expr]) -> Result<Value> {
        decide(any, terms.iter().map(|term| self.value(term)))
    }

    fn list(&mut self, items: &[Item]) -> Result<Value> {
        let mut values = Vec::with_capacity(items.len());
        for Item { optional, value } in items {
            match (optional, self.value(value)?) {
                (false, value) => values.push(value),
                (true, Value::Optional(inner)) => {
                    values.extend(inner.map(|inner| (*inner).clone()));
                }
                (true, other) => {
                    return Err(Fault::of(format!(
                        "cannot initialize optional list element from non-optional value {other}"
                    )));
                }
            }
        }
        Ok(Value::List(values.into()))
    }

    fn map(&mut self, pairs: &[Pair]) -> Result<Value> {
        let mut map = BTreeMap::new();
        for Pair { optional, key, value } in pairs {
            let key = self.value(key)?;
            let value = self.value(value)?;
            let value = present(*optional, &key, value)?;
            let key = Key::of(&key)
                .ok_or_else(|| Fault::of(format!("unsupported key type: {}", key.type_name())))?;
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn message(&mut self, name: &str, fields: &[Field]) -> Result<Value> {
        let mut values = BTreeMap::new();
        for Field { optional, name, value, .. } in fields {
            let value = self.value(value)?;
            if let Some(value) = present(*optional, &Value::from(name.as_str()), value)? {
                values.insert(name.clone(), value);
            }
        }
        match messages::message(name) {
            Some(message) => message.make(values),
            None => Err(Fault::of(format!("unknown type '{name}'"))),
        }
    }

    fn fold(&mut self, fold: &Fold) -> Result<Value> {
        let items: Vec<Value> = match self.value(&fold.range)? {
            Value::List(items) => items.to_vec(),
            Value::Map(map) => map.keys().map(Key::value).collect(),
            other => {
                let kind = other.go_name();
                return Err(Fault::of(format!("got '{kind}', expected iterable type")));
            }
        };
        self.budget.units(items.len())?;
        match (fold.quantity, &fold.body) {
            (Quantity::All, Some(body)) => self.quantify(false, items, &fold.variable, body),
            (Quantity::Exists, Some(body)) => self.quantify(true, items, &fold.variable, body),
            (Quantity::ExistsOne, Some(body)) => self.exists_one(items, &fold.variable, body),
            _ => self.collect(items, fold),
        }
    }

    /// A term of a fold for one item.
    fn with(&mut self, variable: &str, item: &Value, term: &Expr) -> Result<Value> {
        self.variables.push((variable.to_owned(), item.clone()));
        let result = self.value(term);
        self.variables.pop();
        result
    }

    /// As [`Self::logic`] over the items.
    fn quantify(
        &mut self,
        any: bool,
        items: Vec<Value>,
        variable: &str,
        body: &Expr,
    ) -> Result<Value> {
        decide(any, items.into_iter().map(|item| self.with(variable, &item, body)))
    }

    /// Whether the body holds for exactly one item; a fault of a later item replaces an earlier one.
    fn exists_one(&mut self, items: Vec<Value>, variable: &str, body: &Expr) -> Result<Value> {
        let mut count = Ok(0_usize);
        for item in items {
            match self.with(variable, &item, body) {
                Ok(Value::Bool(true)) => count = count.map(|count| count + 1),
                Ok(Value::Bool(false)) => {}
                Ok(_) => count = Err(Fault::no_overload()),
                Err(Fault::Exhausted) => return Err(Fault::Exhausted),
                Err(fault) => count = Err(fault),
            }
        }
        count.map(|count| Value::Bool(count == 1))
    }

    /// `map` and `filter`.
    fn collect(&mut self, items: Vec<Value>, fold: &Fold) -> Result<Value> {
        let mut made = Ok(Vec::new());
        for item in items {
            let wanted = match &fold.condition {
                None => Ok(Value::Bool(true)),
                Some(condition) => self.with(&fold.variable, &item, condition),
            };
            match wanted {
                Ok(Value::Bool(false)) => continue,
                Ok(Value::Bool(true)) => {}
                Ok(_) => made = Err(Fault::no_overload()),
                Err(Fault::Exhausted) => return Err(Fault::Exhausted),
                Err(fault) => made = Err(fault),
            }
            let value = match &fold.body {
                None => Ok(item),
                Some(body) => self.with(&fold.variable, &item, body),
            };
            match (&mut made, value) {
                (_, Err(Fault::Exhausted)) => return Err(Fault::Exhausted),
                (Ok(values), Ok(value)) => values.push(value),
                (Ok(_), Err(fault)) => made = Err(fault),
                (Err(_), _) => {}
            }
        }
        made.map(|values| Value::List(values.into()))
    }
}

/// A name with dots or constant texts as indices, as the reference reads both.
fn qualified_path(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Select { operand, field, .. } => {
            Some(format!("{}.{field}", qualified_path(operand)?))
        }
        Kind::Index { operand, index, .. } => match &index.kind {
            Kind::Constant(Value::Text(field)) => {
                Some(format!("{}.{field}", qualified_path(operand)?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn missing(name: &str) -> Fault {
    Fault::of(format!("no such attribute(s): {}", name.trim_start_matches('.')))
}

/// The value of an entry, or nothing where it is optional and empty.
fn present(optional: bool, key: &Value, value: Value) -> Result<Option<Value>> {
    match (optional, value) {
        (false, value) => Ok(Some(value)),
        (true, Value::Optional(inner)) => Ok(inner.map(|inner| (*inner).clone())),
        (true, other) => Err(Fault::of(format!(
            "cannot initialize optional entry '{key}' from non-optional value {other}"
        ))),
    }
}

/// What an operand holds under a field or index; an optional value stays one.
fn select(operand: Value, index: &Value, optional: bool) -> Result<Value> {
    match operand {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => find(&inner, index).map(Value::optional),
        operand if optional => find(&operand, index).map(Value::optional),
        operand => find(&operand, index)?.ok_or_else(|| match operand {
            Value::List(_) => Fault::of(format!("index out of bounds: {index}")),
            _ => Fault::of(format!("no such key: {index}")),
        }),
    }
}

fn has(operand: &Value, field: &Value) -> Result<bool> {
    match operand {
        Value::Optional(None) => Ok(false),
        Value::Optional(Some(inner)) => Ok(find(inner, field)?.is_some()),
        operand => Ok(find(operand, field)?.is_some()),
    }
}

/// What a value holds under a key or an index, if anything.
fn find(operand: &Value, index: &Value) -> Result<Option<Value>> {
    match operand {
        Value::Map(map) => Ok(Key::of(index).and_then(|key| map.get(&key).cloned())),
        Value::List(items) => {
            let at = match (whole(index), index) {
                (Some(at), _) => at,
                (None, Value::Double(_) | Value::Uint(_)) => {
                    return Err(Fault::of(format!("unsupported index value {index} in list")));
                }
                (None, other) => {
                    let kind = other.type_name();
                    return Err(Fault::of(format!("unsupported index type '{kind}' in list")));
                }
            };
            Ok(usize::try_from(at).ok().and_then(|at| items.get(at).cloned()))
        }
        _ => Ok(None),
    }
}

/// The first verdict that decides, else the first fault, else the other truth. What comes after the one
/// that decides is not asked for.
fn decide(any: bool, verdicts: impl Iterator<Item = Result<Value>>) -> Result<Value> {
    let mut fault = None;
    for verdict in verdicts {
        match verdict {
            Ok(Value::Bool(truth)) if truth == any => return Ok(Value::Bool(any)),
            Ok(Value::Bool(_)) => {}
            Err(Fault::Exhausted) => return Err(Fault::Exhausted),
            Ok(_) => fault = fault.or_else(|| Some(Fault::no_overload())),
            Err(other) => fault = fault.or(Some(other)),
        }
    }
    fault.map_or(Ok(Value::Bool(!any)), Err)
}
