use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artifact::digest::Algorithm;
use artifact::store::{Check, Retention, Stored};
use artifact::{Error, Limits, Revision, Store};

use crate::archive::{file, gzip, tar};

fn open(root: &Path) -> Store {
    Store::open(root, "source.flux-system.svc.", Algorithm::Sha256).unwrap()
}

fn put(store: &Store, name: &str, revision: &str, bytes: &[u8]) -> Stored {
    let path = store.path("ns", name, &Revision::new(revision)).unwrap();
    store.write(&path, |out| out.write_all(bytes).map_err(Error::Pack)).unwrap()
}

fn blobs(root: &Path) -> usize {
    std::fs::read_dir(root.join(".blobs")).unwrap().count()
}

#[test]
fn an_artifact_stands_at_the_contracts_path() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let stored = put(&store, "obj", "6.1.6@sha256:ab", b"bytes");
    assert_eq!(stored.path, "ocirepository/ns/obj/sha256:ab.tar.gz");
    assert_eq!(stored.size_bytes, 5);
    assert_eq!(store.url(&stored.path), format!("http://source.flux-system.svc./{}", stored.path));
    store.point_latest(&stored.path).unwrap();
    let directory = root.path().join("ocirepository/ns/obj");
    assert_eq!(std::fs::read(directory.join("latest.tar.gz")).unwrap(), b"bytes");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("sha256:ab.tar.gz"))), (0o700, 0o600));
}

#[test]
fn equal_content_is_kept_once_and_as_long_as_somebody_needs_it() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let one = put(&store, "one", "a@sha256:aa", b"same");
    let two = put(&store, "two", "b@sha256:bb", b"same");
    put(&store, "two", "b@sha256:bb", b"same");
    assert_eq!(one.digest, two.digest);
    assert_eq!(blobs(root.path()), 1);
    assert!(store.remove("ns", "one").unwrap());
    assert_eq!(store.check(&two.path, &two.digest.to_string()).unwrap(), Check::Present);
    assert!(store.remove("ns", "two").unwrap());
    assert!(!store.remove("ns", "two").unwrap());
    assert_eq!(blobs(root.path()), 0);
}

#[test]
fn what_is_stored_is_adopted_without_being_written_again() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let one = put(&store, "one", "a@sha256:aa", b"same");
    let path = store.path("ns", "two", &Revision::new("b@sha256:bb")).unwrap();
    let two = store.adopt(&path, &one.digest).unwrap().unwrap();
    assert_eq!((&two.path, &two.digest, two.size_bytes), (&path, &one.digest, 4));
    assert_eq!(blobs(root.path()), 1);
    put(&store, "one", "a@sha256:aa", b"other");
    assert_eq!(store.check(&two.path, &two.digest.to_string()).unwrap(), Check::Present);
    std::fs::write(root.path().join(&two.path), b"poison").unwrap();
    assert_eq!(store.adopt(&path, &one.digest).unwrap(), None, "it is not what it was");
    store.discard(&two.path).unwrap();
    assert_eq!(store.adopt(&path, &one.digest).unwrap(), None, "nobody needed it");
    assert_eq!(blobs(root.path()), 1);
}

#[test]
fn a_flipped_byte_is_found_and_repaired_by_the_next_write() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let archive = gzip(&tar(&[file("a", "1")]));
    let stored = put(&store, "obj", "sha256:aa", &archive);
    let digest = stored.digest.to_string();
    let file = root.path().join(&stored.path);
    let entries = store.entries(&stored.path, &stored.digest, &Limits::default()).unwrap();
    assert_eq!(entries["a"], b"1");
    std::fs::write(&file, b"poison").unwrap();
    let corrupt = Check::Corrupt(format!("computed digest doesn't match '{digest}'"));
    assert_eq!(store.check(&stored.path, &digest).unwrap(), corrupt);
    let read = store.entries(&stored.path, &stored.digest, &Limits::default());
    assert!(matches!(read, Err(Error::Corrupt(_))));
    put(&store, "obj", "sha256:aa", &archive);
    assert_eq!(store.check(&stored.path, &digest).unwrap(), Check::Present);
    let none = Check::Corrupt("artifact has no digest".into());
    assert_eq!(store.check(&stored.path, "").unwrap(), none);
    store.discard(&stored.path).unwrap();
    assert_eq!(store.check(&stored.path, &digest).unwrap(), Check::Missing);
}

#[test]
fn a_failed_write_changes_nothing_and_a_restart_finds_everything() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let stored = put(&store, "obj", "sha256:aa", b"old");
    let failed = store.write(&stored.path, |out| {
        out.write_all(b"half").map_err(Error::Pack)?;
        Err(Error::InvalidName("x".into()))
    });
    assert!(failed.is_err());
    std::fs::write(root.path().join(".unfinished/left"), b"by a crash").unwrap();
    std::fs::write(root.path().join(".blobs/left"), b"by a crash").unwrap();
    let store = open(root.path());
    assert_eq!(std::fs::read_dir(root.path().join(".unfinished")).unwrap().count(), 0);
    assert_eq!(blobs(root.path()), 1);
    assert_eq!(store.check(&stored.path, &stored.digest.to_string()).unwrap(), Check::Present);
}

#[test]
fn names_cannot_leave_the_store() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let revision = Revision::new("sha256:aa");
    for (namespace, name) in [("..", "a"), ("a", ".."), ("a/b", "c"), ("", "a"), (".blobs", "a")] {
        assert!(store.path(namespace, name, &revision).is_err());
        assert!(store.remove(namespace, name).is_err());
    }
    assert!(store.path("ns", "a", &Revision::new("x@../../y")).is_err());
    for path in ["ocirepository/../x/y.tar.gz", ".blobs/x", "/etc/passwd", ""] {
        assert!(store.check(path, "sha256:aa").is_err());
        assert!(store.discard(path).is_err());
    }
}

fn expire(age_max_s: u64, stored_ago_s: &[u64], records: usize) -> (usize, usize) {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let now = SystemTime::now();
    let mut current = String::new();
    for (index, ago) in stored_ago_s.iter().enumerate() {
        let stored = put(&store, "obj", &format!("sha256:{index}"), format!("{index}").as_bytes());
        let file = std::fs::File::open(root.path().join(&stored.path)).unwrap();
        file.set_modified(now - Duration::from_secs(*ago)).unwrap();
        current = stored.path;
    }
    store.point_latest(&current).unwrap();
    std::fs::write(root.path().join("ocirepository/ns/obj/x.lock"), b"").unwrap();
    let retention = Retention { age_max: Duration::from_secs(age_max_s), records };
    let removed = store.expire(&current, retention, now).unwrap();
    assert!(root.path().join(&current).exists());
    assert_eq!(blobs(root.path()), stored_ago_s.len() - removed);
    (removed, stored_ago_s.len() - removed)
}

#[test]
fn old_artifacts_expire_by_age_then_by_number() {
    assert_eq!(expire(2, &[4, 3, 1, 0], 2), (2, 2));
    assert_eq!(expire(120, &[4, 3, 2, 1, 0], 2), (3, 2));
    assert_eq!(expire(60, &[70, 65], 2), (1, 1));
    assert_eq!(expire(60, &[10, 0], 2), (0, 2));
}

#[test]
fn many_objects_share_content_without_stepping_on_each_other() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    std::thread::scope(|threads| {
        for object in 0..8 {
            let store = &store;
            threads.spawn(move || {
                for round in 0..20 {
                    let name = format!("obj-{object}");
                    let stored =
                        put(store, &name, "sha256:aa", format!("{}", round % 2).as_bytes());
                    let digest = stored.digest.to_string();
                    assert_eq!(store.check(&stored.path, &digest).unwrap(), Check::Present);
                    assert!(store.remove("ns", &name).unwrap());
                }
            });
        }
    });
    assert_eq!(blobs(root.path()), 0);
}
