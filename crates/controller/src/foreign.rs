//! Sources that another controller serves: GitRepository, Bucket and ExternalArtifact.
//!
//! Sluice only reads them. Their definitions may be absent, and may come while it runs.

use std::sync::{PoisonError, RwLock};

use api::kustomization::SourceKind;
use kube::api::ApiResource;

use crate::runtime::cache::Cache;

/// The kinds.
pub const KINDS: [SourceKind; 3] =
    [SourceKind::GitRepository, SourceKind::Bucket, SourceKind::ExternalArtifact];

/// What a kind of source is called in addresses.
pub fn plural(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::OCIRepository => "ocirepositories",
        SourceKind::GitRepository => "gitrepositories",
        SourceKind::Bucket => "buckets",
        SourceKind::ExternalArtifact => "externalartifacts",
    }
}

/// The objects of one kind that another controller serves.
pub struct Kind {
    /// Which kind.
    pub source: SourceKind,
    /// Its objects as last seen.
    pub cache: Cache,
    /// Why they cannot be seen, if they cannot.
    hidden: RwLock<Option<String>>,
}

impl Kind {
    /// A kind of which nothing has been seen.
    fn new(kind: SourceKind) -> Self {
        Self { source: kind, cache: Cache::default(), hidden: RwLock::default() }
    }

    /// Its names in the API.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: "source.toolkit.fluxcd.io".into(),
            version: "v1".into(),
            api_version: "source.toolkit.fluxcd.io/v1".into(),
            kind: self.source.name().into(),
            plural: plural(self.source).into(),
        }
    }

    /// Notes that the kind can be seen, or why not; says whether that is new.
    pub fn note(&self, hidden: Option<&kube::Error>) -> bool {
        let text = hidden.map(|error| match error {
            kube::Error::Api(answer) if answer.code == 404 => format!(
                "no matches for kind \"{}\" in version \"{}\"",
                self.source.name(),
                self.resource().api_version
            ),
            other => other.to_string(),
        });
        let mut known = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != text;
        *known = text;
        is_new
    }

    /// Why the objects of the kind cannot be seen, if they cannot.
    pub fn hidden(&self) -> Option<String> {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All kinds that another controller serves.
pub struct Foreign(Vec<Kind>);

impl Default for Foreign {
    fn default() -> Self {
        Self(KINDS.into_iter().map(Kind::new).collect())
    }
}

impl Foreign {
    /// One of the kinds; none for the kind that is our own.
    pub fn kind(&self, kind: SourceKind) -> Option<&Kind> {
        self.0.iter().find(|known| known.source == kind)
    }
}
