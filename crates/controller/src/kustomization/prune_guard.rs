//! Whether what left the source may be pruned unasked (docs/guards.md).

use api::well_known::{DISABLED, PRUNE_ALLOWED, PRUNE_GUARD};
use plan::guard::{Guard, Pruning};
use plan::inventory::Entry;

use super::converge::{Attempt, Failure};
use super::report::{happening, record};
use super::status::{Outcome, PRUNE_BLOCKED, Run};
use super::{End, annotation};
use crate::events::Severity;

impl Attempt<'_> {
    /// Fails if somebody has to be asked before `stale` goes; `built` objects stay.
    pub(super) fn guard(&self, stale: &[Entry], built: usize) -> Result<(), Failure> {
        let pruning = Pruning { stale, owned: self.stored.len(), built };
        let allowed = annotation(&self.object, PRUNE_ALLOWED);
        let judged = match annotation(&self.object, PRUNE_GUARD) {
            None => self.context.settings.guards.prune_guard.judge(&pruning, allowed),
            Some(rules) if rules.eq_ignore_ascii_case(DISABLED) => Ok(()),
            Some(rules) => match rules.parse::<Guard>() {
                Ok(guard) => guard.judge(&pruning, allowed),
                Err(invalid) => invalid.judge(&pruning, allowed),
            },
        };
        judged.map_err(|blocked| {
            let digest = &blocked.digest;
            let way = format!("to allow exactly this, annotate the object with {PRUNE_ALLOWED}");
            Failure::PruneBlocked(format!("{blocked}; {way}={digest}"))
        })
    }
}

impl End<'_> {
    /// Everything was applied, and nothing pruned; it is told once.
    pub(super) async fn prune_blocked(&self, run: Run, message: String) -> kube::Result<()> {
        if !self.says(PRUNE_BLOCKED, &message) {
            let facts = (run.revision.as_str(), run.origin_revision.as_deref());
            let told = happening(Severity::Error, PRUNE_BLOCKED, &message, facts);
            record(self.context, &self.object, told);
        }
        self.write(&Outcome::PruneBlocked { run, message }).await
    }
}
