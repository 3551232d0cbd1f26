//! How much an evaluation may cost, known before it begins and counted while it goes on.

use crate::ast::{Expr, Fold, Kind};
use crate::fault::{Fault, Result};
use crate::value::Value;

/// How many steps an evaluation may take.
pub(crate) const STEPS_MAX: u64 = 2_000_000;
/// How many steps it may look like taking at most: folds in folds over the longest collection.
pub(crate) const ESTIMATE_MAX: u64 = 500_000_000;
/// How many bytes or items are looked at in one step.
const UNITS_A_STEP: usize = 16;

/// The steps that are left.
pub(crate) struct Budget(u64);

impl Budget {
    /// A budget for an expression over data, unless it looks as if it could take too long.
    pub(crate) fn of(expr: &Expr, data: &[(String, Value)]) -> Result<Self> {
        let longest = data.iter().map(|(_, value)| longest(value)).max().unwrap_or(0);
        if estimate(expr, longest) > ESTIMATE_MAX {
            return Err(Fault::Exhausted);
        }
        Ok(Self(STEPS_MAX))
    }

    /// A budget for what is worked out while an expression is prepared.
    pub(crate) fn of_constants() -> Self {
        Self(STEPS_MAX)
    }

    /// Takes one step.
    pub(crate) fn step(&mut self) -> Result<()> {
        self.units(0)
    }

    /// Takes the steps for this many bytes or items.
    pub(crate) fn units(&mut self, units: usize) -> Result<()> {
        let steps = 1 + units / UNITS_A_STEP;
        let left = u64::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.ok_or(Fault::Exhausted)?;
        Ok(())
    }
}

/// The length of the longest text, list or map in a value.
fn longest(value: &Value) -> usize {
    let below = match value {
        Value::List(items) => items.iter().map(longest).max(),
        Value::Map(map) => map.values().map(longest).max(),
        _ => None,
    };
    value.size().max(below.unwrap_or(0))
}

/// The most steps that an expression could take if every collection were as long as the longest.
fn estimate(expr: &Expr, longest: usize) -> u64 {
    let sum = |parts: Vec<&Expr>| {
        parts.into_iter().fold(1_u64, |sum, part| sum.saturating_add(estimate(part, longest)))
    };
    let Kind::Fold(fold) = &expr.kind else { return sum(expr.kind.children()) };
    let Fold { range, condition, body, .. } = &**fold;
    let items = match &range.kind {
        Kind::List(items) => items.len(),
        Kind::Constant(value) => value.size(),
        _ => longest,
    };
    let items = u64::try_from(items).unwrap_or(u64::MAX);
    let each = sum(condition.iter().chain(body).collect());
    estimate(range, longest).saturating_add(items.saturating_mul(each))
}
