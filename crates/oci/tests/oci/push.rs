use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use oci::progress::Progress;
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

#[tokio::test]
async fn whoever_waits_is_told_how_far_it_is() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let bench = Bench::new(Registry::start().await, |options| {
        options.progress =
            Progress::new(move |done, total| tell.lock().unwrap().push((done, total)));
    });
    let content = vec![7; 200_000];
    let push = Push { content: content.clone().into(), annotations: BTreeMap::default() };
    bench.client.push(&bench.reference(), "v1", &push).await.unwrap();
    let sent = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(sent[..4], [65_536, 131_072, 196_608, 200_000].map(|done| (done, 200_000)));
    assert_eq!(bench.fetch("v1", "copy").await.unwrap(), content);
    let received = told.lock().unwrap().clone();
    assert!(received.is_sorted() && received.last() == Some(&(200_000, 200_000)), "{received:?}");
}
