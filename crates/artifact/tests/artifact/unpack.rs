use std::collections::BTreeMap;

use artifact::text::explain;
use artifact::{Error, Limits, Tree};
use proptest::prelude::*;
use tar::EntryType;

use crate::archive::{entry, file, gzip, pax, record, tar};

fn unpack_bytes(bytes: &[u8], limits: &Limits) -> Result<Tree, Error> {
    let spool = tempfile::tempdir().unwrap();
    let tree = Tree::unpack(bytes, limits, spool.path());
    // Nothing of the archive ever has a name on disk.
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    tree
}

fn entries(archive: &[Vec<u8>]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let tree = unpack_bytes(&gzip(&tar(archive)), &Limits::default());
    tree.and_then(|tree| tree.entries()).map_err(|error| explain(&error))
}

fn check(archive: &[Vec<u8>], expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(path, body)| ((*path).into(), (*body).into())).collect();
    assert_eq!(entries(archive), Ok(expected));
}

fn refused(archive: &[Vec<u8>], text: &str) {
    assert_eq!(entries(archive), Err(text.into()));
}

#[test]
fn names_that_could_leave_the_tree_fail_the_artifact() {
    for name in ["../evil", "a/../../evil", "/abs", "a/..", "..", ""] {
        refused(&[file(name, "x")], &format!("tar contained invalid name error \"{name}\""));
    }
    refused(&[file("a\\b", "x")], r#"tar contained invalid name error "a\\b""#);
    refused(&[pax("path", "../x"), file("a", "")], r#"tar contained invalid name error "../x""#);
    let not_text = entry(b"a\xff", EntryType::Regular, b"");
    assert!(entries(&[not_text]).is_err_and(|text| text.contains("invalid name")));
    check(
        &[file("./ok.yaml", "a"), file("foo..bar/x", "b")],
        &[("foo..bar/x", "b"), ("ok.yaml", "a")],
    );
}

#[test]
fn links_and_special_files() {
    let link = entry(b"link", EntryType::Symlink, b"");
    check(&[link.clone(), file("link/x", "real")], &[("link/x", "real")]);
    check(&[link], &[]);
    for (kind, name) in [
        (EntryType::Link, "hard link"),
        (EntryType::Char, "Dcrw-r--r--"),
        (EntryType::Block, "Drw-r--r--"),
        (EntryType::Fifo, "prw-r--r--"),
        (EntryType::GNUSparse, "sparse file"),
    ] {
        let text = format!("tar file entry dev contained unsupported file type {name}");
        refused(&[entry(b"dev", kind, b"")], &text);
    }
}

#[test]
fn the_last_of_two_entries_wins_and_kinds_do_not_mix() {
    check(&[file("a", "1"), file("a", "22"), file("./a", "3")], &[("a", "3")]);
    let directory = entry(b"a/", EntryType::Directory, b"");
    let clash = "open a: file and directory of the same name";
    refused(&[directory.clone(), file("a", "")], clash);
    refused(&[file("a", ""), directory], clash);
    refused(&[file("a", ""), file("a/b", "")], clash);
}

#[test]
fn extended_headers() {
    let long = "d/".repeat(100) + "file";
    check(&[pax("path", &long), file("short", "x")], &[(&long, "x")]);
    let global =
        entry(b"pax_global_header", EntryType::XGlobalHeader, record("path", "x").as_bytes());
    check(&[global, file("a", "1")], &[("a", "1")]);
    let gnu = entry(b"././@LongLink", EntryType::GNULongName, format!("{long}\0").as_bytes());
    check(&[gnu, file("short", "x")], &[(&long, "x")]);
    refused(&[pax("size", "x"), file("a", "")], "tar error: archive/tar: invalid tar header");
    let sparse = "tar error: archive/tar: sparse files are not supported";
    refused(&[pax("GNU.sparse.major", "1"), file("a", "")], sparse);
}

#[test]
fn broken_streams() {
    let text = |bytes: &[u8]| {
        unpack_bytes(bytes, &Limits::default())
            .err()
            .map(|error| explain(&error))
            .unwrap_or_default()
    };
    let whole = gzip(&tar(&[file("a", &"body".repeat(1000))]));
    assert_eq!(text(b"plain text"), "requires gzip-compressed body: gzip: invalid header");
    assert_eq!(text(b""), "requires gzip-compressed body: EOF");
    assert_eq!(text(&whole[..whole.len() - 9]), "tar error: unexpected EOF");
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    assert_eq!(text(&flipped), "tar error: gzip: invalid checksum");
    let no_tar = gzip(&[b'x'; 1024]);
    assert_eq!(text(&no_tar), "tar error: archive/tar: invalid tar header");
    let cut = gzip(&tar(&[file("a", &"body".repeat(1000))])[..1024]);
    assert_eq!(text(&cut), "error copying buffer: unexpected EOF");
}

#[test]
fn several_gzip_members_are_one_stream() {
    let archive = tar(&[file("a", "1"), file("b", "2")]);
    let bytes = [gzip(&archive[..600]), gzip(&archive[600..])].concat();
    let tree = unpack_bytes(&bytes, &Limits::default()).unwrap();
    assert_eq!(tree.entries().unwrap().len(), 2);
}

#[test]
fn limits_stop_before_the_bytes_are_kept() {
    let limits =
        Limits { unpacked_bytes_max: 100_000, entries_max: 10, depth_max: 5, ..Limits::default() };
    let text = |archive: &[Vec<u8>]| {
        let tree = unpack_bytes(&gzip(&tar(archive)), &limits);
        tree.err().map(|error| explain(&error)).unwrap_or_default()
    };
    let bytes = "archive exceeds the limit of 100000 unpacked bytes";
    assert_eq!(text(&[file("zeros", &"\0".repeat(200_000))]), bytes);
    // What follows the end marker counts as well.
    assert_eq!(text(&[vec![0; 1024], vec![0; 200_000]]), bytes);
    let many: Vec<_> = (0..11).map(|n| file(&format!("f{n}"), "")).collect();
    assert_eq!(text(&many), "archive exceeds the limit of 10 files");
    let deep = "archive exceeds the limit of 5 nested directories";
    assert_eq!(text(&[file("a/b/c/d/e/f", "")]), deep);
    assert_eq!(text(&[pax("size", "9223372036854775807"), file("a", "")]), bytes);
    let long = pax("path", &"x".repeat(2 << 20));
    let limits = Limits::default();
    let error = unpack_bytes(&gzip(&tar(&[long])), &limits).err().unwrap();
    assert_eq!(explain(&error), "archive exceeds the limit of 1048576 bytes in an extended header");
    let small = Limits { compressed_bytes_max: 10, ..Limits::default() };
    let error = unpack_bytes(&gzip(&tar(&[file("a", "")])), &small).err().unwrap();
    assert_eq!(explain(&error), "archive exceeds the limit of 10 compressed bytes");
}

#[test]
fn packing_depends_on_the_content_only() {
    let packed = |files: &[(&str, &[u8])]| {
        let tree = Tree::from_files(files.iter().copied()).unwrap();
        let ignore = artifact::Ignore::new(&tree, None).unwrap();
        let mut out = Vec::new();
        tree.pack(&ignore, &mut out).unwrap();
        out
    };
    let long = "é/".repeat(120) + "file";
    let ascii = "long-directory/".repeat(12) + "file";
    let one = packed(&[("b", b"2"), ("a/x", b"1"), (&long, b"3"), (&ascii, b"4")]);
    let two = packed(&[(&ascii, b"4"), (&long, b"3"), ("a/x", b"1"), ("b", b"2")]);
    assert_eq!(one, two);
    assert_eq!(one[4..10], [0, 0, 0, 0, 0, 255], "no time, unknown system");
    let again = unpack_bytes(&one, &Limits::default()).unwrap().entries().unwrap();
    assert_eq!(again.keys().collect::<Vec<_>>(), ["a/x", "b", &ascii, &long]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let limits = Limits { unpacked_bytes_max: 1 << 20, ..Limits::default() };
        let _ = unpack_bytes(&gzip(&bytes), &limits);
        let _ = unpack_bytes(&bytes, &limits);
    }

    #[test]
    fn names_never_hold_a_way_out(name in "[./a\\\\]{0,12}", body in "[a-z]{0,5}") {
        if let Ok(entries) = entries(&[file(&name, &body)]) {
            for path in entries.keys() {
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
