//! The guard against going back: a range whose best version has vanished from the registry stands for
//! a lower one, which nobody asked for (security.md, E6). Off unless a flag or an annotation says so.
//!
//! What was stored before is then still what the source stands for: it stays stored and served, and
//! is fetched anew by its digest where it is lost.

use api::well_known::{ROLLBACK_ALLOWED, ROLLBACK_GUARD};
use artifact::Digest;
use oci::{Pin, Select};

use super::converge::Attempt;
use crate::objects::{annotation, is_on};

impl Attempt<'_> {
    /// What the run goes on with: `pin`, or what is stored in `revision` if that is held against it,
    /// and then why.
    pub(super) fn guarded(&self, revision: Option<&str>, pin: Pin) -> (Pin, Option<String>) {
        if !is_on(&self.object, ROLLBACK_GUARD, self.context.settings.guards.source_rollback_guard)
        {
            return (pin, None);
        }
        let allowed = annotation(&self.object, ROLLBACK_ALLOWED);
        match revision.and_then(|stored| held(&self.request.select, stored, &pin, allowed)) {
            None => (pin, None),
            Some((kept, why)) => (kept, Some(why)),
        }
    }
}

/// What is kept instead of `pin`, and why: what is stored is a version that the selection still
/// prefers, and nobody has allowed `pin` by its tag or digest.
fn held(select: &Select, stored: &str, pin: &Pin, allowed: Option<&str>) -> Option<(Pin, String)> {
    let (Select::SemVer(range), Some(to)) = (select, &pin.tag) else { return None };
    let (from, digest) = stored.rsplit_once('@')?;
    if allowed.is_some_and(|allowed| allowed == to || allowed == pin.digest.to_string())
        || !range.steps_back(from, to)
    {
        return None;
    }
    let kept = Pin { tag: Some(from.into()), digest: Digest::parse_sha256(digest).ok()? };
    let why = format!(
        "tag '{from}' has vanished from the registry and is kept; to go back to '{to}', annotate \
         the object with {ROLLBACK_ALLOWED}={to}"
    );
    Some((kept, why))
}

#[cfg(test)]
mod tests {
    use oci::select::{Range, Spelling};

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// security.md, E6.
    #[test]
    fn what_is_lower_is_held_until_it_is_named() {
        let (expression, filter) = (">=1.0.0".to_owned(), String::new());
        let range = Select::SemVer(Range { expression, filter, spelling: Spelling::Plain });
        let Ok(digest) = Digest::parse_sha256(DIGEST) else { unreachable!("it is one") };
        let lower = Pin { tag: Some("1.1.0".into()), digest };
        let stored = format!("1.2.0@{DIGEST}");
        let Some((kept, why)) = held(&range, &stored, &lower, None) else {
            unreachable!("nobody has allowed it")
        };
        assert_eq!(kept.revision().as_str(), stored);
        assert!(why.ends_with("sluice.dev/rollback-allowed=1.1.0"), "{why}");
        let kept = |select: &Select, stored: &str, allowed: Option<&str>| {
            held(select, stored, &lower, allowed).is_some()
        };
        assert!(kept(&range, &stored, Some("1.0.0")));
        assert!(!kept(&range, &stored, Some("1.1.0")));
        assert!(!kept(&range, &stored, Some(DIGEST)));
        assert!(!kept(&range, DIGEST, None), "what was stored by digest has no version");
        assert!(!kept(&Select::Tag("1.1.0".into()), &stored, None));
    }
}
