//! Specs that cannot be acted on until they change.

use std::time::Duration;

use api::duration::{GoDuration, InvalidDuration};
use oci::reference::InvalidReference;
use plan::health::Unusable;

/// Why a spec cannot be acted on. Its object is stalled: nothing is retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A duration that the API accepts and that no clock can hold.
    #[error("spec.{field} is not a duration")]
    Duration {
        /// Its name.
        field: &'static str,
        /// Why.
        source: InvalidDuration,
    },
    /// A health check by expressions.
    #[error("Reconciliation failed terminally due to configuration error: {0}")]
    HealthCheck(Unusable),
    /// The address of a source.
    #[error("URL validation failed for '{url}'")]
    Url {
        /// As written.
        url: String,
        /// Why.
        source: InvalidReference,
    },
}

/// Reason when an expression cannot be read.
pub const INVALID_EXPRESSION: &str = "InvalidCELExpression";

impl Unfit {
    /// The reason of the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Duration { .. } => "InvalidSpec",
            Self::HealthCheck(_) => INVALID_EXPRESSION,
            Self::Url { .. } => "URLInvalid",
        }
    }
}

/// Reads a duration of a spec.
pub fn duration(field: &'static str, text: &str) -> Result<Duration, Unfit> {
    let parsed: Result<GoDuration, _> = text.parse();
    parsed.map(GoDuration::std).map_err(|source| Unfit::Duration { field, source })
}
