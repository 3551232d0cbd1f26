//! Health by expressions of the user (kustomization.md, 11.3).

use std::collections::BTreeMap;

use expression::{Expression, fields};
use manifest::{GroupKind, Gvk, Object, ObjectId, Value};

use super::{Health, pods};

/// How the health of a kind, or of every kind of a group, is to be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Group and version; the version does not matter.
    pub api_version: String,
    /// The kind; every kind of the group when empty.
    pub kind: String,
    /// True when the object is on its way.
    pub in_progress: Option<String>,
    /// True when it has failed.
    pub failed: Option<String>,
    /// True when it is as it should be.
    pub current: String,
}

/// Why checks cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Two are for the same kind.
    #[error("duplicate custom health check for GroupKind {group_kind} at healthchecks[{at}]")]
    Duplicate {
        /// The kind, with a dot and the group behind it.
        group_kind: String,
        /// Which of the checks.
        at: usize,
    },
    /// An expression that must be there is empty.
    #[error(
        "failed to create custom status evaluator for healthchecks[{at}]: expression Current not \
         specified"
    )]
    NoCurrent {
        /// Which of the checks.
        at: usize,
    },
    /// An expression cannot be read.
    #[error(
        "failed to create custom status evaluator for healthchecks[{at}]: failed to parse the \
         expression {which}: {cause}"
    )]
    Expression {
        /// Which of the checks.
        at: usize,
        /// Which of its expressions.
        which: &'static str,
        /// Why.
        cause: expression::Error,
    },
}

/// The expressions of one check, in the order in which they are asked.
#[derive(Clone, Debug)]
struct Expressions(Vec<(Health, Expression)>);

/// Who judges health: the checks of the user for the kinds that they name, our own rules for all
/// others. A check outranks our rule for Jobs, too (W16).
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// By group and kind; no kind stands for every kind of the group.
    checks: BTreeMap<GroupKind, Expressions>,
}

impl Judge {
    /// Reads every expression; they are many or cheap, so all are read before the first is needed.
    pub fn new(checks: &[Check]) -> Result<Self, Unusable> {
        let mut read = BTreeMap::new();
        for (at, check) in checks.iter().enumerate() {
            let kind = Gvk::new(&check.api_version, &check.kind).group_kind();
            if read.contains_key(&kind) {
                let GroupKind { group, kind } = kind;
                let group_kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
                return Err(Unusable::Duplicate { group_kind, at });
            }
            read.insert(kind, Expressions::read(check, at)?);
        }
        Ok(Self { checks: read })
    }

    /// The health of an object at the time `now`, as far as it says itself: while it is in progress,
    /// its pods may say more.
    pub fn health(&self, object: &Object, now: jiff::Timestamp) -> Health {
        match (self.check(&object.gvk().group_kind()), pods::of(object)) {
            (Some(expressions), _) => expressions.health(object),
            (None, Err(cause)) => Health::Unknown(cause),
            (None, Ok(_)) => super::health(object, now),
        }
    }

    fn check(&self, kind: &GroupKind) -> Option<&Expressions> {
        let whole = || GroupKind { group: kind.group.clone(), kind: String::new() };
        self.checks.get(kind).or_else(|| self.checks.get(&whole()))
    }

    /// Whether a failed pod of this object, while it is in progress, makes it a failed one.
    pub fn asks_pods(&self, id: &ObjectId) -> bool {
        let kind = GroupKind { group: id.group.clone(), kind: id.kind.clone() };
        pods::decide(id) && self.check(&kind).is_none()
    }
}

impl Expressions {
    fn read(check: &Check, at: usize) -> Result<Self, Unusable> {
        if check.current.is_empty() {
            return Err(Unusable::NoCurrent { at });
        }
        let parse = |which: &'static str, text: &str| {
            Expression::parse(text).map_err(|cause| Unusable::Expression { at, which, cause })
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        // The reference reads them in another order than it asks them.
        let current = parse("Current", &check.current)?;
        let failed = given(&check.failed).map(|text| parse("Failed", &text)).transpose()?;
        let progress =
            given(&check.in_progress).map(|text| parse("InProgress", &text)).transpose()?;
        let asked = progress
            .map(|expression| (Health::InProgress, expression))
            .into_iter()
            .chain(failed.map(|expression| (Health::Failed, expression)))
            .chain([(Health::Current, current)]);
        Ok(Self(asked.collect()))
    }

    fn health(&self, object: &Object) -> Health {
        let number = |keys: &[&str]| object.at(keys).and_then(Value::as_i64);
        let observed = number(&["status", "observedGeneration"]);
        let generation = number(&["metadata", "generation"]);
        if let (Some(observed), Some(generation)) = (observed, generation)
            && observed != generation
        {
            return Health::InProgress;
        }
        let variables = fields(object.value());
        for (health, expression) in &self.0 {
            match expression.holds(&variables) {
                Ok(true) => return health.clone(),
                Ok(false) => {}
                Err(error) => return Health::Unknown(error.to_string()),
            }
        }
        Health::InProgress
    }
}
