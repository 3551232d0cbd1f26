use std::time::Duration;

use oci::keychain::{Credential, Keychain};
use registry::{Effect, Fault, Guard, Registry, Setup};

use crate::{Bench, password, text};

async fn guarded(guard: Guard, credential: Option<Credential>) -> Bench {
    let registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    let mut keychain = Keychain::default();
    if let Some(credential) = credential {
        keychain.add(registry.host(), credential);
    }
    let bench = Bench::new(registry, |options| options.keychain = keychain);
    bench.registry.push_files("team/app", "v1", &[("a", b"1")]);
    bench
}

fn bearer() -> Guard {
    Guard::Bearer("user".into(), "secret".into())
}

#[tokio::test]
async fn credentials_go_out_after_a_challenge_only() {
    let guard = Guard::Basic("user".into(), "secret".into());
    let bench = guarded(guard, Some(password("user", "secret"))).await;
    bench.resolve("v1").await.unwrap();
    bench.resolve("v1").await.unwrap();
    let head = "HEAD /v2/team/app/manifests/v1";
    let log: Vec<_> = bench.registry.log().into_iter().map(|one| one.authorised).collect();
    assert_eq!(log, [false, true, true]);
    assert_eq!(
        bench.registry.take_log(),
        [format!("{head} 401"), format!("{head} 200"), format!("{head} 200")]
    );
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_ends() {
    let bench = guarded(bearer(), Some(password("user", "secret"))).await;
    bench.fetch("v1", "").await.unwrap();
    bench.fetch("v1", "").await.unwrap();
    assert_eq!(bench.registry.tokens_issued(), 1);
    bench.clock.forward(Duration::from_secs(299));
    bench.resolve("v1").await.unwrap();
    assert_eq!(bench.registry.tokens_issued(), 2);
}

/// Scenario D12.
/// security.md, E2: a token service that sends elsewhere is not followed with credentials.
#[tokio::test]
async fn a_redirected_token_service_sees_no_credentials() {
    let elsewhere = guarded(bearer(), None).await;
    for (target, problem) in [
        ("ftp://example.com/token".to_owned(), "refused redirect: scheme downgrade"),
        (format!("http://{}/token", elsewhere.registry.host()), "UNAUTHORIZED"),
    ] {
        let bench = guarded(bearer(), Some(password("user", "secret"))).await;
        let effect = Effect::Redirect(target);
        bench.registry.misbehave(Fault::new("GET", "/token", 10, effect));
        let found = text(&bench, bench.resolve("v1").await);
        assert!(found.contains(problem), "{found}");
    }
    let log = elsewhere.registry.log();
    assert!(!log.is_empty() && log.iter().all(|asked| !asked.authorised), "{log:?}");
}

#[tokio::test]
async fn a_token_that_the_registry_forgot_is_refreshed_once() {
    let bench = guarded(bearer(), Some(password("user", "secret"))).await;
    bench.resolve("v1").await.unwrap();
    bench.registry.expire_tokens();
    bench.registry.take_log();
    bench.resolve("v1").await.unwrap();
    assert_eq!(
        bench.registry.take_log(),
        [
            "HEAD /v2/team/app/manifests/v1 401",
            "GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=registry 200",
            "HEAD /v2/team/app/manifests/v1 200",
        ]
    );
}

#[tokio::test]
async fn a_refresh_token_is_posted() {
    let bench = guarded(bearer(), Some(Credential::Identity("secret".into()))).await;
    bench.resolve("v1").await.unwrap();
    assert!(bench.registry.take_log().contains(&"POST /token 200".to_owned()));
}

#[tokio::test]
async fn wrong_or_missing_credentials_are_refused_as_the_registry_says() {
    for (guard, credential) in [
        (Guard::Basic("user".into(), "secret".into()), None),
        (Guard::Basic("user".into(), "secret".into()), Some(password("user", "wrong"))),
        (bearer(), Some(password("user", "wrong"))),
    ] {
        let bench = guarded(guard, credential).await;
        let found = text(&bench, bench.resolve("v1").await);
        assert!(
            found.starts_with("failed to determine artifact digest: GET http://HOST/"),
            "{found}"
        );
        assert!(found.contains("UNAUTHORIZED: "), "{found}");
        assert!(!found.contains("wrong\"") && !found.contains("secret"), "{found}");
    }
}

/// Security E1 and E2.
#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let bench = guarded(bearer(), Some(password("user", "secret"))).await;
    let realm = "Bearer realm=\"http://evil.example.com/token\",service=\"x\"";
    let effect = Effect::Header("www-authenticate", realm.into());
    bench.registry.misbehave(Fault::new("", "/manifests/", 2, effect));
    let found = text(&bench, bench.resolve("v1").await);
    assert!(found.contains("refused to ask evil.example.com for a token of HOST"), "{found}");
    assert_eq!(bench.registry.tokens_issued(), 0);
}

#[tokio::test]
async fn redirected_blobs_see_no_credentials() {
    let setup = Setup { guard: bearer(), redirect_blobs: true, ..Setup::default() };
    let registry = Registry::start_with(&setup).await;
    let mut keychain = Keychain::default();
    keychain.add(registry.host(), password("user", "secret"));
    let bench = Bench::new(registry, |options| options.keychain = keychain);
    bench.registry.push_image("team/app", "v1", &[("x", b"bytes")], &[]);
    // The other place refuses whoever shows credentials.
    assert_eq!(bench.fetch("v1", "copy").await.unwrap(), b"bytes");
    assert!(bench.registry.take_log().iter().any(|line| line.starts_with("GET /elsewhere/")));
}
