//! Carrying out plans, stage by stage (kustomization.md, 9.2 and 9.3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use manifest::{GroupKind, Object, ObjectId, Value};
use plan::health::Judge;
use plan::inventory::Entry;
use plan::ownership::{former_owner, takeover};
use plan::prune::Owner;
use plan::stage::rank;
use plan::{Action, DryRun, Field, Known, Mark, Observed, Plan, Policy, Stage, Step};

use crate::cluster::{Cluster, Only};
use crate::end::ended;
use crate::error::{Error, ObjectError, Operation, Refusal};
use crate::knowledge::Knowledge;
use crate::observe::{Observation, observe};
use crate::wait::{State, Target, Timer};
use crate::watch::Ownership;

/// How often an object is taken over anew because somebody else wrote to it.
const CONFLICTS_MAX: usize = 4;

/// How a set of objects is applied.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Objects observed or applied at once.
    pub concurrency: usize,
    /// What users and flags say about it.
    pub policy: Policy,
    /// Kinds that are applied in a stage of their own.
    pub custom_kinds: Vec<GroupKind>,
    /// How long the end of an object is awaited that is created anew.
    pub timeout: Duration,
    /// Who says how an object is.
    pub judge: Arc<Judge>,
}

/// What has been applied so far.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Every object of the set, skipped ones included, in apply order.
    pub entries: Vec<Entry>,
    /// The steps that changed something, in apply order, for the change log.
    pub changes: Vec<String>,
    /// What differed in objects that were read before they were changed; never a value.
    pub drift: Vec<(ObjectId, Vec<Field>)>,
    /// The objects whose health counts: all but the skipped ones.
    pub targets: Vec<Target>,
    /// How they were when they were last seen.
    pub states: BTreeMap<ObjectId, State>,
    /// The objects that bore somebody else's labels until now, and whose.
    pub taken: BTreeMap<ObjectId, Owner>,
}

/// The stages of one apply. Its caller drives it, so that it can write the inventory ahead and
/// wait between stages.
pub struct Stages<'a, C, T> {
    cluster: &'a C,
    timer: &'a T,
    settings: Settings,
    rest: std::vec::IntoIter<(Stage, Vec<Object>)>,
    /// The objects of the stage that bear somebody else's labels, and whose.
    foreign: BTreeMap<ObjectId, Owner>,
    /// What has been applied so far.
    pub applied: Applied,
    /// What need not be asked for.
    pub knowledge: Knowledge<'a>,
}

impl<'a, C: Cluster, T: Timer> Stages<'a, C, T> {
    /// Sorts the objects of an apply into stages. Nothing is known of them yet.
    pub fn new(cluster: &'a C, timer: &'a T, objects: Vec<Object>, settings: Settings) -> Self {
        let rest = plan::stages(objects, &settings.custom_kinds).into_iter();
        let (applied, knowledge) = (Applied::default(), Knowledge::default());
        let foreign = BTreeMap::new();
        Self { cluster, timer, settings, rest, foreign, applied, knowledge }
    }

    /// Every object that is still to come, in apply order, as the inventory will have it.
    pub fn planned(&self) -> Vec<Entry> {
        self.rest.as_slice().iter().flat_map(|(_, objects)| objects.iter().map(Entry::of)).collect()
    }

    /// Observes and plans the next stage; `None` after the last one. Nothing is written.
    pub async fn plan(&mut self) -> Result<Option<(Stage, Plan)>, Error> {
        let Some((stage, objects)) = self.rest.next() else { return Ok(None) };
        let Settings { policy, concurrency, .. } = &self.settings;
        let observed =
            observe(self.cluster, objects, policy, &self.knowledge, *concurrency).await?;
        for (object, observed) in &observed {
            self.note(object, observed).await;
            if let Observed::Present { live, .. } = observed {
                let owner = former_owner(object, live);
                self.foreign.extend(owner.map(|owner| (object.id(), owner)));
            }
        }
        let known: Vec<_> =
            observed.iter().map(|pair| known(pair, &self.settings.policy)).collect();
        let plan = plan::plan(observed, &self.settings.policy)?;
        for (step, known) in plan.steps.iter().zip(known) {
            if let (false, Some(known)) = (step.action.writes(), known) {
                self.knowledge.memory.insert(step.object.id(), known);
            }
        }
        Ok(Some((stage, plan)))
    }

    /// Takes in how an object is.
    async fn note(&mut self, object: &Object, observed: &Observed) {
        let state = match observed {
            Observed::Present { live, .. } | Observed::Excluded(Some(live)) => {
                Some(self.state(live))
            }
            Observed::Settled => {
                self.knowledge.memory.confirm(object);
                self.knowledge.health(&object.id(), &object.gvk().version).await
            }
            Observed::Absent | Observed::Differs | Observed::Excluded(None) => None,
        };
        self.applied.states.extend(state.map(|state| (object.id(), state)));
    }

    fn state(&self, live: &Object) -> State {
        let health = self.settings.judge.health(live, self.timer.now());
        State { health, mark: Some(Mark::of(live)) }
    }

    /// Carries out the plan of a stage, bounded-parallel inside a rank. After the first error no
    /// new object is begun (decisions.md, W7).
    pub async fn execute(&mut self, plan: &Plan) -> Result<(), Error> {
        // Before the writes, and also when they fail: what may be written belongs to us.
        for step in &plan.steps {
            if step.action != Action::Skip {
                self.applied.targets.push(target(&step.object));
            }
            self.applied.entries.push(Entry::of(&step.object));
        }
        for (desired, written) in self.write(plan).await? {
            let state = self.state(&written);
            self.applied.states.insert(desired.id(), state);
            if let Some(known) = Known::of(desired, &written, &self.settings.policy) {
                self.knowledge.memory.insert(desired.id(), known);
            }
        }
        let mut foreign = std::mem::take(&mut self.foreign);
        for step in plan.steps.iter().filter(|step| step.action.writes()) {
            self.applied.changes.push(step.to_string());
            self.applied.taken.extend(foreign.remove_entry(&step.object.id()));
            if let Action::Configure { fields, .. } = &step.action
                && !fields.is_empty()
            {
                self.applied.drift.push((step.object.id(), fields.clone()));
            }
        }
        Ok(())
    }

    /// Gives what was sent and what became of it.
    async fn write<'p>(&self, plan: &'p Plan) -> Result<Vec<(&'p Object, Object)>, Error> {
        let steps: Vec<&'p Step> = plan.steps.iter().filter(|step| step.action.writes()).collect();
        let mut written = Vec::with_capacity(steps.len());
        for rank in steps.chunk_by(|a, b| rank(a.object.kind()) == rank(b.object.kind())) {
            let applies: Vec<_> = rank.iter().map(|step| self.apply_one(step)).collect();
            let mut answers = stream::iter(applies).buffered(self.settings.concurrency);
            let mut sent = rank.iter().map(|step| &step.object);
            while let Some(object) =
                answers.try_next().await.map_err(|error| Error::Objects(vec![error]))?
            {
                written.extend(sent.next().map(|sent| (sent, object)));
            }
        }
        Ok(written)
    }

    async fn apply_one(&self, step: &Step) -> Result<Object, ObjectError> {
        let (cluster, object) = (self.cluster, &step.object);
        let fail = |operation| move |refusal| ObjectError { id: object.id(), operation, refusal };
        match &step.action {
            Action::Configure { takeover: Some(operations), .. } => {
                self.take_over(object, operations).await.map_err(fail(Operation::Takeover))?;
            }
            Action::Recreate { uid } => {
                let (id, version) = (object.id(), object.gvk().version);
                cluster
                    .delete(&id, &version, Only { uid, version: None })
                    .await
                    .map_err(fail(Operation::DeleteImmutable))?;
                let (timer, timeout) = (self.timer, self.settings.timeout);
                ended(cluster, timer, &[Entry::of(object)], timeout)
                    .await
                    .map_err(fail(Operation::AwaitImmutable))?;
            }
            _ => {}
        }
        cluster.apply(object).await.map_err(fail(Operation::Apply))
    }

    /// Takes an object over; somebody who writes to it meanwhile makes it be looked at anew.
    async fn take_over(&self, object: &Object, operations: &Value) -> Result<(), Refusal> {
        let (id, version) = (object.id(), object.gvk().version);
        let mut operations = operations.clone();
        for _ in 0..CONFLICTS_MAX {
            match self.cluster.patch(object, &operations).await {
                Err(refusal) if refusal.is_code(409) => {}
                other => return other,
            }
            let Some(live) = self.cluster.read(&id, &version).await? else { return Ok(()) };
            match takeover(&live, &self.settings.policy.override_managers) {
                Some(anew) => operations = anew,
                None => return Ok(()),
            }
        }
        self.cluster.patch(object, &operations).await
    }
}

/// What there is to remember of an object if nothing is written to it.
fn known((desired, observed): &Observation, policy: &Policy) -> Option<Known> {
    match observed {
        Observed::Present { live, dry_run: DryRun::Gives(_) } | Observed::Excluded(Some(live)) => {
            Known::of(desired, live, policy)
        }
        _ => None,
    }
}

/// A Job that removes itself when it is done may be gone before anyone looks.
fn target(object: &Object) -> Target {
    let vanishes = object.kind() == "Job"
        && object.at(&["spec", "ttlSecondsAfterFinished"]).and_then(Value::as_i64).is_some();
    let (id, version) = (object.id(), object.gvk().version);
    Target { id, version, may_vanish: vanishes, ownership: Ownership::Ours }
}
