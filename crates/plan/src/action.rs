//! The plan of one stage: what is to be done with each object.

use std::fmt;

use manifest::{Object, Value};

use crate::drift::{self, Field};
use crate::ignore::{self, Rules};
use crate::{markers, ownership};

/// What users and the operator's settings say about applies.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Fields whose drift is left alone.
    pub ignored: Rules,
    /// Field managers whose fields are taken over, beside those that always are.
    pub override_managers: Vec<String>,
    /// Whether every object that cannot be changed is deleted and created anew.
    pub force: bool,
}

impl Policy {
    /// Whether an object may be deleted and created anew when it cannot be changed.
    pub fn recreates(&self, desired: &Object, live: &Object) -> bool {
        self.force || markers::forces(desired, live)
    }

    /// The JSON patch that takes an object over before it is applied, where one is needed.
    pub(crate) fn takeover(&self, desired: &Object, live: &Object) -> Option<Value> {
        if markers::merges(desired, live) {
            return None;
        }
        ownership::takeover(live, &self.override_managers)
    }
}

/// What the cluster says of one desired object.
#[derive(Clone, Debug)]
pub enum Observed {
    /// It is not there.
    Absent,
    /// It is there.
    Present {
        /// As it is.
        live: Object,
        /// What an apply would do.
        dry_run: DryRun,
    },
    /// It asks to be left alone; as it is, where it was read.
    Excluded(Option<Object>),
    /// It is known to be as it should be.
    Settled,
    /// It is known to hold something else than an apply would make of it, and that nobody's fields
    /// have to be taken over.
    Differs,
}

/// What an apply would do with an object that is there.
#[derive(Clone, Debug)]
pub enum DryRun {
    /// The object would be this one.
    Gives(Object),
    /// It is refused, and only because of fields that cannot be changed: created anew it would be
    /// accepted.
    Immutable,
}

/// What is to be done with one object. It needs no further decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Apply: it is not there.
    Create,
    /// Apply: these fields differ, or fields have to be taken over from other managers first.
    Configure {
        /// The fields that differ, where the live object was read.
        fields: Vec<Field>,
        /// JSON patch that takes the object over before it is applied.
        takeover: Option<Value>,
    },
    /// Delete this incarnation, and apply once it is gone: fields differ that cannot be changed.
    Recreate {
        /// The incarnation.
        uid: String,
    },
    /// Nothing: it is as it should be.
    Unchanged,
    /// Nothing: it asks to be left alone.
    Skip,
}

/// One object and what is to be done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is to be applied; the live object where it is skipped and exists.
    pub object: Object,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done in one stage, in apply order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One step an object.
    pub steps: Vec<Step>,
}

/// Decides what to do with each object of a stage. Fails if a rule of the policy cannot be followed.
pub fn plan(stage: Vec<(Object, Observed)>, policy: &Policy) -> Result<Plan, ignore::Error> {
    let steps = stage.into_iter().map(|(desired, observed)| step(desired, observed, policy));
    Ok(Plan { steps: steps.collect::<Result<_, _>>()? })
}

fn step(desired: Object, observed: Observed, policy: &Policy) -> Result<Step, ignore::Error> {
    let (live, dry_run) = match observed {
        Observed::Present { live, dry_run } => (live, dry_run),
        Observed::Absent if markers::is_excluded(&desired, None) => {
            return Ok(Step { object: desired, action: Action::Skip });
        }
        Observed::Absent => return Ok(Step { object: desired, action: Action::Create }),
        Observed::Excluded(live) => {
            return Ok(Step { object: live.unwrap_or(desired), action: Action::Skip });
        }
        Observed::Settled => return Ok(Step { object: desired, action: Action::Unchanged }),
        Observed::Differs => {
            let action = Action::Configure { fields: Vec::new(), takeover: None };
            return Ok(Step { object: desired, action });
        }
    };
    if markers::is_excluded(&desired, Some(&live)) {
        return Ok(Step { object: live, action: Action::Skip });
    }
    let dry_run = match dry_run {
        DryRun::Gives(object) => object,
        DryRun::Immutable => {
            let uid = live.at(&["metadata", "uid"]).and_then(Value::as_str).unwrap_or_default();
            return Ok(Step { object: desired, action: Action::Recreate { uid: uid.to_owned() } });
        }
    };
    let ignored = policy.ignored.of(&dry_run);
    if ignored.is_all() {
        return Ok(Step { object: desired, action: Action::Unchanged });
    }
    let fields = drift::fields(&live, &ignored.without(&live), &ignored.without(&dry_run));
    let takeover = policy.takeover(&desired, &live);
    if fields.is_empty() && takeover.is_none() {
        return Ok(Step { object: desired, action: Action::Unchanged });
    }
    let object = ignored.settle(desired, &live, &dry_run)?;
    Ok(Step { object, action: Action::Configure { fields, takeover } })
}

impl Action {
    /// Whether carrying it out writes to the cluster.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Create | Self::Configure { .. } | Self::Recreate { .. })
    }

    /// The word that events and change logs use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create | Self::Recreate { .. } => "created",
            Self::Configure { .. } => "configured",
            Self::Unchanged => "unchanged",
            Self::Skip => "skipped",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.object.id().subject(), self.action.word())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{step}")?;
        }
        Ok(())
    }
}
