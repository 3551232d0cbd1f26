//! Kustomization: the operator is killed at each request of a run. A process of its own: nothing of it
//! ends what it has begun.

use e2e::gate::Gate;
use e2e::steps::{self, Counted, Disk, Process, Steps, Stop};
use e2e::{Story, inventory, is_ready};
use serde_json::json;

use super::sync::CONFIG_MAP;

/// No run has as many requests.
const STEPS_MAX: usize = 30;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is the operator of the other story here, in a process of its own"]
async fn operator() {
    steps::run().await;
}

struct Kills {
    story: Story,
    steps: Steps,
    cluster: Gate,
}

/// A Kustomization in one of its lives: when its operator is killed.
struct Life {
    name: String,
    at: (usize, Stop),
    /// Whether any part of it had that many requests.
    was_killed: bool,
}

impl Kills {
    fn start(&self) -> Process {
        Process::start(&self.story, &self.cluster, Disk::Shared, "stories::kills::operator")
    }

    /// Does `change`, kills the operator at its request, and lets the next one end what was begun.
    async fn kill(
        &self,
        process: Process,
        life: &mut Life,
        change: impl AsyncFnOnce(),
        done: impl AsyncFn() -> bool,
    ) -> Process {
        self.steps.stop_at(life.at.0, life.at.1);
        change().await;
        life.was_killed |= self.steps.stopped_or("the last request, or all is done", &done).await;
        drop(process);
        self.steps.go_on();
        let process = self.start();
        e2e::until("the next operator ends it", &done).await;
        process
    }

    /// Names of the objects that carry the label of a Kustomization.
    async fn labelled(&self, name: &str) -> Vec<String> {
        let label = format!("kustomize.toolkit.fluxcd.io/name={name}");
        let mut names = self.story.names("ConfigMap", &label).await;
        names.sort();
        names
    }

    async fn is_ready(&self, name: &str) -> bool {
        self.story.get("Kustomization", name).await.is_some_and(|k| is_ready(&k))
    }

    /// Created, changed and pruned, deleted: what is there is what the inventory names.
    async fn live(&self, process: Process, life: &mut Life) -> Process {
        let (story, name) = (&self.story, life.name.clone());
        let spec = json!({"path": "./a", "namePrefix": format!("{name}-"), "interval": "1h"});
        let create = async || story.apply(&story.kustomization(&name, spec)).await;
        let is_ready = async || self.is_ready(&name).await;
        let process = self.kill(process, life, create, is_ready).await;
        self.holds(&name, &["one", "two"]).await;

        let change = async || {
            story.patch("Kustomization", &name, json!({"spec": {"path": "./b"}})).await;
        };
        let process = self.kill(process, life, change, is_ready).await;
        self.holds(&name, &["three", "two"]).await;
        let two = story.get("ConfigMap", &format!("{name}-two")).await.unwrap();
        assert_eq!(two["data"]["key"], "v2");

        let delete = async || story.delete("Kustomization", &name).await;
        let is_gone = async || story.get("Kustomization", &name).await.is_none();
        let process = self.kill(process, life, delete, is_gone).await;
        assert_eq!(self.labelled(&name).await, Vec::<String>::new(), "orphans of {name}");
        process
    }

    async fn holds(&self, name: &str, maps: &[&str]) {
        let wanted: Vec<String> = maps.iter().map(|map| format!("{name}-{map}")).collect();
        assert_eq!(self.labelled(name).await, wanted, "{name}");
        let k = self.story.get("Kustomization", name).await.unwrap();
        let ns = &self.story.namespace;
        let ids: Vec<String> = wanted.iter().map(|map| format!("{ns}_{map}__ConfigMap")).collect();
        assert_eq!(inventory(&k), ids, "{name}");
    }
}

/// A source of two states: `a` holds `one` and `two`, `b` holds another `two` and `three`.
pub(crate) async fn two_states(story: &Story) {
    let map = |name: &str, value: &str| {
        let named = CONFIG_MAP.replace("name: cm", &format!("name: {name}"));
        named.replace("key: v1", &format!("key: {value}"))
    };
    let files = [
        ("a/1.yaml", map("one", "v1")),
        ("a/2.yaml", map("two", "v1")),
        ("b/2.yaml", map("two", "v2")),
        ("b/3.yaml", map("three", "v1")),
    ];
    story.push("latest", &files.each_ref().map(|(path, text)| (*path, text.as_str())));
    story.apply(&story.source(json!({}))).await;
    story.wait_ready("OCIRepository", "src").await;
}

/// Creating, changing, pruning and deleting survive a kill before and after each of their requests:
/// the next operator ends what was begun, and nothing is left that no inventory names (W1).
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_leaves_no_orphan() {
    let mut story = Story::begin("killed").await;
    two_states(&story).await;
    story.stop_operator().await;
    let steps = Steps::new(Counted::Kustomizations);
    let cluster = steps.cluster().await;
    let kills = Kills { story, steps, cluster };
    let mut process = kills.start();
    for stop in [Stop::Before, Stop::After] {
        let mut step = 0;
        loop {
            let name = format!("{stop:?}-{step}").to_lowercase();
            let mut life = Life { name, at: (step, stop), was_killed: false };
            process = kills.live(process, &mut life).await;
            if !life.was_killed {
                break;
            }
            step += 1;
        }
        // Finalizer, inventory, two tries, two applies, state: who counts nothing proves nothing.
        assert!((7..STEPS_MAX).contains(&step), "{step} steps");
    }
    drop(process);
}
