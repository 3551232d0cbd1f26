//! What happened in each recorded case, in order. The recording tells it in prose.

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// The documents of a step were applied.
    Step(u32),
    /// The first push and its source, and when that was ready the documents of the first step.
    Begin,
    /// One document of a step was applied.
    Part(u32, usize),
    /// The pushes with these numbers happened, to this ending of the repository's name.
    Push(&'static [usize], &'static str),
    /// Every push happened; for some the last one under `latest` too.
    PushAll,
    /// All of it happened on the registry with TLS and a password.
    PushAllSecurely,
    /// A push was tagged again as `latest`.
    Latest(usize),
    /// A tag vanished.
    Untag(&'static str),
    /// The source became ready.
    Settled,
    /// `k` applied what the source offers.
    Applied,
    /// An object was deleted; nobody waited.
    Remove(&'static str, &'static str),
    /// Time passed, in seconds.
    Pass(u64),
    /// An object was deleted, and went.
    Delete(&'static str, &'static str),
    /// An object was gone.
    Gone(&'static str, &'static str),
    /// A Kustomization listed so many objects as its own.
    Owns(&'static str, usize),
    /// A condition of an object had this status.
    Has(&'static str, &'static str, &'static str, &'static str),
    /// Somebody ran kubectl.
    Kubectl(&'static [&'static str]),
    /// The API server refused this of kubectl from then on.
    Refused(&'static [&'static str]),
    /// The stored file of `obj` was removed.
    RemoveFile,
    /// A byte of it was changed.
    FlipByte,
    /// The objects were as in this file.
    See(&'static str),
    /// What was stored of an object was as in this file.
    Stored(&'static str, &'static str),
    /// The artifact server answered as in this file.
    Answers(&'static str),
    /// The metrics had the series of this file, and the second tells whether ours may have more.
    Metrics(&'static str),
    /// A Secret of this name came to hold a kubeconfig of the cluster.
    Kubeconfig(&'static str),
    /// The API server answered to the documents of a step as in this file.
    Refuses(u32, &'static str),
}

/// What [`Act::Begin`] stands for.
pub(crate) const BEGIN: [Act; 4] = [Act::Push(&[0], ""), Act::Step(0), Act::Settled, Act::Step(1)];

use Act::{
    Answers, Delete, FlipByte, Latest, Metrics, Part, Pass, Push, PushAll, PushAllSecurely,
    RemoveFile, See, Step, Stored, Untag,
};

/// Every recorded case of an OCIRepository.
pub(crate) const SOURCES: [(&str, &[Act]); 14] = [
    (
        "oci-A01-tag",
        &[
            PushAll,
            Latest(2),
            Step(1),
            See("01-ready"),
            Stored("02-storage", "obj"),
            Step(2),
            See("03-requested"),
            Delete("OCIRepository", "obj"),
        ],
    ),
    ("oci-A04-reference-forms", &[PushAll, Latest(2), Step(1), See("01-all")]),
    (
        "oci-A10-no-annotations",
        &[
            PushAll,
            Step(1),
            See("01-ready"),
            Stored("02-storage-one", "one"),
            Stored("03-storage-two", "two"),
        ],
    ),
    (
        "oci-C02-bad-url",
        &[
            PushAll,
            Step(1),
            See("01-stalled"),
            Step(2),
            See("02-requested"),
            Part(3, 0),
            See("03-suspended"),
            Part(3, 1),
            Part(3, 2),
            See("04-fixed"),
        ],
    ),
    ("oci-C06-pull-errors", &[PushAll, Step(1), See("01-all")]),
    (
        "oci-C11-tag-deleted",
        &[
            PushAll,
            Step(0),
            See("01-ready"),
            Untag("v1"),
            Step(2),
            See("02-missing"),
            Stored("03-storage", "obj"),
            PushAll,
            Pass(900),
            See("04-back"),
            Step(4),
            See("05-absent-tag"),
        ],
    ),
    ("oci-D01-auth-and-tls", &[PushAllSecurely, Step(0), Step(1), See("01-all")]),
    (
        "oci-D05-secret-appears",
        &[PushAll, Step(0), See("01-missing"), Step(2), Pass(900), See("02-ready")],
    ),
    (
        "oci-F02-layers",
        &[
            PushAll,
            Step(1),
            See("01-all"),
            Stored("02-storage-nosel", "nosel"),
            Stored("03-storage-match", "match"),
            Stored("04-storage-copy", "copy"),
            Stored("07-storage-t-linkdir", "t-linkdir"),
            Step(2),
            See("08-nosel-changed"),
        ],
    ),
    (
        "oci-G01-ignore",
        &[
            PushAll,
            Step(1),
            See("01-all"),
            Stored("02-storage-none", "none"),
            Stored("03-storage-foo", "foo"),
            Stored("04-storage-comment", "comment"),
            Stored("05-storage-empty", "empty"),
            Stored("06-storage-allow", "allow"),
            Stored("07-storage-builddir", "builddir"),
            Stored("08-storage-star2", "star2"),
            Stored("09-storage-file", "file"),
            Stored("10-storage-file-over", "file-over"),
            Stored("11-storage-copy", "copy"),
            Step(2),
            See("12-ignore-changed"),
        ],
    ),
    (
        "oci-H03-no-op-identity",
        &[
            Push(&[0], ""),
            Push(&[0], "-mirror"),
            Step(0),
            See("01-ready"),
            Step(2),
            See("02-mirror"),
            RemoveFile,
            Step(3),
            See("03-file-deleted"),
            FlipByte,
            Step(4),
            See("04-byte-flipped"),
            Part(5, 0),
            Push(&[1], "-mirror"),
            Part(5, 1),
            See("05-suspended"),
            Step(6),
            See("06-resumed"),
        ],
    ),
    (
        "oci-H10-tag-moved-and-collection",
        &[
            Push(&[0], ""),
            Step(0),
            See("01-a"),
            Push(&[1], ""),
            Step(2),
            See("02-b"),
            Stored("03-storage-b", "obj"),
            Push(&[2], ""),
            Step(3),
            Stored("04-storage-c", "obj"),
            Pass(70),
            Step(4),
            See("06-after-collection"),
            Stored("05-storage-after-collection", "obj"),
        ],
    ),
    ("oci-H16-http", &[PushAll, Step(0), See("02-ready"), Answers("01-answers")]),
    (
        "oci-J01-metrics",
        &[
            PushAll,
            Step(0),
            Step(1),
            Metrics("01-ready"),
            Step(2),
            Metrics("02-requested"),
            Delete("Kustomization", "k"),
            Delete("OCIRepository", "src"),
            Metrics("03-deleted"),
        ],
    ),
];
