//! Carrying out plans, stage by stage (kustomization.md, 9.2 and 9.3).

use futures::{TryStreamExt as _, stream};
use manifest::Object;
use plan::inventory::Entry;
use plan::{Action, Plan, Stage, Step, rank};

use crate::cluster::Cluster;
use crate::error::{Error, ObjectError, Operation};
use crate::observe::observe;

/// How a set of objects is applied.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Objects observed or applied at once.
    pub concurrency: usize,
}

/// What has been applied so far.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Every object of the set, skipped ones included, in apply order.
    pub entries: Vec<Entry>,
    /// The steps that changed something, in apply order, for the change log.
    pub changes: Vec<String>,
    /// The objects whose health counts: all but the skipped ones.
    pub awaited: Vec<Entry>,
}

/// The stages of one apply; its caller drives it, so that it can write the inventory ahead and
/// wait between stages.
pub struct Stages<'a, C> {
    cluster: &'a C,
    settings: Settings,
    rest: std::vec::IntoIter<(Stage, Vec<Object>)>,
    /// What has been applied so far.
    pub applied: Applied,
}

impl<'a, C: Cluster> Stages<'a, C> {
    /// Sorts the objects of an apply into stages.
    pub fn new(cluster: &'a C, objects: Vec<Object>, settings: Settings) -> Self {
        let rest = plan::stages(objects, &[]).into_iter();
        Self { cluster, settings, rest, applied: Applied::default() }
    }

    /// Observes and plans the next stage; `None` after the last one. Nothing is written.
    pub async fn plan(&mut self) -> Result<Option<(Stage, Plan)>, Error> {
        let Some((stage, objects)) = self.rest.next() else { return Ok(None) };
        let observed = observe(self.cluster, objects, self.settings.concurrency).await?;
        Ok(Some((stage, plan::plan(observed))))
    }

    /// Carries out the plan of a stage, bounded-parallel inside a rank. After the first error no
    /// new object is begun (decisions.md, W7).
    pub async fn execute(&mut self, plan: &Plan) -> Result<(), Error> {
        let result = self.write(plan).await;
        // Also after an error: what may have been written belongs to the inventory.
        for step in &plan.steps {
            let entry = Entry::of(&step.object);
            if step.action != Action::Skip {
                self.applied.awaited.push(entry.clone());
            }
            self.applied.entries.push(entry);
        }
        result?;
        let changes = plan.steps.iter().filter(|step| step.action.writes());
        self.applied.changes.extend(changes.map(ToString::to_string));
        Ok(())
    }

    async fn write(&self, plan: &Plan) -> Result<(), Error> {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.action.writes()).collect();
        for rank in steps.chunk_by(|a, b| rank(a.object.kind()) == rank(b.object.kind())) {
            stream::iter(rank.iter().map(Ok))
                .try_for_each_concurrent(self.settings.concurrency, |step| {
                    apply_one(self.cluster, step)
                })
                .await
                .map_err(|error| Error::Objects(vec![error]))?;
        }
        Ok(())
    }
}

async fn apply_one<C: Cluster>(cluster: &C, step: &Step) -> Result<(), ObjectError> {
    let fail = |operation| {
        let id = step.object.id();
        move |refusal| ObjectError { id, operation, refusal }
    };
    if let Action::Configure { takeover: Some(operations), .. } = &step.action {
        cluster.patch(&step.object, operations).await.map_err(fail(Operation::Takeover))?;
    }
    cluster.apply(&step.object).await.map_err(fail(Operation::Apply))?;
    Ok(())
}
