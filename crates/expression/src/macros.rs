//! Calls that are no calls: `has`, `all`, `exists`, `exists_one`, `map`, `filter`, `optMap`,
//! `optFlatMap`.

use crate::ast::{Expr, Fold, Kind, Quantity};
use crate::source::Fault;

/// The name that the reference gives to what a fold has made so far.
const ACCUMULATOR: &str = "__result__";

/// The node that a call stands for; `target` is what stands before the dot.
pub(crate) fn expand(
    name: &str,
    target: Option<Expr>,
    mut arguments: Vec<Expr>,
) -> Result<Kind, Fault> {
    match (target, arguments.len()) {
        (None, 1) if name == "has" => has(arguments.remove(0)),
        (Some(target), 2 | 3) if quantity(name, arguments.len()).is_some() => {
            fold(name, target, arguments)
        }
        (Some(target), 2) if matches!(name, "optMap" | "optFlatMap") => {
            let (body, variable) = (arguments.remove(1), arguments.remove(0));
            let Kind::Name(variable) = variable.kind else {
                let text = format!("{name}() variable name must be a simple identifier");
                return Err(Fault::new(variable.at, text));
            };
            let flat = name == "optFlatMap";
            Ok(Kind::Unwrap { target: Box::new(target), variable, body: Box::new(body), flat })
        }
        (target, _) => {
            Ok(Kind::Call { name: name.to_owned(), target: target.map(Box::new), arguments })
        }
    }
}

fn has(argument: Expr) -> Result<Kind, Fault> {
    match argument.kind {
        Kind::Select { operand, field, optional: false } => Ok(Kind::Has { operand, field }),
        _ => Err(Fault::new(argument.at, "invalid argument to has() macro")),
    }
}

fn quantity(name: &str, arguments: usize) -> Option<Quantity> {
    match (name, arguments) {
        ("all", 2) => Some(Quantity::All),
        ("exists", 2) => Some(Quantity::Exists),
        ("exists_one" | "existsOne", 2) => Some(Quantity::ExistsOne),
        ("map", _) => Some(Quantity::Map),
        ("filter", 2) => Some(Quantity::Filter),
        _ => None,
    }
}

fn fold(name: &str, range: Expr, mut arguments: Vec<Expr>) -> Result<Kind, Fault> {
    let quantity = quantity(name, arguments.len()).unwrap_or(Quantity::All);
    let first = arguments.remove(0);
    let Kind::Name(variable) = first.kind else {
        let text = match quantity {
            Quantity::Map | Quantity::Filter => "argument is not an identifier",
            _ => "argument must be a simple name",
        };
        return Err(Fault::new(first.at, text));
    };
    if variable == ACCUMULATOR {
        let text = "iteration variable overwrites accumulator variable";
        return Err(Fault::new(first.at, text));
    }
    let last = arguments.pop();
    let (condition, body) = match quantity {
        Quantity::Filter => (last, None),
        _ => (arguments.pop(), last),
    };
    Ok(Kind::Fold(Box::new(Fold { quantity, range, variable, condition, body })))
}
