//! What happened in the recorded cases of what comes before an apply, in order: what the API server
//! takes, the source, and dependencies.

use super::scripts::Act::{
    self, Begin, Delete, Has, Part, Pass, Push, Refuses, See, Settled, Step,
};

const K: &str = "Kustomization";

/// The cases.
pub(crate) const FIRST: [(&str, &[Act]); 8] = [
    (
        "ks-A13-timeout-texts",
        &[
            Push(&[0], ""),
            Step(0),
            Settled,
            Part(1, 0),
            Has(K, "k1", "Ready", "True"),
            Part(1, 1),
            Has(K, "k2", "Ready", "True"),
            Part(1, 2),
            Has(K, "k3", "Ready", "True"),
            Part(1, 3),
            See("01-ready"),
            Pass(12),
            See("02-after-12s"),
        ],
    ),
    ("ks-A16-api-rejections", &[Refuses(1, "01-answers")]),
    (
        "ks-B03-artifact-404",
        &[
            Begin,
            See("01-ready"),
            Step(2),
            See("02-not-found"),
            Step(3),
            Pass(5),
            See("03-ready-again"),
        ],
    ),
    (
        "ks-B04-digest-mismatch",
        &[
            Begin,
            Has(K, "k", "Ready", "True"),
            Step(2),
            See("01-mismatch"),
            Pass(6),
            See("02-retried"),
        ],
    ),
    ("ks-B10-flags", &[Begin, See("01-all")]),
    (
        "ks-C07-readyexpr",
        &[Begin, Has(K, "d", "Ready", "False"), Step(2), See("01-three"), Delete(K, "e-parse")],
    ),
    ("ks-C08-additive-readyexpr", &[Begin, See("01-not-ready")]),
    (
        "ks-C13-cycle",
        &[Begin, Pass(7), See("01-cycle"), Push(&[1], ""), Step(3), See("02-new-revision")],
    ),
];
