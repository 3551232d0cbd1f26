//! OCIRepository: the operator is killed between any two steps of a run, and what it writes to is
//! full. A process of its own: nothing of it ends what it has begun.

use std::path::Path;

use e2e::gate::Gate;
use e2e::steps::{self, Counted, Disk, Process, Steps, Stop};
use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

/// No run has as many steps.
const STEPS_MAX: usize = 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is the operator of the other stories here, in a process of its own"]
async fn operator() {
    steps::run().await;
}

struct Kills {
    story: Story,
    steps: Steps,
    cluster: Gate,
    registry: Gate,
}

impl Kills {
    async fn begin(name: &str) -> Self {
        let mut story = Story::begin(name).await;
        story.stop_operator().await;
        let steps = Steps::new(Counted::Sources);
        let (cluster, registry) = (steps.cluster().await, steps.registry(&story).await);
        Self { story, steps, cluster, registry }
    }

    fn start(&self, disk: Disk) -> Process {
        Process::start(&self.story, &self.cluster, disk, "stories::source_kills::operator")
    }

    async fn follow(&self, name: &str) {
        let url = format!("oci://{}/{name}", self.registry.host);
        self.story.follow(name, json!({"url": url})).await;
    }

    fn push(&self, name: &str, text: &str) -> String {
        self.story.registry.push_files(name, "latest", &[("cm.yaml", text.as_bytes())])
    }

    /// Waits until an object is Ready with what was pushed last.
    async fn arrived(&self, name: &str, digest: &str) -> Value {
        let revision = format!("latest@{digest}");
        let there = |source: &Value| {
            condition(source, "Ready")["status"] == "True"
                && source["status"]["artifact"]["revision"] == revision
        };
        self.story.wait("OCIRepository", name, "there", there).await
    }

    /// Does `change` and kills the operator at the step of that number; gives the next operator, and
    /// whether there was such a step.
    async fn kill_at(
        &self,
        process: Process,
        (step, stop): (usize, Stop),
        change: impl AsyncFnOnce(),
        done: impl AsyncFn() -> bool,
    ) -> (Process, bool) {
        self.steps.stop_at(step, stop);
        change().await;
        let killed = self.steps.stopped_or("a step is the last, or all is done", done).await;
        drop(process);
        self.steps.go_on();
        (self.start(Disk::Shared), killed)
    }

    /// Every archive that is stored of an object is whole, and is what `texts` were pushed as.
    fn whole(&self, name: &str, texts: &[&str]) -> usize {
        let folder = self.story.storage().join("ocirepository").join(&self.story.namespace);
        let Ok(files) = std::fs::read_dir(folder.join(name)) else { return 0 };
        let contents: Vec<_> = files.map(|file| content(&file.unwrap().path())).collect();
        for content in &contents {
            assert!(texts.contains(&content.as_str()), "{name}: {content}");
        }
        contents.len()
    }
}

/// The one file of a stored archive.
fn content(archive: &Path) -> String {
    let (file, limits) = (std::fs::File::open(archive).unwrap(), artifact::Limits::default());
    let tree = artifact::Tree::unpack(file, &limits, &std::env::temp_dir()).unwrap();
    String::from_utf8(tree.entries().unwrap().remove("cm.yaml").unwrap()).unwrap()
}

fn is_ready_with(source: &Value, digest: &str) -> bool {
    condition(source, "Ready")["status"] == "True"
        && source["status"]["artifact"]["revision"] == format!("latest@{digest}")
}

/// A first fetch, an update and a deletion survive a kill before and after each of their steps: what is
/// stored is whole at any moment, and the next operator ends what was begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_steps_loses_nothing() {
    let kills = Kills::begin("steps").await;
    let mut process = kills.start(Disk::Shared);
    for stop in [Stop::Before, Stop::After] {
        let mut step = 0;
        loop {
            let name = format!("{stop:?}-{step}").to_lowercase();
            let (next, killed) = kills.life(process, &name, (step, stop)).await;
            process = next;
            if !killed {
                break;
            }
            step += 1;
        }
        // Finalizer, HEAD, manifest, layer, state: who counts nothing proves nothing.
        assert!((5..STEPS_MAX).contains(&step), "{step} steps");
    }
    let folder = kills.story.storage().join(".unfinished");
    let is_clean = async || std::fs::read_dir(&folder).is_ok_and(|left| left.count() == 0);
    e2e::until("the last start has cleaned up", is_clean).await;
    drop(process);
}

impl Kills {
    /// The life of one object, with a kill at a step of each part of it; says whether any part had
    /// that many steps.
    async fn life(&self, process: Process, name: &str, at: (usize, Stop)) -> (Process, bool) {
        let (story, new_text) = (&self.story, CONFIG_MAP.replace("v1}", "v2}"));
        let get = async || story.get("OCIRepository", name).await.unwrap_or_default();
        let old = self.push(name, CONFIG_MAP);
        let done = async || is_ready_with(&get().await, &old);
        let (process, first) =
            self.kill_at(process, at, async || self.follow(name).await, done).await;
        self.whole(name, &[CONFIG_MAP]);
        self.arrived(name, &old).await;
        assert_eq!(self.whole(name, &[CONFIG_MAP]), 2, "the artifact and the link to it");

        let new = self.push(name, &new_text);
        let request = async || story.request("OCIRepository", name, "new").await;
        let done = async || is_ready_with(&get().await, &new);
        let (process, update) = self.kill_at(process, at, request, done).await;
        assert!(self.whole(name, &[CONFIG_MAP, &new_text]) >= 2, "the old one stays");
        let source = self.arrived(name, &new).await;
        assert_eq!(source["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
        let path = source["status"]["artifact"]["path"].as_str().unwrap();
        assert_eq!(content(&story.storage().join(path)), new_text);

        let delete = async || story.delete("OCIRepository", name).await;
        let done = async || get().await.is_null();
        let (process, deletion) = self.kill_at(process, at, delete, done).await;
        story.wait_gone("OCIRepository", name).await;
        assert_eq!(self.whole(name, &[]), 0, "nothing stays of what is deleted");
        (process, first || update || deletion)
    }
}

/// What is written has no room: the object says so, what is stored stays, and who needs less room is
/// served meanwhile; with room it goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_who_needs_more_of_it() {
    let kills = Kills::begin("full").await;
    let story = &kills.story;
    let process = kills.start(Disk::Limited(64));
    let old = kills.push("large", CONFIG_MAP);
    kills.follow("large").await;
    kills.arrived("large", &old).await;
    let mut noise = Vec::new();
    for at in 0..4096_u32 {
        noise.extend(
            artifact::Digest::of(artifact::digest::Algorithm::Sha256, &at.to_be_bytes())
                .hex()
                .bytes(),
        );
    }
    let files = [("cm.yaml", CONFIG_MAP.as_bytes()), ("noise", noise.as_slice())];
    let new = story.registry.push_files("large", "latest", &files);
    story.request("OCIRepository", "large", "new").await;
    let source = story.wait_failed("OCIRepository", "large", "ArchiveOperationFailed").await;
    let text = condition(&source, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("unable to archive artifact to storage: "), "{text}");
    assert!(text.contains("File too large"), "{text}");
    assert_eq!(source["status"]["artifact"]["revision"], format!("latest@{old}"));
    assert_eq!(kills.whole("large", &[CONFIG_MAP]), 2);
    let unfinished = std::fs::read_dir(story.storage().join(".unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0, "what could not be written is taken away");
    let small = kills.push("small", CONFIG_MAP);
    kills.follow("small").await;
    kills.arrived("small", &small).await;
    drop(process);
    let _process = kills.start(Disk::Shared);
    kills.arrived("large", &new).await;
}

/// A file system that is read-only from one moment to the next: what is stored is served, what is new is
/// named as not stored, and all is well once it can be written again.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_becomes_read_only_keeps_what_it_holds() {
    if !Disk::Own.is_given() {
        e2e::say("skipped: this machine gives no mount of its own to a process (user namespaces)");
        return;
    }
    let kills = Kills::begin("frozen").await;
    let (story, process) = (&kills.story, kills.start(Disk::Own));
    let old = kills.push("one", CONFIG_MAP);
    kills.follow("one").await;
    let source = kills.arrived("one", &old).await;
    process.remount(story, "ro");
    let new = kills.push("one", &CONFIG_MAP.replace("v1}", "v2}"));
    story.request("OCIRepository", "one", "new").await;
    let failed = story.wait_failed("OCIRepository", "one", "ArchiveOperationFailed").await;
    let text = condition(&failed, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("unable to archive artifact to storage: "), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert_eq!(failed["status"]["artifact"], source["status"]["artifact"]);
    let url = source["status"]["artifact"]["url"].as_str().unwrap();
    assert_eq!(story.http("GET", url).await.0, 200);
    process.remount(story, "rw");
    story.request("OCIRepository", "one", "again").await;
    kills.arrived("one", &new).await;
    drop(process);
}
