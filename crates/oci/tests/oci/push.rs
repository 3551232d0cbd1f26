use oci::push::{Push, origin_annotations};
use registry::{Guard, Registry, Setup};

use crate::{Bench, password};

#[tokio::test]
async fn what_is_pushed_is_pulled() {
    let guard = Guard::Bearer("user".into(), "secret".into());
    let registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    let mut keychain = oci::keychain::Keychain::default();
    keychain.add(registry.host(), password("user", "secret"));
    let bench = Bench::new(registry, |options| options.keychain = keychain);
    let content = registry::layer(&[("a.yaml", b"a: 1")]);
    let annotations = origin_annotations("2026-01-01T00:00:00Z", "https://s", "main@sha1:ab");
    let push = Push { content: content.clone().into(), annotations: annotations.clone() };
    let digest = bench.client.push(&bench.reference(), "v1", &push).await.unwrap();
    assert_eq!(bench.resolve("v1").await.unwrap().digest, digest);
    let image = bench.image("v1").await.unwrap();
    assert_eq!(image.annotations, annotations);
    let content_type = "application/vnd.cncf.flux.content.v1.tar+gzip";
    assert_eq!(image.layers[0].media_type, content_type);
    assert_eq!(bench.fetch("v1", "").await.unwrap(), content);
    bench.registry.take_log();
    bench.client.push(&bench.reference(), "v2", &push).await.unwrap();
    let log = bench.registry.take_log();
    let written: Vec<_> = log.iter().filter(|line| !line.starts_with("HEAD")).collect();
    assert_eq!(written, ["PUT /v2/team/app/manifests/v2 201"], "blobs that are there are not sent");
}
