//! Names that tools rely on: labels, annotations, finalizer, field managers.

/// Keeps an object until we have cleaned up after it.
pub const FINALIZER: &str = "finalizers.fluxcd.io";
/// Annotation whose change asks for a reconcile at once.
pub const RECONCILE_REQUEST: &str = "reconcile.fluxcd.io/requestedAt";
/// Field manager of a Kustomization's own status.
pub const KUSTOMIZATION_MANAGER: &str = "gotk-kustomize-controller";
/// Field manager of an OCIRepository's own status, and the component of its events.
pub const SOURCE_MANAGER: &str = "source-controller";
/// Annotations of an object with this prefix are copied to its events.
pub const EVENT_PREFIX: &str = "event.toolkit.fluxcd.io/";
/// Prefix of a Kustomization's event metadata keys.
pub const KUSTOMIZE_PREFIX: &str = "kustomize.toolkit.fluxcd.io/";
/// Prefix of an OCIRepository's event metadata keys.
pub const SOURCE_PREFIX: &str = "source.toolkit.fluxcd.io/";
/// Annotation of an image manifest naming the revision it was made from.
pub const OCI_REVISION: &str = "org.opencontainers.image.revision";
/// Annotation of an image manifest naming the repository it was made from.
pub const OCI_SOURCE: &str = "org.opencontainers.image.source";
/// Prefix of all that Sluice adds to the reference: annotations, condition types, keys of events
/// (decisions.md).
pub const SLUICE_PREFIX: &str = "sluice.dev/";
/// Annotation of an OCIRepository: `enabled` keeps it from going back to a lower version that nobody
/// asked for, `disabled` lets it; without it the operator's flag counts.
pub const ROLLBACK_GUARD: &str = "sluice.dev/rollback-guard";
/// Annotation of an OCIRepository with the tag or digest that it may go back to.
pub const ROLLBACK_ALLOWED: &str = "sluice.dev/rollback-allowed";
/// Annotation of a Kustomization: what is not pruned unasked, in place of the operator's flag.
pub const PRUNE_GUARD: &str = "sluice.dev/prune-guard";
/// Annotation of a Kustomization with the digest of what may be pruned.
pub const PRUNE_ALLOWED: &str = "sluice.dev/prune-allowed";
/// Annotation of a Kustomization that only says what would be done.
pub const DETECT_ONLY: &str = "sluice.dev/detect-only";
/// Annotation of a Kustomization that goes after its dependents when all are being deleted.
pub const WAIT_FOR_DEPENDENTS: &str = "sluice.dev/wait-for-dependents";
/// Annotation of an event about applied objects: which fields differed, and who had set them.
pub const DRIFT: &str = "sluice.dev/drift";
/// Value that switches off what an annotation stands for.
pub const DISABLED: &str = "disabled";
