//! Why a run ends before its end, and under which condition and reason (ocirepository.md, 15).

use std::time::Duration;

use artifact::text::explain;
use oci::error::Stage;

use super::status::{FETCH_FAILED, STORAGE_FAILED};

/// Why a run ended before its end.
pub(super) enum Failure {
    /// Something failed.
    Failed { condition: &'static str, reason: &'static str, message: String, retry_after: Duration },
    /// No signature is as demanded: what the object says, and what is wrong with each signature.
    Unverified { message: String, flaws: String, retry_after: Duration },
    /// Nothing will change until the operator's flags or the spec do.
    Stalled { reason: &'static str, message: String },
    /// The status could not be written.
    Unreported(kube::Error),
}

impl Failure {
    /// The artifact could not be fetched.
    pub(super) fn fetch(reason: &'static str, message: String) -> Self {
        Self::Failed { condition: FETCH_FAILED, reason, message, retry_after: Duration::ZERO }
    }

    /// The artifact could not be stored.
    pub(super) fn storage(reason: &'static str, message: String) -> Self {
        Self::Failed { condition: STORAGE_FAILED, reason, message, retry_after: Duration::ZERO }
    }
}

impl From<oci::Error> for Failure {
    fn from(error: oci::Error) -> Self {
        let reason = match error.stage() {
            Stage::Transport => "AuthenticationFailed",
            Stage::Select => "ReadOperationFailed",
            Stage::Pull => "OCIArtifactPullFailed",
            Stage::Layer | Stage::Push => "OCIArtifactLayerOperationFailed",
        };
        Self::Failed {
            condition: FETCH_FAILED,
            reason,
            message: explain(&error),
            retry_after: error.retry_after().unwrap_or_default(),
        }
    }
}
