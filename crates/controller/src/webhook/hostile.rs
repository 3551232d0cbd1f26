//! The reader of notices, for fuzzing.

use oci::{Reference, Select};

use super::notice::{NOTICES_MAX, notices};

/// Reads a body for a source of `repository`: the notices are bounded, wake nobody who has chosen a
/// digest, and everybody with a range whom they wake with a tag.
pub fn read(body: &[u8], repository: &Reference) {
    let Ok(notices) = notices(body) else { return };
    assert!(notices.len() <= NOTICES_MAX);
    let range = oci::select::Range {
        expression: "*".into(),
        filter: String::new(),
        spelling: oci::select::Spelling::Plain,
    };
    let range = Select::SemVer(range);
    for notice in notices {
        assert!(!notice.concerns(repository, &Select::Digest("sha256:00".into())));
        let by_tag = notice.concerns(repository, &Select::latest());
        assert!(!by_tag || notice.concerns(repository, &range));
    }
}
