//! What an apply and its prune would do, without doing it: the same observations and the same plan
//! (docs/guards.md).

use std::collections::HashSet;
use std::fmt;

use futures::{StreamExt as _, stream};
use manifest::{GroupKind, Object, Value};
use plan::inventory::{Entry, stale};
use plan::prune::{Owner, Verdict, sort, verdict};
use plan::{Action, Plan, Policy, Sighting, Step};

use crate::cluster::Cluster;
use crate::error::{Error, ObjectError, Operation};
use crate::knowledge::Knowledge;
use crate::observe::observe;

/// What would be done. Its text has a line for each object that would change, and no values.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// What would be applied, a plan a stage.
    pub plans: Vec<Plan>,
    /// What would be deleted, in that order.
    pub pruned: Vec<Entry>,
}

/// What would be applied, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The objects.
    pub objects: Vec<Object>,
    /// What users and flags say about it.
    pub policy: Policy,
    /// Kinds that are applied in a stage of their own.
    pub custom_kinds: Vec<GroupKind>,
    /// Objects observed at once.
    pub concurrency: usize,
}

/// What was ours until now, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Owned<'a> {
    /// The inventory.
    pub stored: &'a [Entry],
    /// Whose labels its objects bear.
    pub owner: &'a Owner,
}

/// Observes and plans every stage, and what would be pruned after them; nothing is written.
///
/// What comes with a definition or a namespace that is not there yet cannot be tried: it would be
/// created. Fails like an apply where an object is refused. Nothing is pruned without `owned`.
pub async fn preview<C: Cluster>(
    cluster: &C,
    wanted: Wanted,
    owned: Option<Owned<'_>>,
) -> Result<Preview, Error> {
    let Wanted { objects, policy, custom_kinds, concurrency } = wanted;
    let mut preview = Preview::default();
    let mut coming = Coming::default();
    for (_, objects) in plan::stages(objects, &custom_kinds) {
        let (later, now): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| coming.brings(object));
        let observed = observe(cluster, now, &policy, &Knowledge::default(), concurrency).await?;
        let mut plan = plan::plan(observed, &policy)?;
        let create = |object| Step { object, action: Action::Create };
        plan.steps.extend(later.into_iter().map(create));
        coming.with(&plan);
        preview.plans.push(plan);
    }
    if let Some(owned) = owned {
        let steps = preview.plans.iter().flat_map(|plan| &plan.steps);
        let desired: Vec<Entry> = steps.map(|step| Entry::of(&step.object)).collect();
        let left = stale(owned.stored, &desired);
        preview.pruned = deleted(cluster, left, owned.owner, concurrency).await?;
    }
    Ok(preview)
}

/// Those of `left` that a prune would delete.
async fn deleted<C: Cluster>(
    cluster: &C,
    mut left: Vec<Entry>,
    owner: &Owner,
    concurrency: usize,
) -> Result<Vec<Entry>, Error> {
    sort(&mut left);
    let judged = left.into_iter().map(async |entry| {
        let live = cluster.read(&entry.id, &entry.version).await.map_err(|refusal| {
            ObjectError { id: entry.id.clone(), operation: Operation::Query, refusal }
        })?;
        let seen = live.as_ref().map(Sighting::of);
        let goes = matches!(verdict(seen.as_ref(), owner), Verdict::Delete { .. });
        Ok(goes.then_some(entry))
    });
    let judged: Vec<_> = judged.collect();
    let judged: Vec<Result<_, _>> = stream::iter(judged).buffered(concurrency).collect().await;
    let (mut gone, mut errors) = (Vec::new(), Vec::new());
    for result in judged {
        match result {
            Ok(entry) => gone.extend(entry),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(gone) } else { Err(Error::Objects(errors)) }
}

/// Definitions and namespaces that an apply would create.
#[derive(Default)]
struct Coming {
    kinds: HashSet<GroupKind>,
    namespaces: HashSet<String>,
}

impl Coming {
    fn brings(&self, object: &Object) -> bool {
        self.kinds.contains(&object.gvk().group_kind())
            || self.namespaces.contains(object.namespace())
    }

    fn with(&mut self, plan: &Plan) {
        for step in plan.steps.iter().filter(|step| step.action == Action::Create) {
            let object = &step.object;
            let text = |keys: &[&str]| {
                object.at(keys).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            match object.kind() {
                "Namespace" => drop(self.namespaces.insert(object.name().to_owned())),
                "CustomResourceDefinition" => {
                    let (group, kind) =
                        (text(&["spec", "group"]), text(&["spec", "names", "kind"]));
                    self.kinds.insert(GroupKind { group, kind });
                }
                _ => {}
            }
        }
    }
}

impl Preview {
    /// A line for each object that would change.
    pub fn lines(&self) -> Vec<String> {
        let steps = self.plans.iter().flat_map(|plan| &plan.steps);
        let applied = steps.filter(|step| step.action.writes()).map(|step| match &step.action {
            Action::Configure { fields, .. } if !fields.is_empty() => {
                let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                format!("{step} ({})", fields.join(", "))
            }
            Action::Recreate { .. } => format!("{step} anew"),
            _ => step.to_string(),
        });
        let pruned = self.pruned.iter().map(|entry| format!("{} deleted", entry.id.subject()));
        applied.chain(pruned).collect()
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.lines().join("\n"))
    }
}
