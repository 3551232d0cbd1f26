//! The plan of one stage: what is to be done with each object.

use std::fmt;

use manifest::{Object, Value};

use crate::{drift, markers, ownership};

/// What the cluster says of one desired object.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The object as it is, if it is.
    pub live: Option<Object>,
    /// The object as it would be after the apply. For an excluded object nobody asks, and the
    /// desired one stands here.
    pub dry_run: Object,
}

/// What is to be done with one object. It needs no further decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Apply: it is not there.
    Create,
    /// Apply: these fields differ, or fields have to be taken over from other managers first.
    Configure {
        /// Paths of the fields that differ; never their values.
        fields: Vec<String>,
        /// JSON patch that takes the object over before it is applied.
        takeover: Option<Value>,
    },
    /// Nothing: it is as it should be.
    Unchanged,
    /// Nothing: it asks to be left alone.
    Skip,
}

/// One object and what is to be done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The desired object; the live one where it is skipped and exists.
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

/// Decides what to do with each object of a stage.
pub fn plan(stage: Vec<(Object, Observed)>) -> Plan {
    Plan { steps: stage.into_iter().map(|(desired, observed)| step(desired, observed)).collect() }
}

fn step(desired: Object, observed: Observed) -> Step {
    if markers::is_excluded(&desired, observed.live.as_ref()) {
        return Step { object: observed.live.unwrap_or(desired), action: Action::Skip };
    }
    let Some(live) = observed.live else {
        return Step { object: desired, action: Action::Create };
    };
    let fields = drift::fields(&live, &observed.dry_run);
    let takeover = if markers::merges(&desired, &live) { None } else { ownership::takeover(&live) };
    let action = if fields.is_empty() && takeover.is_none() {
        Action::Unchanged
    } else {
        Action::Configure { fields, takeover }
    };
    Step { object: desired, action }
}

impl Action {
    /// Whether carrying it out writes to the cluster.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Create | Self::Configure { .. })
    }

    /// The word that events and change logs use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "created",
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
