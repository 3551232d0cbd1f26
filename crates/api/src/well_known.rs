//! Names that tools rely on: labels, annotations, finalizer, field managers.

/// Keeps an object until we have cleaned up after it.
pub const FINALIZER: &str = "finalizers.fluxcd.io";
/// Annotation whose change asks for a reconcile at once.
pub const RECONCILE_REQUEST: &str = "reconcile.fluxcd.io/requestedAt";
/// Label naming the Kustomization that owns an object.
pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label naming the namespace of the owning Kustomization.
pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Marker: `disabled` leaves an object alone.
pub const MARKER_RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Marker: `Merge`, `IfNotPresent` or `Ignore`.
pub const MARKER_SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Marker: `disabled` keeps an object that left the source.
pub const MARKER_PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Marker: `enabled` recreates an object whose immutable fields changed.
pub const MARKER_FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Field manager of everything that a Kustomization applies.
pub const APPLY_MANAGER: &str = "kustomize-controller";
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
