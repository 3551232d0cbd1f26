//! Saying what would be done, and doing nothing (docs/guards.md).

use api::well_known::DETECT_ONLY;
use apply::Reach;
use apply::preview::{Owned, Preview, Wanted, preview};
use kube::api::DynamicObject;
use manifest::Object;

use super::converge::{Attempt, Failure, settings};
use super::report::{happening, record};
use super::status::{DRIFT_DETECTED, Outcome, Run};
use super::{End, owner};
use crate::context::Context;
use crate::events::Severity;
use crate::objects::is_on;

/// Lines of a plan that an object tells of; the others are counted.
const LINES_MAX: usize = 100;

/// Whether runs of a Kustomization only say what they would do.
pub(super) fn is_only_detecting(context: &Context, object: &DynamicObject) -> bool {
    is_on(object, DETECT_ONLY, context.settings.guards.detect_only)
}

impl Attempt<'_> {
    /// What a run would do.
    pub(super) async fn preview(
        &self,
        reach: &Reach,
        objects: Vec<Object>,
    ) -> Result<Preview, Failure> {
        let apply::execute::Settings { policy, custom_kinds, concurrency, .. } = settings(self)?;
        let wanted = Wanted { objects, policy, custom_kinds, concurrency };
        let owner = owner(self.key);
        let owned = Owned { stored: &self.stored, owner: &owner };
        let owned = self.request.prune.then_some(owned);
        let planned = preview(reach.cluster.as_ref(), wanted, owned).await;
        planned.map_err(|error| Failure::new("ReconciliationFailed", &error))
    }
}

impl End<'_> {
    /// Says what would be done; it is told once.
    pub(super) async fn detected(&self, run: Run, preview: &Preview) -> kube::Result<()> {
        let drift = text(&preview.lines());
        if let Some(drift) = &drift
            && !self.says(DRIFT_DETECTED, drift)
        {
            let facts = (run.revision.as_str(), run.origin_revision.as_deref());
            let told = happening(Severity::Info, DRIFT_DETECTED, drift, facts);
            record(self.context, &self.object, told);
        }
        self.write(&Outcome::Detected { run, drift }).await
    }
}

fn text(lines: &[String]) -> Option<String> {
    let (shown, rest) = lines.split_at(lines.len().min(LINES_MAX));
    let more = match rest.len() {
        0 => String::new(),
        count => format!("\nand {count} more"),
    };
    let text = format!("detect only, nothing is applied:\n{}{more}", shown.join("\n"));
    (!lines.is_empty()).then_some(text)
}
