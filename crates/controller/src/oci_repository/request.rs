//! What an OCIRepository asks for: its spec, parsed once.

use std::time::Duration;

use api::oci_repository::{
    LayerOperation, LocalReference, OCIRepositoryRef, OCIRepositorySpec, Provider,
};
use oci::image::LayerSelector;
use oci::reference::PlainHttp;
use oci::select::{Range, Spelling};
use oci::transport::Verification;
use oci::{Reference, Select};

use crate::unfit::{Unfit, duration};

/// What bounds a run when the spec has no timeout, which the API does not let happen.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// What an OCIRepository asks for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) reference: Reference,
    pub(super) select: Select,
    pub(super) layer: LayerSelector,
    pub(super) ignore: Option<String>,
    /// The cloud that gives a login where no pull secret does.
    pub(super) provider: Option<cloud::Provider>,
    pub(super) secret: Option<String>,
    pub(super) service_account: Option<String>,
    pub(super) proxy_secret: Option<String>,
    pub(super) cert_secret: Option<String>,
    pub(super) verification: Verification,
    /// How the signature is verified.
    pub(super) verify: Option<api::oci_repository::Verification>,
}

impl Request {
    /// Parses a spec.
    pub(super) fn parse(spec: &OCIRepositorySpec) -> Result<Self, Unfit> {
        let insecure = spec.insecure == Some(true);
        let plain_http = if insecure { PlainHttp::Allowed } else { PlainHttp::LocalOnly };
        let reference = Reference::parse(&spec.url, plain_http)
            .map_err(|source| Unfit::Url { url: spec.url.clone(), source })?;
        let timeout = spec.timeout.as_deref().map(|text| duration("timeout", text)).transpose()?;
        let layer = spec.layer_selector.clone().unwrap_or_default();
        let operation = match layer.operation {
            None => "",
            Some(LayerOperation::Extract) => "extract",
            Some(LayerOperation::Copy) => "copy",
        };
        let spelling = Spelling::of_layer(layer.media_type.as_deref());
        Ok(Self {
            interval: duration("interval", &spec.interval)?,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            reference,
            select: select(spec.reference.as_ref(), spelling),
            layer: LayerSelector {
                media_type: layer.media_type.filter(|media_type| !media_type.is_empty()),
                operation: operation.into(),
            },
            ignore: spec.ignore.clone(),
            provider: match spec.provider {
                None | Some(Provider::Generic) => None,
                Some(Provider::Aws) => Some(cloud::Provider::Aws),
                Some(Provider::Azure) => Some(cloud::Provider::Azure),
                Some(Provider::Gcp) => Some(cloud::Provider::Gcp),
            },
            secret: name(spec.secret_ref.as_ref()),
            proxy_secret: name(spec.proxy_secret_ref.as_ref()),
            cert_secret: name(spec.cert_secret_ref.as_ref()).filter(|name| !name.is_empty()),
            service_account: spec.service_account_name.clone().filter(|name| !name.is_empty()),
            verification: if insecure { Verification::Off } else { Verification::On },
            verify: spec.verify.clone(),
        })
    }
}

fn name(reference: Option<&LocalReference>) -> Option<String> {
    reference.map(|reference| reference.name.clone())
}

/// Precedence: digest, semver, tag, `latest` (ocirepository.md, 1).
fn select(reference: Option<&OCIRepositoryRef>, spelling: Spelling) -> Select {
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let Some(reference) = reference else { return Select::latest() };
    if let Some(digest) = some(&reference.digest) {
        return Select::Digest(digest);
    }
    if let Some(expression) = some(&reference.semver) {
        let filter = reference.semver_filter.clone().unwrap_or_default();
        return Select::SemVer(Range { expression, filter, spelling });
    }
    some(&reference.tag).map_or_else(Select::latest, Select::Tag)
}
