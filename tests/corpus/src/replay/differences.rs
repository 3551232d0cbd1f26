//! Where cases need other flags, and where ours differs on purpose.

/// Flags of cases that need others than the usual ones.
pub(crate) const FLAGS: &[(&str, &[&str])] = &[
    ("ks-I16-cancel-health-check", &["--feature-gates=DisableFailFastBehavior=true"]),
    ("ks-B10-flags", OTHERS),
    ("ks-C08-additive-readyexpr", OTHERS),
];

/// The other flags of the recording.
const OTHERS: &[&str] = &[
    "--requeue-dependency=30s",
    "--no-cross-namespace-refs=true",
    "--default-service-account=tenant",
    "--feature-gates=AdditiveCELDependencyCheck=true,CancelHealthCheckOnNewRevision=true,\
     DirectSourceFetch=true,DisableFailFastBehavior=true,StrictPostBuildSubstitutions=false",
    "--artifact-digest-algo=sha512",
];

/// Objects that differ on purpose, and the difference of docs/compatibility.md or decisions.md
/// that says so.
pub(crate) const DIFFERENT: &[(&str, &str, &str)] = &[
    ("oci-F02-layers", "t-hard", "hard links are refused"),
    ("ks-D05-spec-build-errors", "a", "which of several owners is the last depends on time"),
    ("ks-E03-substitute-errors", "numlabel", "E18: a label that is a number is an error"),
    ("ks-E03-substitute-errors", "lab", "the same"),
    ("ks-G06-apply-errors", "two", "W15: every refused object is named"),
    ("ks-D04-build-errors", "badyaml", "falls short: texts of YAML errors are our parser's"),
    ("ks-D04-build-errors", "tab", "the same"),
    ("ks-D04-build-errors", "outside", "W6: no text names a folder that the user did not write"),
    ("ks-F01-sops-age", "s", "which of several owners is the last depends on time"),
    ("ks-F05-sops-errors", "nodecrypt", "an encrypted Secret without decryption is refused"),
    ("ks-F05-sops-errors", "s", "the same"),
];

/// Cases in which several Kustomizations apply the same object at once.
pub(crate) const RACED: [&str; 2] = ["ks-D05-spec-build-errors", "ks-F01-sops-age"];

/// Texts of ours that stand for others on purpose, where everything else has to be equal: the case,
/// our text in the words of the recording, the recorded one, and the difference that says so.
pub(crate) const SAID: &[(&str, &str, &str, &str)] = &[
    (
        "ks-C13-cycle",
        "circular dependency detected: ks-c13/a -> ks-c13/b -> ks-c13/a",
        "dependency 'ks-c13/b' is not ready",
        "W11: the members of a cycle say so",
    ),
    (
        "ks-C13-cycle",
        "circular dependency detected: ks-c13/b -> ks-c13/a -> ks-c13/b",
        "dependency 'ks-c13/a' is not ready",
        "the same",
    ),
    (
        "ks-C13-cycle",
        "circular dependency detected: ks-c13/s -> ks-c13/s",
        "dependency 'ks-c13/s' is not ready",
        "the same",
    ),
    ("ks-K02-service-account", CONFIG_MAP_REFUSED, "", "W15: every refused object is named"),
];

const CONFIG_MAP_REFUSED: &str = "ConfigMap/ks-k02/cm dry-run failed (Forbidden): configmaps \"cm\" is \
    forbidden: User \"system:serviceaccount:ks-k02:deployer\" cannot patch resource \
    \"configmaps\" in API group \"\" in the namespace \"ks-k02\"\n";

/// Messages of events that only we have: the case, the object, the message, and the difference that
/// says so.
pub(crate) const MORE: &[(&str, &str, &str, &str)] = &[(
    "ks-G04-invalid-in-set",
    "k",
    "Namespace/ks-g04-n deleted",
    "W1: what a failed run created",
)];

/// Objects that ours still lists because they are not gone (W14), beside the `ConfigMap`s that the
/// recording shows on their way out.
pub(crate) const LEAVING: &[(&str, &str)] = &[("ks-G04-invalid-in-set", "_ks-g04-n__Namespace")];
