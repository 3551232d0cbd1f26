//! Feature gates of Flux's two controllers (decisions.md, Process): every name is known, and a
//! value that would be ignored is refused.

use std::str::FromStr;

/// Lets objects name an account that a cloud is asked as.
pub const OBJECT_LEVEL_IDENTITY: &str = "ObjectLevelWorkloadIdentity";

/// Has the built-in readiness of a dependency judged beside its `readyExpr`.
pub const ADDITIVE_READY_EXPR: &str = "AdditiveCELDependencyCheck";

/// Has a wait for health go on although something has failed, while others may still become healthy.
pub const NO_FAIL_FAST: &str = "DisableFailFastBehavior";

/// Has a source be read from the API server for each run; ours is told of every change, and only says
/// that there is none as the API server does.
pub const DIRECT_SOURCE: &str = "DirectSourceFetch";

/// Has a variable that is not set and has no default fail the build; open by default.
pub const STRICT_SUBSTITUTION: &str = "StrictPostBuildSubstitutions";

/// The names, and the only value that is acted on where there is only one.
const GATES: [(&str, Option<bool>); 12] = [
    (ADDITIVE_READY_EXPR, None),
    ("CacheSecretsAndConfigMaps", None),
    ("CancelHealthCheckOnNewRevision", None),
    (DIRECT_SOURCE, None),
    ("DisableConfigWatchers", None),
    (NO_FAIL_FAST, None),
    ("DisableStatusPollerCache", None),
    ("ExternalArtifact", None),
    ("GroupChangeLog", None),
    ("MigrateAPIVersion", Some(false)),
    (OBJECT_LEVEL_IDENTITY, None),
    (STRICT_SUBSTITUTION, None),
];

/// One gate, as `Name=true` or `Name=false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Its name.
    pub name: &'static str,
    /// Whether it is open.
    pub on: bool,
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as Name=true or Name=false")?;
        let on = match value {
            "true" => true,
            "false" => false,
            _ => return Err(format!("'{value}' is neither true nor false")),
        };
        let known = GATES.iter().find(|(known, _)| *known == name.trim());
        let (name, only) = *known.ok_or_else(|| format!("feature-gate '{name}' not supported"))?;
        match only {
            Some(only) if only != on => Err(format!("{name}={on} is not supported by Sluice yet")),
            _ => Ok(Self { name, on }),
        }
    }
}
