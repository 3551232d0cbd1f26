//! A layer, as it comes and as a gzip stream around the input: what is unpacked stays in the tree and
//! under the limits, and comes out of our own archive as it went in.
#![no_main]

use std::io::Write as _;

use artifact::{Ignore, Limits, Tree};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    unpacked_bytes_max: 1 << 20,
    entries_max: 100,
    depth_max: 8,
    names_bytes_max: 1 << 14,
    compressed_bytes_max: 1 << 16,
};

fn check(layer: &[u8]) {
    let spool = std::env::temp_dir();
    let Ok(tree) = Tree::unpack(layer, &LIMITS, &spool) else { return };
    let entries = tree.entries().expect("what is unpacked can be read");
    assert!(entries.len() as u64 <= LIMITS.entries_max);
    assert!(entries.values().map(Vec::len).sum::<usize>() as u64 <= LIMITS.unpacked_bytes_max);
    for path in entries.keys() {
        let parts: Vec<_> = path.split('/').collect();
        assert!(parts.len() as u64 <= LIMITS.depth_max, "{path}");
        assert!(parts.iter().all(|part| !["", ".", ".."].contains(part)), "{path}");
        assert!(!path.contains(['\0', '\\']), "{path}");
    }
    let ignore = Ignore::of_pushed("").expect("no rules at all");
    let mut packed = Vec::new();
    tree.pack(&ignore, &mut packed).expect("what is unpacked can be packed");
    let again = Tree::unpack(packed.as_slice(), &Limits::default(), &spool).expect("our own");
    let mut kept = entries;
    kept.retain(|path, _| {
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        !ignore.ignores_file(path) && !above.any(|parent| ignore.ignores_directory(parent))
    });
    assert_eq!(again.entries().expect("our own"), kept);
}

fuzz_target!(|data: &[u8]| {
    check(data);
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(data).expect("memory does not fail");
    check(&zipped.finish().expect("memory does not fail"));
});
