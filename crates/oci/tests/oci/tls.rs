use oci::transport::{Proxy, Tls, Verification};
use oci::{Client, Error, Options, Pin, Reference, Select};
use registry::{ClientTls, Registry, Setup, Transport};

use crate::{Bench, text};

/// A registry with one image, and a client with the TLS material that `tls` makes of its own.
async fn bench(transport: Transport, tls: impl FnOnce(&ClientTls) -> Tls) -> Bench {
    let registry = Registry::start_with(&Setup { transport, ..Setup::default() }).await;
    registry.push_files("team/app", "v1", &[]);
    let tls = tls(registry.client_tls().unwrap());
    Bench::new(registry, |options| options.tls = tls)
}

fn trusting(client: &ClientTls) -> Tls {
    Tls { authorities: Some(client.authority.clone().into()), ..Tls::default() }
}

/// What resolving a tag says, of the attempt over HTTPS.
async fn refused(bench: &Bench) -> String {
    let found = text(bench, bench.resolve("v1").await);
    let found = found.strip_prefix("failed to determine artifact digest: ").unwrap_or(&found);
    let found = found.strip_prefix("Get \"https://HOST/v2/\": ").unwrap_or(found);
    found.split_once("; ").map_or(found, |(secure, _)| secure).to_owned()
}

/// Scenario E01, and what `openssl req -x509` makes: a server that shows its authority itself.
#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    for transport in [Transport::Tls, Transport::SelfSigned] {
        let bench = bench(transport, trusting).await;
        bench.resolve("v1").await.unwrap();
        assert_eq!(bench.registry.take_log(), ["HEAD /v2/team/app/manifests/v1 200"]);
    }
}

/// Certificates that cannot be read among others do not count, as in Go's pool.
#[tokio::test]
async fn an_authority_may_stand_among_others() {
    let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bench = bench(Transport::Tls, |client| Tls {
        authorities: Some(format!("# ours\n{noise}{}", client.authority).into()),
        ..Tls::default()
    });
    bench.await.resolve("v1").await.unwrap();
}

#[tokio::test]
async fn an_insecure_source_trusts_anybody() {
    for transport in [Transport::Tls, Transport::SelfSigned, Transport::Expired] {
        let tls = Tls { verification: Verification::Off, ..Tls::default() };
        bench(transport, |_| tls).await.resolve("v1").await.unwrap();
    }
}

/// Scenarios E04 and E09, security E9.
#[tokio::test]
async fn certificates_that_are_not_trusted_are_named_as_go_names_them() {
    let x509 = "tls: failed to verify certificate: x509: ";
    for (transport, tls, problem) in [
        (Transport::Tls, None, "certificate signed by unknown authority"),
        (Transport::SelfSigned, None, "certificate signed by unknown authority"),
        (Transport::Expired, Some(()), "certificate has expired or is not yet valid"),
        (
            Transport::OtherName,
            Some(()),
            "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
        ),
    ] {
        let own = tls.is_some();
        let tls = |client: &ClientTls| if own { trusting(client) } else { Tls::default() };
        let bench = bench(transport, tls).await;
        assert_eq!(refused(&bench).await, format!("{x509}{problem}"), "{transport:?}");
        assert!(bench.registry.take_log().is_empty());
    }
}

/// Scenario E06.
#[tokio::test]
async fn a_client_shows_its_certificate() {
    let with_identity = |client: &ClientTls| Tls {
        identity: Some((client.certificate.clone().into(), client.key.clone().into())),
        ..trusting(client)
    };
    bench(Transport::MutualTls, with_identity).await.resolve("v1").await.unwrap();
    let bench = bench(Transport::MutualTls, trusting).await;
    assert_eq!(refused(&bench).await, "remote error: tls: certificate required");
}

fn error(tls: Tls) -> String {
    crate::install_provider();
    let options = Options { tls, ..Options::new("/") };
    Client::new(&options).err().map_or_else(|| "-".into(), |error| artifact::text::explain(&error))
}

/// Scenario E05.
#[test]
fn an_authority_that_is_none_is_named() {
    for pem in ["invalid", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let tls = Tls { authorities: Some(pem.into()), ..Tls::default() };
        assert_eq!(error(tls), "failed to parse CA certificate");
    }
}

/// Scenario E07.
#[test]
fn a_client_certificate_that_is_none_is_named() {
    let make = || rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let (one, two) = (make(), make());
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let other_key = two.signing_key.serialize_pem();
    let check = |certificate: &str, key: &str, problem: &str| {
        let tls = Tls { identity: Some((certificate.into(), key.into())), ..Tls::default() };
        assert_eq!(error(tls), format!("failed to parse TLS certificate and key: tls: {problem}"));
    };
    check("x", &key, "failed to find any PEM data in certificate input");
    check(&certificate, "x", "failed to find any PEM data in key input");
    check(
        &key,
        &key,
        "failed to find certificate PEM data in certificate input, but did find a private key; \
         PEM inputs may have been switched",
    );
    check(
        &certificate,
        &certificate,
        "found a certificate rather than a key in the PEM for the private key",
    );
    check(&certificate, &other_key, "private key does not match public key");
    let identity = Some((certificate.into(), key.into()));
    assert_eq!(error(Tls { identity, ..Tls::default() }), "-");
}

#[test]
fn material_is_never_printed() {
    let tls = Tls { identity: Some((b"cert".into(), b"canary".into())), ..Tls::default() };
    assert_eq!(format!("{tls:?}"), "Tls(***)");
}

/// A user and a password.
type User = Option<(&'static str, &'static str)>;

/// What resolving a tag of a registry that nobody else can find gives, through a proxy.
async fn through(
    transport: Transport,
    scheme: &str,
    (wanted, given): (User, User),
) -> (Result<Pin, Error>, Vec<String>) {
    let registry = Registry::start_with(&Setup { transport, ..Setup::default() }).await;
    registry.push_files("team/app", "v1", &[]);
    let proxy = match scheme {
        "https" => registry::Proxy::start_tls(registry.host(), wanted).await,
        _ => registry::Proxy::start(registry.host(), wanted).await,
    };
    let bench = Bench::new(registry, |options| {
        options.tls.verification = Verification::Off;
        options.proxy = Some(Proxy {
            address: format!("{scheme}://{}", proxy.host()),
            credentials: given.map(|(user, password)| (user.into(), password.into())),
        });
    });
    let url = "oci://registry.invalid:5000/team/app";
    let plain = oci::reference::PlainHttp::Allowed;
    let reference = Reference::parse(url, plain).unwrap();
    let result = bench.client.resolve(&reference, &Select::Tag("v1".into())).await;
    (result, proxy.log())
}

/// Scenario E12, over every scheme of the contract, with and without credentials.
#[tokio::test]
async fn a_proxy_of_ones_own_carries_every_request() {
    let user = Some(("user", "canary"));
    for (transport, scheme, credentials, passed) in [
        (Transport::Plain, "http", (None, None), "http registry.invalid:5000"),
        (Transport::Plain, "http", (user, user), "http registry.invalid:5000"),
        (Transport::Tls, "http", (user, user), "connect registry.invalid:5000"),
        (Transport::Plain, "https", (user, user), "http registry.invalid:5000"),
        (Transport::Tls, "https", (None, None), "connect registry.invalid:5000"),
        (Transport::Tls, "https", (user, user), "connect registry.invalid:5000"),
        (Transport::Tls, "socks5", (None, None), "socks5 registry.invalid:5000"),
        (Transport::Tls, "socks5", (user, user), "socks5 registry.invalid:5000"),
        (Transport::Plain, "socks5", (None, None), "socks5 registry.invalid:5000"),
    ] {
        let (result, log) = through(transport, scheme, credentials).await;
        assert!(result.is_ok(), "{transport:?} {scheme}: {result:?}");
        assert!(log.contains(&passed.to_owned()), "{log:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let (result, _) =
        through(Transport::Tls, "http", (Some(("user", "secret")), Some(("user", "canary")))).await;
    let found = artifact::text::explain(&result.err().unwrap());
    assert!(found.contains("Proxy Authentication Required"), "{found}");
    assert!(!found.contains("canary"), "{found}");
}

/// A proxy over TLS is trusted as registries are: by the source's authorities, and by nobody else's.
#[tokio::test]
async fn a_proxy_over_tls_shows_a_certificate_that_is_trusted() {
    for known in [true, false] {
        let registry = Registry::start().await;
        registry.push_files("team/app", "v1", &[]);
        let proxy = registry::Proxy::start_tls(registry.host(), None).await;
        let bench = Bench::new(registry, |options| {
            let authority = proxy.authority_pem().filter(|_| known);
            options.tls.authorities = authority.map(|pem| pem.as_bytes().to_vec());
            let address = format!("https://{}", proxy.host());
            options.proxy = Some(Proxy { address, credentials: None });
        });
        let found = text(&bench, bench.resolve("v1").await);
        assert_eq!(found == "-", known, "{found}");
        assert!(
            known || found.contains("x509: certificate signed by unknown authority"),
            "{found}"
        );
        assert_eq!(proxy.log().is_empty(), !known);
    }
}

/// Scenario E13.
#[tokio::test]
async fn a_proxy_that_is_gone_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let bench = Bench::new(Registry::start().await, |options| {
        options.proxy = Some(Proxy { address: format!("http://{host}"), credentials: None });
    });
    let found = refused(&bench).await;
    assert_eq!(found, format!("proxyconnect tcp: dial tcp {host}: connect: connection refused"));
}
