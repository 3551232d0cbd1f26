//! The readers of what a registry answers and of what a secret holds, for fuzzing.

use http::header::{LINK, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Response, ResponseBuilderExt as _, Url};

use crate::auth::{Answer, Auth, Challenge, parse_challenge};
use crate::client::{TagPage, next_page};
use crate::image::{Image, LayerSelector, child_of_index};
use crate::keychain::{Credential, Keychain};
use crate::reference::{PlainHttp, Reference};
use crate::transport::{RETRY_AFTER_MAX, retry_after};
use crate::wording::refusal_text;

const REGISTRY: &str = "https://registry.example.com/v2/";

/// Reads `text` as each header of an answer: credentials go to nobody but the registry's own
/// domain, the next page is on the registry, and waits are bounded.
pub fn header(text: &str) {
    let reference = Reference::parse("oci://registry.example.com/app", PlainHttp::LocalOnly);
    let (Ok(reference), Ok(asked)) = (reference, Url::parse(REGISTRY)) else { return };
    let auth = Auth::new(Keychain::default(), Vec::new());
    if let Some(Challenge::Bearer { realm, .. }) = parse_challenge(text)
        && auth.check_realm(&reference, &asked, &realm).is_ok()
    {
        let host = realm.host_str().unwrap_or_default().trim_end_matches('.');
        assert_eq!(realm.scheme(), "https", "{realm}");
        assert!(host == "example.com" || host.ends_with(".example.com"), "{realm}");
        assert!(realm.username().is_empty() && realm.password().is_none(), "{realm}");
    }
    let Ok(value) = HeaderValue::from_str(text) else { return };
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value.clone())]);
    assert!(retry_after(&headers).is_none_or(|wait| wait <= RETRY_AFTER_MAX));
    let page = http::Response::builder().url(asked.clone()).header(LINK, value).body("");
    if let Ok(Ok(Some(next))) = page.map(|page| next_page(&Response::from(page))) {
        assert_eq!(next.origin(), asked.origin(), "{next}");
    }
}

/// Reads a body as everything that a registry or its token service answers.
pub fn body(bytes: &[u8]) {
    if let Ok(image) = Image::parse(bytes) {
        let first = image.layers.first();
        let media_type = first.map(|layer| layer.media_type.clone());
        let selector = LayerSelector { media_type, ..LayerSelector::default() };
        let layer = image.layer(&selector).ok().map(|layer| layer.descriptor);
        assert_eq!(layer.as_ref(), first);
    }
    if let Ok(child) = child_of_index(bytes, "fuzz") {
        assert_eq!(child.hex().len(), 64);
    }
    let _ = serde_json::from_slice::<TagPage>(bytes);
    let _ = serde_json::from_slice::<Answer>(bytes);
    assert!(!refusal_text(StatusCode::NOT_FOUND, bytes).is_empty());
}

/// Reads a Docker configuration, and gives the credential that it holds for `registry`.
pub fn credential(config: &[u8], registry: &str) -> Option<Credential> {
    let url = format!("oci://{registry}/team/app");
    let reference = Reference::parse(&url, PlainHttp::LocalOnly).ok()?;
    let mut legacy = Keychain::default();
    let _ = legacy.add_docker_cfg(config);
    let mut keychain = Keychain::default();
    keychain.add_docker_config_json(config).ok()?;
    keychain.find(&reference).or(legacy.find(&reference)).cloned()
}
