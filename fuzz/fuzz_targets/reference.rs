//! The address of a source: what is read as one leads to the host that it names, and nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::Reference;
use oci::reference::PlainHttp;
use url::Url;

fuzz_target!(|text: &str| {
    let Ok(reference) = Reference::parse(text, PlainHttp::LocalOnly) else { return };
    let (registry, repository) = (reference.registry(), reference.repository());
    // The hub's own folder is not written, and makes a name longer than any that is.
    if repository.len() <= 255 {
        let again = Reference::parse(&format!("oci://{reference}"), PlainHttp::LocalOnly);
        let again = again.expect("what is shown is read");
        assert_eq!((again.registry(), again.repository()), (registry, repository));
        assert_eq!(again.allows_plain_http(), reference.allows_plain_http());
    }
    // A name that is none in any alphabet fails where it is asked.
    let Ok(url) = Url::parse(&format!("https://{registry}/v2/{repository}")) else { return };
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
    if registry.is_ascii() && !registry.starts_with('[') {
        let host = registry.split(':').next().unwrap_or_default().to_lowercase();
        let found = url.host_str().unwrap_or_default();
        // Numbers are addresses, however they are written.
        let is_number = host.starts_with(|first: char| first.is_ascii_digit());
        assert!(found == host || (is_number && found.parse::<std::net::IpAddr>().is_ok()), "{url}");
    }
    if !repository.split('/').any(|part| part == "." || part == "..") {
        assert_eq!(url.path(), format!("/v2/{repository}"));
    }
});
