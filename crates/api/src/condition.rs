//! Conditions: what an object says of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `Ready`: the outcome of the last run.
pub const READY: &str = "Ready";
/// `Reconciling`: a run is under way or will be retried.
pub const RECONCILING: &str = "Reconciling";
/// `Stalled`: nothing is retried until someone changes something.
pub const STALLED: &str = "Stalled";

/// Condition messages longer than this are cut and end in `...` (ocirepository.md, 3).
pub const MESSAGE_LENGTH_MAX: usize = 32768;

/// One condition of an object (metav1.Condition).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Last time the condition changed from one state to another.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// What a person reads.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The generation that the condition was set for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Why, in one word.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// Type, in one word.
    #[serde(rename = "type")]
    #[schemars(
        length(max = 316),
        regex(
            pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        )
    )]
    pub kind: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known now.
    Unknown,
}

/// What a condition says, without when and for which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Type.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: String,
    /// What a person reads.
    pub message: String,
}

impl Claim {
    /// A claim of the given type.
    pub fn new(kind: &'static str, status: ConditionStatus, reason: &str, message: &str) -> Self {
        Self { kind, status, reason: reason.into(), message: message.into() }
    }
}

/// The conditions of one object while its new status is computed.
///
/// `lastTransitionTime` moves when status, reason or message change; the observed generation is
/// always that of the run (kustomization.md, 3).
#[derive(Clone, Debug)]
pub struct Conditions {
    list: Vec<Condition>,
    generation: i64,
    now: String,
}

impl Conditions {
    /// Starts from the stored conditions; `now` is RFC 3339 in whole seconds.
    pub fn new(stored: &[Condition], generation: i64, now: String) -> Self {
        Self { list: stored.to_vec(), generation, now }
    }

    /// The condition of a type.
    pub fn get(&self, kind: &str) -> Option<&Condition> {
        self.list.iter().find(|condition| condition.kind == kind)
    }

    /// Whether the condition of a type is True.
    pub fn is_true(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Sets a condition.
    pub fn set(&mut self, claim: Claim) {
        let message = shorten(claim.message);
        let same = self.get(claim.kind).is_some_and(|old| {
            old.status == claim.status && old.reason == claim.reason && old.message == message
        });
        let since =
            self.get(claim.kind).filter(|_| same).map(|old| old.last_transition_time.clone());
        let condition = Condition {
            last_transition_time: since.unwrap_or_else(|| self.now.clone()),
            message,
            observed_generation: Some(self.generation),
            reason: claim.reason,
            status: claim.status,
            kind: claim.kind.into(),
        };
        match self.list.iter_mut().find(|old| old.kind == condition.kind) {
            Some(slot) => *slot = condition,
            None => self.list.push(condition),
        }
    }

    /// Drops a condition.
    pub fn remove(&mut self, kind: &str) {
        self.list.retain(|condition| condition.kind != kind);
    }

    /// The list in the stored order: Stalled, Reconciling, Ready, then the others by observed
    /// generation descending and type.
    pub fn into_list(mut self) -> Vec<Condition> {
        let rank = |condition: &Condition| {
            [STALLED, RECONCILING, READY]
                .iter()
                .position(|kind| condition.kind == *kind)
                .unwrap_or(3)
        };
        self.list.sort_by(|a, b| {
            rank(a).cmp(&rank(b)).then_with(|| {
                b.observed_generation.cmp(&a.observed_generation).then_with(|| a.kind.cmp(&b.kind))
            })
        });
        self.list
    }
}

fn shorten(mut message: String) -> String {
    if message.len() > MESSAGE_LENGTH_MAX {
        let mut end = MESSAGE_LENGTH_MAX - 3;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push_str("...");
    }
    message
}
