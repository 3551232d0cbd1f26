//! The status of a Kustomization, as a function of what it was, what happened, and when
//! (kustomization.md, 3, 14 and 16). Nothing else builds a condition of this kind.

use std::collections::BTreeMap;
use std::time::Duration;

use api::condition::{Claim, ConditionStatus, Conditions, READY, RECONCILING, STALLED};
use api::duration::GoDuration;
use api::kustomization::{Inventory, InventoryEntry, KustomizationStatus, Snapshot};
use plan::inventory::Entry;

/// The condition about health checks.
const HEALTHY: &str = "Healthy";
/// The condition about a prune that somebody has to allow.
const BLOCKED: &str = "sluice.dev/PruneBlocked";
/// The condition types that are ours.
pub(super) const OWNED: [&str; 5] = [HEALTHY, BLOCKED, READY, RECONCILING, STALLED];
/// Outcomes that are remembered.
const HISTORY_LENGTH_MAX: usize = 5;

const PROGRESSING: &str = "Progressing";
const IN_PROGRESS: &str = "Reconciliation in progress";
pub(super) const SUCCEEDED: &str = "ReconciliationSucceeded";
pub(super) const PRUNE_BLOCKED: &str = "PruneBlocked";
pub(super) const DRIFT_DETECTED: &str = "DriftDetected";
pub(super) const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reading the artifact.
    Fetching,
    /// Building.
    Building,
    /// Comparing and applying.
    Detecting,
    /// Waiting for health.
    Checking,
}

/// One run, as far as its status is concerned.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) generation: i64,
    pub(super) revision: String,
    pub(super) origin_revision: Option<String>,
    pub(super) timeout: Duration,
    pub(super) phase: Phase,
    /// Objects that we own now, when this run may have changed them.
    pub(super) inventory: Option<Vec<Entry>>,
    /// Digest of what was built, once something was.
    pub(super) digest: Option<String>,
}

/// How a reconcile ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Nothing was tried: it is suspended, or is being deleted and cannot go yet.
    Held,
    /// Nothing will be tried until something changes.
    Stalled { reason: String, message: String },
    /// The same, because the operator's settings forbid it: the spec itself is not to blame
    /// (kustomization.md, 3).
    Denied { reason: &'static str, message: String },
    /// It could not begin.
    NotStarted { reason: &'static str, message: String },
    /// It began and failed.
    Failed {
        run: Run,
        reason: &'static str,
        message: String,
        duration: Duration,
        /// The raw health text, when health is what failed.
        unhealthy: Option<String>,
    },
    /// Everything was applied, and what left the source is kept until somebody allows its deletion.
    PruneBlocked { run: Run, message: String },
    /// It was looked at what would be done: `drift`, if anything.
    Detected { run: Run, drift: Option<String> },
    /// Something newer came while health was awaited.
    Canceled { run: Run, cause: String },
    /// Everything is as asked for.
    Succeeded {
        run: Run,
        duration: Duration,
        /// How long the health check took, when there was one.
        healthy_after: Option<Duration>,
    },
}

/// A duration as messages have it: whole seconds (decisions.md, W15).
pub(super) fn seconds(duration: Duration) -> GoDuration {
    GoDuration::from(duration).round(GoDuration::from_nanoseconds(1_000_000_000))
}

impl Run {
    fn progress(&self) -> String {
        let doing = match self.phase {
            Phase::Fetching => "Fetching manifests",
            Phase::Building => "Building manifests",
            Phase::Detecting => "Detecting drift",
            Phase::Checking => "Running health checks",
        };
        let timeout = GoDuration::from(self.timeout);
        format!("{doing} for revision {} with a timeout of {timeout}", self.revision)
    }
}

/// The status while a run is under way.
pub(super) fn progressing(
    previous: &KustomizationStatus,
    run: &Run,
    now: String,
) -> KustomizationStatus {
    let mut status = previous.clone();
    carry(&mut status, run);
    let mut conditions = Conditions::new(&previous.conditions, run.generation, now);
    conditions.remove(STALLED);
    conditions.set(Claim::new(RECONCILING, ConditionStatus::True, PROGRESSING, &run.progress()));
    conditions.set(Claim::new(READY, ConditionStatus::Unknown, PROGRESSING, IN_PROGRESS));
    if run.phase == Phase::Checking {
        conditions.set(Claim::new(HEALTHY, ConditionStatus::Unknown, PROGRESSING, &run.progress()));
    }
    status.conditions = conditions.into_list();
    status
}

/// What a run changes whatever its end.
fn carry(status: &mut KustomizationStatus, run: &Run) {
    if run.phase != Phase::Fetching {
        status.last_attempted_revision = Some(run.revision.clone());
    }
    if let Some(entries) = &run.inventory {
        status.inventory = Some(inventory(entries));
    }
}

/// The status after a reconcile of `generation`, asked for by `requested_at`.
pub(super) fn finished(
    previous: &KustomizationStatus,
    outcome: &Outcome,
    (generation, requested_at): (i64, Option<&str>),
    now: &str,
) -> KustomizationStatus {
    let mut status = previous.clone();
    if let Some(requested_at) = requested_at {
        status.last_handled_reconcile_at = Some(requested_at.to_owned());
    }
    let mut conditions = Conditions::new(&previous.conditions, generation, now.to_owned());
    match outcome {
        Outcome::Held => {
            if conditions.is_true(READY) {
                status.observed_generation = Some(generation);
            }
        }
        Outcome::Stalled { reason, message } => {
            conditions.remove(RECONCILING);
            conditions.set(Claim::new(READY, ConditionStatus::False, reason, message));
            conditions.set(Claim::new(STALLED, ConditionStatus::True, reason, message));
            status.observed_generation = Some(generation);
        }
        Outcome::Denied { reason, message } => {
            conditions.remove(RECONCILING);
            conditions.set(Claim::new(READY, ConditionStatus::False, reason, message));
            conditions.set(Claim::new(STALLED, ConditionStatus::True, reason, message));
        }
        Outcome::NotStarted { reason, message } => {
            conditions.remove(STALLED);
            conditions.set(Claim::new(READY, ConditionStatus::False, reason, message));
        }
        Outcome::Failed { run, reason, message, duration, unhealthy } => {
            carry(&mut status, run);
            failed(&mut conditions, run, reason, message);
            if let Some(text) = unhealthy {
                let claim = Claim::new(HEALTHY, ConditionStatus::False, HEALTH_CHECK_FAILED, text);
                conditions.set(claim);
                // Health comes after the prune.
                conditions.remove(BLOCKED);
            }
            remember(&mut status, run, reason, *duration, now);
        }
        Outcome::PruneBlocked { run, message } => {
            carry(&mut status, run);
            settle(&mut conditions, ConditionStatus::False, PRUNE_BLOCKED, message);
            conditions.set(Claim::new(BLOCKED, ConditionStatus::True, PRUNE_BLOCKED, message));
            status.observed_generation = Some(generation);
        }
        Outcome::Detected { run, drift } => {
            carry(&mut status, run);
            detected(&mut conditions, run, drift.as_deref());
            status.observed_generation = Some(generation);
        }
        Outcome::Canceled { run, cause } => {
            carry(&mut status, run);
            let message = format!("New reconciliation triggered by {cause}");
            failed(&mut conditions, run, "HealthCheckCanceled", &message);
        }
        Outcome::Succeeded { run, duration, healthy_after } => {
            carry(&mut status, run);
            succeeded(&mut conditions, run, *healthy_after);
            status.observed_generation = Some(generation);
            status.last_applied_revision = Some(run.revision.clone());
            status.last_applied_origin_revision.clone_from(&run.origin_revision);
            remember(&mut status, run, SUCCEEDED, *duration, now);
        }
    }
    if let Some(claim) = retrying(&conditions) {
        conditions.set(claim);
    }
    status.conditions = conditions.into_list();
    status
}

fn failed(conditions: &mut Conditions, run: &Run, reason: &str, message: &str) {
    conditions.remove(STALLED);
    conditions.set(Claim::new(RECONCILING, ConditionStatus::True, PROGRESSING, &run.progress()));
    conditions.set(Claim::new(READY, ConditionStatus::False, reason, message));
}

/// Nothing is under way until the next interval, or until somebody does something.
fn settle(conditions: &mut Conditions, ready: ConditionStatus, reason: &str, message: &str) {
    conditions.remove(STALLED);
    conditions.remove(RECONCILING);
    conditions.set(Claim::new(READY, ready, reason, message));
}

fn detected(conditions: &mut Conditions, run: &Run, drift: Option<&str>) {
    let none = format!("detect only, nothing differs from revision {}", run.revision);
    let (ready, reason, message) = match drift {
        Some(drift) => (ConditionStatus::False, DRIFT_DETECTED, drift),
        None => (ConditionStatus::True, "NoDriftDetected", none.as_str()),
    };
    settle(conditions, ready, reason, message);
}

fn succeeded(conditions: &mut Conditions, run: &Run, healthy_after: Option<Duration>) {
    let message = format!("Applied revision: {}", run.revision);
    settle(conditions, ConditionStatus::True, SUCCEEDED, &message);
    conditions.remove(BLOCKED);
    match healthy_after {
        None => conditions.remove(HEALTHY),
        // Still healthy is no news: the text keeps the time of the first check that passed.
        Some(_) if conditions.is_true(HEALTHY) => {
            if let Some(old) = conditions.get(HEALTHY).cloned() {
                conditions.set(Claim::new(
                    HEALTHY,
                    ConditionStatus::True,
                    &old.reason,
                    &old.message,
                ));
            }
        }
        Some(after) => {
            let message = format!("Health check passed in {}", seconds(after));
            conditions.set(Claim::new(HEALTHY, ConditionStatus::True, "Succeeded", &message));
        }
    }
}

/// A Reconciling that outlives a failed run says that it will be tried again.
fn retrying(conditions: &Conditions) -> Option<Claim> {
    let ready = conditions.get(READY)?;
    let reconciling = conditions.get(RECONCILING)?;
    (ready.status == ConditionStatus::False).then(|| {
        Claim::new(RECONCILING, ConditionStatus::True, "ProgressingWithRetry", &reconciling.message)
    })
}

/// The inventory as it is stored.
fn inventory(entries: &[Entry]) -> Inventory {
    let entries = entries
        .iter()
        .map(|entry| InventoryEntry { id: entry.id.to_string(), v: entry.version.clone() })
        .collect();
    Inventory { entries }
}

/// Adds an outcome to the history, or counts it when it repeats one (kustomization.md, 16).
fn remember(
    status: &mut KustomizationStatus,
    run: &Run,
    outcome: &str,
    duration: Duration,
    now: &str,
) {
    const RECORDED: [&str; 4] =
        [SUCCEEDED, "ReconciliationFailed", "PruneFailed", HEALTH_CHECK_FAILED];
    let Some(digest) = run.digest.clone().filter(|_| RECORDED.contains(&outcome)) else { return };
    let mut history = status.history.take().unwrap_or_default();
    let same = history
        .iter()
        .position(|past| past.digest == digest && past.last_reconciled_status == outcome);
    let past = same.map(|at| history.remove(at));
    let mut metadata = BTreeMap::from([("revision".to_owned(), run.revision.clone())]);
    if let Some(origin) = &run.origin_revision {
        metadata.insert("originRevision".into(), origin.clone());
    }
    history.insert(
        0,
        Snapshot {
            digest,
            first_reconciled: past
                .as_ref()
                .map_or_else(|| now.to_owned(), |p| p.first_reconciled.clone()),
            last_reconciled: now.to_owned(),
            last_reconciled_duration: GoDuration::from(duration).to_string(),
            last_reconciled_status: outcome.to_owned(),
            metadata: Some(metadata),
            total_reconciliations: past.map_or(0, |p| p.total_reconciliations) + 1,
        },
    );
    history.truncate(HISTORY_LENGTH_MAX);
    status.history = Some(history);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn run(phase: Phase) -> Run {
        Run {
            generation: 2,
            revision: "v1@sha256:ab".into(),
            origin_revision: None,
            timeout: Duration::from_secs(570),
            phase,
            inventory: None,
            digest: Some("sha256:cd".into()),
        }
    }

    /// Conditions of a status, one a line.
    fn lines(status: &KustomizationStatus) -> String {
        let line = |c: &api::condition::Condition| {
            format!("{} {:?} {}: {}\n", c.kind, c.status, c.reason, c.message)
        };
        status.conditions.iter().map(line).collect()
    }

    fn after(
        previous: &KustomizationStatus,
        outcome: &Outcome,
        expected: &Expect,
    ) -> KustomizationStatus {
        let status = finished(previous, outcome, (2, Some("now")), "2026-01-01T00:00:00Z");
        assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
        expected.assert_eq(&lines(&status));
        status
    }

    fn success(healthy_after: Option<Duration>) -> Outcome {
        let (run, duration) = (run(Phase::Checking), Duration::from_millis(1200));
        Outcome::Succeeded { run, duration, healthy_after }
    }

    fn failure(reason: &'static str, unhealthy: Option<String>) -> Outcome {
        let (run, duration) = (run(Phase::Detecting), Duration::from_secs(1));
        Outcome::Failed { run, reason, message: "why".into(), duration, unhealthy }
    }

    #[test]
    fn a_run_says_where_it_is() {
        let status =
            progressing(&KustomizationStatus::default(), &run(Phase::Checking), String::new());
        expect![[r"
            Reconciling True Progressing: Running health checks for revision v1@sha256:ab with a timeout of 9m30s
            Ready Unknown Progressing: Reconciliation in progress
            Healthy Unknown Progressing: Running health checks for revision v1@sha256:ab with a timeout of 9m30s
        "]]
        .assert_eq(&lines(&status));
        assert_eq!(status.last_attempted_revision.as_deref(), Some("v1@sha256:ab"));
    }

    #[test]
    fn success_failure_and_success_again() {
        let first = after(
            &KustomizationStatus::default(),
            &success(Some(Duration::from_millis(5400))),
            &expect![[r"
                Ready True ReconciliationSucceeded: Applied revision: v1@sha256:ab
                Healthy True Succeeded: Health check passed in 5s
            "]],
        );
        assert_eq!(first.observed_generation, Some(2));
        let failed = after(
            &first,
            &failure("ReconciliationFailed", None),
            &expect![[r"
                Reconciling True ProgressingWithRetry: Detecting drift for revision v1@sha256:ab with a timeout of 9m30s
                Ready False ReconciliationFailed: why
                Healthy True Succeeded: Health check passed in 5s
            "]],
        );
        assert_eq!(failed.last_applied_revision, first.last_applied_revision);
        let again = after(
            &failed,
            &success(None),
            &expect![[r"
                Ready True ReconciliationSucceeded: Applied revision: v1@sha256:ab
            "]],
        );
        let history = again.history.unwrap_or_default();
        let counts: Vec<_> = history
            .iter()
            .map(|past| (past.last_reconciled_status.as_str(), past.total_reconciliations))
            .collect();
        assert_eq!(counts, [(SUCCEEDED, 2), ("ReconciliationFailed", 1)]);
    }

    #[test]
    fn who_has_to_be_asked_waits_without_trying_again() {
        let message = "why".to_owned();
        let blocked = Outcome::PruneBlocked { run: run(Phase::Detecting), message };
        let status = after(
            &KustomizationStatus::default(),
            &blocked,
            &expect![[r"
                Ready False PruneBlocked: why
                sluice.dev/PruneBlocked True PruneBlocked: why
            "]],
        );
        assert_eq!(
            (status.observed_generation, status.last_applied_revision.as_deref()),
            (Some(2), None)
        );
        let applied = expect![[r"
            Ready True ReconciliationSucceeded: Applied revision: v1@sha256:ab
        "]];
        after(&status, &success(None), &applied);
        let detected = |drift: Option<&str>| {
            let drift = drift.map(str::to_owned);
            Outcome::Detected { run: run(Phase::Detecting), drift }
        };
        let drifted = expect![[r"
            Ready False DriftDetected: x created
            sluice.dev/PruneBlocked True PruneBlocked: why
        "]];
        let status = after(&status, &detected(Some("x created")), &drifted);
        assert_eq!(status.last_applied_revision, None);
        let none = expect![[r"
            Ready True NoDriftDetected: detect only, nothing differs from revision v1@sha256:ab
        "]];
        after(&KustomizationStatus::default(), &detected(None), &none);
    }

    #[test]
    fn unhealthy_and_canceled_runs() {
        after(
            &KustomizationStatus::default(),
            &failure(HEALTH_CHECK_FAILED, Some("timeout waiting for: [x]".into())),
            &expect![[r"
                Reconciling True ProgressingWithRetry: Detecting drift for revision v1@sha256:ab with a timeout of 9m30s
                Ready False HealthCheckFailed: why
                Healthy False HealthCheckFailed: timeout waiting for: [x]
            "]],
        );
        let canceled =
            Outcome::Canceled { run: run(Phase::Checking), cause: "OCIRepository/ns/src".into() };
        let status = after(
            &KustomizationStatus::default(),
            &canceled,
            &expect![[r"
                Reconciling True ProgressingWithRetry: Running health checks for revision v1@sha256:ab with a timeout of 9m30s
                Ready False HealthCheckCanceled: New reconciliation triggered by OCIRepository/ns/src
            "]],
        );
        assert_eq!(status.history, None);
    }

    #[test]
    fn stalled_and_waiting_objects() {
        let stalled = Outcome::Stalled { reason: "InvalidSpec".into(), message: "no".into() };
        let status = after(
            &KustomizationStatus::default(),
            &stalled,
            &expect![[r"
                Stalled True InvalidSpec: no
                Ready False InvalidSpec: no
            "]],
        );
        assert_eq!(status.observed_generation, Some(2));
        let denied = Outcome::Denied { reason: "AccessDenied", message: "no".into() };
        let status = after(
            &KustomizationStatus::default(),
            &denied,
            &expect![[r"
                Stalled True AccessDenied: no
                Ready False AccessDenied: no
            "]],
        );
        assert_eq!(status.observed_generation, None);
        let waiting = Outcome::NotStarted { reason: "DependencyNotReady", message: "soon".into() };
        let status = after(
            &status,
            &waiting,
            &expect![[r"
                Ready False DependencyNotReady: soon
            "]],
        );
        assert_eq!(status.last_attempted_revision, None);
    }

    #[test]
    fn the_inventory_moves_only_when_the_run_says_so() {
        let id = manifest::ObjectId::parse("ns_cm__ConfigMap");
        let entry = id.map(|id| Entry { id, version: "v1".into() });
        let mut writing = run(Phase::Detecting);
        writing.inventory = Some(entry.into_iter().collect());
        let ahead = progressing(&KustomizationStatus::default(), &writing, String::new());
        assert_eq!(ahead.inventory.as_ref().map(|inventory| inventory.entries.len()), Some(1));
        let failed = finished(&ahead, &failure("BuildFailed", None), (2, None), "");
        assert_eq!(failed.inventory, ahead.inventory);
        assert_eq!(failed.history, None);
    }
}
