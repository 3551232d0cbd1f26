//! From a registry to a stored artifact, as the controller goes.

use artifact::digest::Algorithm;
use artifact::text::explain;
use artifact::{Ignore, Limits, Store, Tree};
use oci::image::LayerSelector;
use oci::verify::Trusted;

use crate::Bench;

/// Pulls `tag` into the store and reads it back.
async fn store(bench: &Bench, store: &Store, tag: &str) -> Result<Vec<String>, String> {
    let said = |error: &dyn std::error::Error| explain(error);
    let reference = bench.reference();
    let pin = bench.resolve(tag).await.map_err(|error| said(&error))?;
    let trusted = Trusted::not_requested(pin.clone());
    let image = bench.client.pull(&reference, &trusted).await.map_err(|error| said(&error))?;
    let layer = image.layer(&LayerSelector::default()).map_err(|error| said(&error))?;
    let blob = bench.client.fetch_layer(&reference, &layer).await.map_err(|error| said(&error))?;
    let write = || -> Result<Vec<String>, artifact::Error> {
        let tree = Tree::unpack(blob.into_reader(), &Limits::default(), &store.spool_dir())?;
        let ignore = Ignore::new(&tree, None)?;
        let path = store.path("ns", "app", &pin.revision())?;
        let stored = store.write(&path, |out| tree.pack(&ignore, out))?;
        store.point_latest(&path)?;
        let entries = store.entries(&path, &stored.digest, &Limits::default())?;
        Ok(entries.into_keys().collect())
    };
    write().map_err(|error| said(&error))
}

#[tokio::test]
async fn what_the_rules_leave_is_stored() {
    let bench = Bench::open().await;
    let root = tempfile::tempdir().unwrap();
    let artifacts = Store::open(root.path(), "host", Algorithm::Sha256).unwrap();
    bench.registry.push_files("team/app", "v1", &[("app/a.yaml", b"a: 1"), ("logo.png", b"png")]);
    assert_eq!(store(&bench, &artifacts, "v1").await, Ok(vec!["app/a.yaml".into()]));
    bench.assert_clean();
}

#[tokio::test]
async fn a_layer_that_cannot_be_unpacked_stores_nothing() {
    let bench = Bench::open().await;
    let root = tempfile::tempdir().unwrap();
    let artifacts = Store::open(root.path(), "host", Algorithm::Sha256).unwrap();
    bench.registry.push_image("team/app", "v1", &[("text/plain", b"text")], &[]);
    let expected = "requires gzip-compressed body: gzip: invalid header";
    assert_eq!(store(&bench, &artifacts, "v1").await, Err(expected.into()));
    assert!(!root.path().join("ocirepository").exists());
}

/// The controller runs pulls on any thread.
#[tokio::test]
async fn pulls_move_between_threads() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let bench = Bench::open().await;
    bench.registry.push_files("team/app", "v1", &[]);
    movable(bench.image("v1")).await.unwrap();
    movable(bench.fetch("v1", "")).await.unwrap();
}
