//! The status of an OCIRepository, as a function of what it was, what happened, and when
//! (ocirepository.md, 3). Nothing else builds a condition of this kind.

use api::condition::{Claim, Condition, ConditionStatus, Conditions, READY, RECONCILING, STALLED};
use api::oci_repository::{Artifact, LayerSelector, OCIRepositoryStatus};

/// The artifact could not be fetched.
pub(super) const FETCH_FAILED: &str = "FetchFailed";
/// The artifact could not be stored.
pub(super) const STORAGE_FAILED: &str = "StorageOperationFailed";
const OUTDATED: &str = "ArtifactOutdated";
const IN_STORAGE: &str = "ArtifactInStorage";
/// The artifact's signature is as demanded, or is not.
pub(super) const VERIFIED: &str = "SourceVerified";
/// What is stored is kept although the registry offers something lower only, and how that is called.
pub(super) const HELD: &str = "sluice.dev/RollbackHeld";
pub(super) const HELD_REASON: &str = "RollbackHeld";
/// The condition types that are ours.
pub(super) const OWNED: [&str; 9] = [
    STORAGE_FAILED,
    FETCH_FAILED,
    OUTDATED,
    IN_STORAGE,
    VERIFIED,
    HELD,
    READY,
    RECONCILING,
    STALLED,
];

/// One reconcile, as far as its status is concerned.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) generation: i64,
    /// Value of the annotation that asks for a reconcile.
    pub(super) requested_at: Option<String>,
    /// RFC 3339.
    pub(super) now: String,
}

/// How a reconcile ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It is suspended.
    Suspended,
    /// Nothing will be tried until something changes.
    Stalled { reason: String, message: String, fetch: Fetch },
    /// It failed and will be tried again.
    Failed { condition: &'static str, reason: &'static str, message: String, progress: String },
    /// The artifact is stored and as asked for.
    Stored(Box<Stored>),
}

/// Whether a stalled reconcile is the fault of what is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// It got that far.
    Failed,
    /// It did not.
    NotTried,
}

/// What is stored now.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) artifact: Artifact,
    pub(super) url: String,
    pub(super) ignore: Option<String>,
    pub(super) layer_selector: Option<LayerSelector>,
    /// Why it is kept, if the registry offers something else.
    pub(super) held: Option<String>,
}

fn stored_text(revision: &str) -> String {
    format!("stored artifact for digest '{revision}'")
}

/// What the object says while a run is under way.
pub(super) fn progressing(
    previous: &OCIRepositoryStatus,
    facts: &Facts,
    message: &str,
    outdated: Option<&str>,
) -> OCIRepositoryStatus {
    let mut conditions = start(previous, facts);
    conditions.set(Claim::new(RECONCILING, ConditionStatus::True, "Progressing", message));
    if let Some(text) = outdated {
        conditions.set(Claim::new(OUTDATED, ConditionStatus::True, "NewRevision", text));
    }
    conditions.set(Claim::new(READY, ConditionStatus::Unknown, "Progressing", message));
    OCIRepositoryStatus { conditions: conditions.into_list(), ..previous.clone() }
}

/// The text of a run that has not come far yet.
pub(super) fn beginning(previous: &OCIRepositoryStatus, facts: &Facts) -> String {
    let observed = previous.observed_generation.unwrap_or_default();
    if previous.artifact.is_none() {
        "building artifact".into()
    } else if observed == facts.generation {
        "reconciliation in progress".into()
    } else {
        format!("processing object: new generation {observed} -> {}", facts.generation)
    }
}

fn start(previous: &OCIRepositoryStatus, facts: &Facts) -> Conditions {
    let mut conditions = Conditions::new(&previous.conditions, facts.generation, facts.now.clone());
    conditions.remove(STALLED);
    conditions
}

/// The status after a reconcile.
pub(super) fn finished(
    previous: &OCIRepositoryStatus,
    outcome: &Outcome,
    facts: &Facts,
) -> OCIRepositoryStatus {
    let mut status = previous.clone();
    if facts.requested_at.is_some() {
        status.last_handled_reconcile_at.clone_from(&facts.requested_at);
    }
    let mut conditions = start(previous, facts);
    let observed = match outcome {
        Outcome::Suspended => {
            if let Some(message) = conditions.get(RECONCILING).map(|c| c.message.clone()) {
                conditions.set(retrying(&message));
            }
            // It says what it said, of this generation.
            if let Some(ready) = conditions.get(READY).cloned() {
                conditions.set(Claim::new(READY, ready.status, &ready.reason, &ready.message));
            }
            !previous.conditions.is_empty()
        }
        Outcome::Stalled { reason, message, fetch } => {
            conditions.remove(RECONCILING);
            if *fetch == Fetch::Failed {
                conditions.set(Claim::new(FETCH_FAILED, ConditionStatus::True, reason, message));
            }
            conditions.set(Claim::new(STALLED, ConditionStatus::True, reason, message));
            conditions.set(Claim::new(READY, ConditionStatus::False, reason, message));
            true
        }
        Outcome::Failed { condition, reason, message, progress } => {
            conditions.remove(STORAGE_FAILED);
            let bad = match *condition {
                VERIFIED => ConditionStatus::False,
                _ => ConditionStatus::True,
            };
            conditions.set(Claim::new(condition, bad, reason, message));
            conditions.set(retrying(progress));
            summarize(&mut conditions);
            false
        }
        Outcome::Stored(stored) => {
            for kind in [STORAGE_FAILED, FETCH_FAILED, OUTDATED, RECONCILING] {
                conditions.remove(kind);
            }
            let text = stored_text(&stored.artifact.revision);
            conditions.set(Claim::new(IN_STORAGE, ConditionStatus::True, "Succeeded", &text));
            if let Some(why) = &stored.held {
                conditions.set(Claim::new(HELD, ConditionStatus::True, HELD_REASON, why));
                conditions.set(Claim::new(READY, ConditionStatus::False, HELD_REASON, why));
            } else {
                conditions.remove(HELD);
                conditions.set(Claim::new(READY, ConditionStatus::True, "Succeeded", &text));
            }
            status.artifact = Some(stored.artifact.clone());
            status.url = Some(stored.url.clone());
            status.observed_ignore.clone_from(&stored.ignore);
            status.observed_layer_selector.clone_from(&stored.layer_selector);
            true
        }
    };
    if observed {
        status.observed_generation = Some(facts.generation);
    }
    status.conditions = conditions.into_list();
    status
}

/// What is known of the artifact's signature while a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof<'a> {
    /// None is demanded, or the one there is does not decide anything.
    None,
    /// What is known is of a former run, of which a failure is found out anew.
    Former,
    /// The signature of this revision is as demanded.
    Verified(&'a str),
}

/// The status once the artifact's signature has been looked at.
pub(super) fn proven(
    previous: &OCIRepositoryStatus,
    facts: &Facts,
    proof: Proof<'_>,
) -> OCIRepositoryStatus {
    let mut conditions = Conditions::new(&previous.conditions, facts.generation, facts.now.clone());
    match proof {
        Proof::Former if conditions.is_true(VERIFIED) => {}
        Proof::None | Proof::Former => conditions.remove(VERIFIED),
        Proof::Verified(revision) => {
            let text = format!("verified signature of revision {revision}");
            conditions.set(Claim::new(VERIFIED, ConditionStatus::True, "Succeeded", &text));
        }
    }
    OCIRepositoryStatus { conditions: conditions.into_list(), ..previous.clone() }
}

/// Whether the signature was found to be as demanded for this generation.
pub(super) fn is_proven(status: &OCIRepositoryStatus, facts: &Facts) -> bool {
    let verified = status.conditions.iter().find(|condition| condition.kind == VERIFIED);
    verified.is_some_and(|condition| {
        condition.status == ConditionStatus::True
            && condition.observed_generation == Some(facts.generation)
    })
}

/// The status after the stored file was found to be gone.
pub(super) fn disappeared(previous: &OCIRepositoryStatus, facts: &Facts) -> OCIRepositoryStatus {
    let message = "building artifact: disappeared from storage";
    let mut status = progressing(previous, facts, message, None);
    status.conditions.retain(|condition| condition.kind != IN_STORAGE);
    (status.artifact, status.url) = (None, None);
    status
}

fn retrying(message: &str) -> Claim {
    Claim::new(RECONCILING, ConditionStatus::True, "ProgressingWithRetry", message)
}

/// Ready of a failed run: a signature that is not as demanded, or the first bad condition in order
/// of priority.
fn summarize(conditions: &mut Conditions) {
    let unverified =
        conditions.get(VERIFIED).filter(|found| found.status == ConditionStatus::False);
    let bad = || {
        let kinds = [STORAGE_FAILED, FETCH_FAILED, OUTDATED, RECONCILING];
        let kind = kinds.into_iter().find(|kind| conditions.is_true(kind))?;
        conditions.get(kind)
    };
    let bad: Option<Condition> = unverified.or_else(bad).cloned();
    if let Some(bad) = bad {
        conditions.set(Claim::new(READY, ConditionStatus::False, &bad.reason, &bad.message));
    }
}

/// Whether something had failed before that is repaired now.
pub(super) fn has_failed(status: &OCIRepositoryStatus) -> bool {
    status.conditions.iter().any(|condition| {
        [FETCH_FAILED, STORAGE_FAILED].contains(&condition.kind.as_str())
            && condition.status == ConditionStatus::True
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn facts(generation: i64) -> Facts {
        Facts { generation, requested_at: None, now: "2026-01-01T00:00:00Z".into() }
    }

    fn lines(status: &OCIRepositoryStatus) -> String {
        let line =
            |c: &Condition| format!("{} {:?} {}: {}\n", c.kind, c.status, c.reason, c.message);
        status.conditions.iter().map(line).collect()
    }

    fn after(
        previous: &OCIRepositoryStatus,
        outcome: &Outcome,
        expected: &Expect,
    ) -> OCIRepositoryStatus {
        let status = finished(previous, outcome, &facts(1));
        expected.assert_eq(&lines(&status));
        status
    }

    fn stored(revision: &str) -> Outcome {
        let artifact = Artifact {
            digest: "sha256:aa".into(),
            last_update_time: "2026-01-01T00:00:00Z".into(),
            metadata: None,
            path: "p".into(),
            revision: revision.into(),
            size: None,
            url: "u".into(),
        };
        Outcome::Stored(Box::new(Stored {
            artifact,
            url: "l".into(),
            ignore: None,
            layer_selector: None,
            held: None,
        }))
    }

    fn fetch_failed() -> Outcome {
        let (condition, reason) = (FETCH_FAILED, "OCIArtifactPullFailed");
        Outcome::Failed {
            condition,
            reason,
            message: "why".into(),
            progress: "building artifact".into(),
        }
    }

    #[test]
    fn a_failure_keeps_the_artifact_and_a_success_clears_it() {
        let first = after(
            &OCIRepositoryStatus::default(),
            &stored("v1@sha256:ab"),
            &expect![[r"
                Ready True Succeeded: stored artifact for digest 'v1@sha256:ab'
                ArtifactInStorage True Succeeded: stored artifact for digest 'v1@sha256:ab'
            "]],
        );
        assert_eq!(first.observed_generation, Some(1));
        let failed = after(
            &first,
            &fetch_failed(),
            &expect![[r"
                Reconciling True ProgressingWithRetry: building artifact
                Ready False OCIArtifactPullFailed: why
                ArtifactInStorage True Succeeded: stored artifact for digest 'v1@sha256:ab'
                FetchFailed True OCIArtifactPullFailed: why
            "]],
        );
        assert_eq!(failed.artifact, first.artifact);
        assert!(has_failed(&failed));
        after(
            &failed,
            &stored("v2@sha256:cd"),
            &expect![[r"
                Ready True Succeeded: stored artifact for digest 'v2@sha256:cd'
                ArtifactInStorage True Succeeded: stored artifact for digest 'v2@sha256:cd'
            "]],
        );
    }

    #[test]
    fn what_is_held_is_stored_and_not_ready() {
        let held = |why: Option<&str>| match stored("v2@sha256:ab") {
            Outcome::Stored(stored) => {
                Outcome::Stored(Box::new(Stored { held: why.map(Into::into), ..*stored }))
            }
            other => other,
        };
        let first = after(
            &OCIRepositoryStatus::default(),
            &held(Some("why")),
            &expect![[r"
                Ready False RollbackHeld: why
                ArtifactInStorage True Succeeded: stored artifact for digest 'v2@sha256:ab'
                sluice.dev/RollbackHeld True RollbackHeld: why
            "]],
        );
        assert!(first.artifact.is_some());
        assert_eq!(first.observed_generation, Some(1));
        after(
            &first,
            &held(None),
            &expect![[r"
                Ready True Succeeded: stored artifact for digest 'v2@sha256:ab'
                ArtifactInStorage True Succeeded: stored artifact for digest 'v2@sha256:ab'
            "]],
        );
    }

    #[test]
    fn a_failed_fetch_is_named_before_an_outdated_artifact() {
        let outdated = progressing(
            &OCIRepositoryStatus::default(),
            &facts(1),
            "building artifact: new revision 'r' for 'x'",
            Some("new revision 'r' for 'x'"),
        );
        expect![[r"
            Reconciling True Progressing: building artifact: new revision 'r' for 'x'
            Ready Unknown Progressing: building artifact: new revision 'r' for 'x'
            ArtifactOutdated True NewRevision: new revision 'r' for 'x'
        "]]
        .assert_eq(&lines(&outdated));
        after(
            &outdated,
            &fetch_failed(),
            &expect![[r"
                Reconciling True ProgressingWithRetry: building artifact
                Ready False OCIArtifactPullFailed: why
                ArtifactOutdated True NewRevision: new revision 'r' for 'x'
                FetchFailed True OCIArtifactPullFailed: why
            "]],
        );
    }

    /// Contract section 3: the override, and what becomes of the condition.
    #[test]
    fn a_bad_signature_is_named_before_everything_else() {
        let failed = finished(&OCIRepositoryStatus::default(), &fetch_failed(), &facts(1));
        let (condition, reason) = (VERIFIED, "VerificationError");
        let (message, progress) = ("no".into(), "building artifact".into());
        let unverified = after(
            &failed,
            &Outcome::Failed { condition, reason, message, progress },
            &expect![[r"
                Reconciling True ProgressingWithRetry: building artifact
                Ready False VerificationError: no
                FetchFailed True OCIArtifactPullFailed: why
                SourceVerified False VerificationError: no
            "]],
        );
        assert!(!is_proven(&unverified, &facts(1)));
        let forgotten = proven(&unverified, &facts(1), Proof::Former);
        assert!(!lines(&forgotten).contains(VERIFIED));
        let verified = proven(&forgotten, &facts(1), Proof::Verified("v1@sha256:ab"));
        assert!(is_proven(&verified, &facts(1)) && !is_proven(&verified, &facts(2)));
        after(
            &verified,
            &stored("v1@sha256:ab"),
            &expect![[r"
                Ready True Succeeded: stored artifact for digest 'v1@sha256:ab'
                ArtifactInStorage True Succeeded: stored artifact for digest 'v1@sha256:ab'
                SourceVerified True Succeeded: verified signature of revision v1@sha256:ab
            "]],
        );
        assert_eq!(proven(&verified, &facts(2), Proof::Former), verified);
        assert!(!lines(&proven(&verified, &facts(1), Proof::None)).contains(VERIFIED));
    }

    #[test]
    fn a_bad_address_stalls_and_a_suspended_pass_lifts_it() {
        let (reason, message, fetch) = ("URLInvalid".into(), "no".into(), Fetch::Failed);
        let stalled = after(
            &OCIRepositoryStatus::default(),
            &Outcome::Stalled { reason, message, fetch },
            &expect![[r"
                Stalled True URLInvalid: no
                Ready False URLInvalid: no
                FetchFailed True URLInvalid: no
            "]],
        );
        assert_eq!(stalled.observed_generation, Some(1));
        after(
            &stalled,
            &Outcome::Suspended,
            &expect![[r"
                Ready False URLInvalid: no
                FetchFailed True URLInvalid: no
            "]],
        );
    }

    #[test]
    fn a_file_that_disappeared_takes_the_artifact_with_it() {
        let before = finished(&OCIRepositoryStatus::default(), &stored("r"), &facts(1));
        let status = disappeared(&before, &facts(1));
        assert_eq!((status.artifact.is_none(), status.url.is_none()), (true, true));
        expect![[r"
            Reconciling True Progressing: building artifact: disappeared from storage
            Ready Unknown Progressing: building artifact: disappeared from storage
        "]]
        .assert_eq(&lines(&status));
    }
}
