//! An operator in a process of its own, whose every step can be its last.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::response::Response;
use clap::Parser as _;
use serde_json::json;
use tokio::sync::watch;

use crate::gate::{Door, Gate, Target};
use crate::recorder::Asked;
use crate::{Story, until};

/// Where the flags of the operator stand for its process, one a line.
const FLAGS: &str = "E2E_OPERATOR_FLAGS";

/// When nothing gets through any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Before a step is done.
    Before,
    /// After it is done, and before the operator hears of it.
    After,
}

/// What counts as a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Writes to OCIRepositories, and requests to a registry.
    Sources,
    /// Every request about a Kustomization or a ConfigMap, but for lists and watches.
    Kustomizations,
}

/// Counts the steps of an operator.
#[derive(Clone)]
pub struct Steps {
    counted: Counted,
    left: Arc<Mutex<Option<(usize, Stop)>>>,
    stopped: watch::Sender<bool>,
}

impl Steps {
    /// Counts these.
    pub fn new(counted: Counted) -> Self {
        Self { counted, left: Arc::default(), stopped: watch::Sender::new(false) }
    }

    fn is_step(&self, request: &Request, target: &Target) -> bool {
        let Asked { verb, path, .. } = Asked::new(request);
        match (self.counted, target) {
            (Counted::Sources, Target::Cluster(_)) => {
                request.method() != "GET" && path.contains("/ocirepositories/")
            }
            (Counted::Sources, Target::Registry(..)) => true,
            (Counted::Kustomizations, Target::Cluster(_)) => {
                !["LIST", "WATCH"].contains(&verb)
                    && (path.contains("/kustomizations/") || path.contains("/configmaps/"))
            }
            (Counted::Kustomizations, Target::Registry(..)) => false,
        }
    }

    /// From now on, so many steps get through.
    pub fn stop_at(&self, count: usize, stop: Stop) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some((count, stop));
        self.stopped.send_replace(false);
    }

    /// From now on, everything gets through.
    pub fn go_on(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.stopped.send_replace(false);
    }

    /// Whether a step was the last.
    pub fn have_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// What becomes of the next step.
    fn next(&self) -> Option<Stop> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            None => None,
            Some((0, stop)) => Some(*stop),
            Some((count, _)) => {
                *count -= 1;
                None
            }
        }
    }

    /// Opens the way to the API server, with the operator's rights.
    pub async fn cluster(&self) -> Gate {
        Gate::to_cluster(self.clone()).await
    }

    /// Opens the way to the registry of a story.
    pub async fn registry(&self, story: &Story) -> Gate {
        Gate::to_registry(self.clone(), story.registry.host()).await
    }
}

impl Door for Steps {
    async fn pass(self, request: Request, target: Target) -> Response {
        let stop = if self.is_step(&request, &target) { self.next() } else { None };
        if stop == Some(Stop::Before) {
            self.stopped.send_replace(true);
            return std::future::pending().await;
        }
        let answer = target.forward(request).await;
        if stop == Some(Stop::After) {
            self.stopped.send_replace(true);
            return std::future::pending().await;
        }
        answer
    }
}

/// What an operator's storage lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// What the story's lies on.
    Shared,
    /// The same, with files of at most so many blocks of 512 bytes.
    Limited(u32),
    /// A mount of its own, see [`Process::remount`].
    Own,
}

impl Disk {
    /// A program that runs its arguments with such a disk in `storage`.
    fn shell(self, storage: &Path) -> Command {
        let (mut command, set_up) = match self {
            Self::Shared => (Command::new("sh"), String::new()),
            Self::Limited(blocks) => (Command::new("sh"), format!("ulimit -f {blocks}; ")),
            Self::Own => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "--mount", "sh"]);
                let storage = storage.display();
                (command, format!("mount --bind '{storage}' '{storage}' && "))
            }
        };
        command.args(["-c", &format!("trap '' XFSZ; {set_up}exec \"$0\" \"$@\"")]);
        command
    }

    /// Whether this machine gives a process such a disk: mounts need a user namespace.
    pub fn is_given(self) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let status = self.shell(folder.path()).arg("true").stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

/// An operator in a process of its own, on a story's storage. It is killed when dropped.
pub struct Process {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: nothing of it can end what it has begun.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts one that reaches the API server through a gate, on a disk. `main` names the test that
    /// calls [`run`].
    pub fn start(story: &Story, cluster: &Gate, disk: Disk, main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("config");
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "clusters": [{"name": "e2e", "cluster": {"server": format!("http://{}", cluster.host)}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            "users": [{"name": "e2e", "user": {}}]});
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let mut command = disk.shell(story.storage());
        command
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", main])
            .env("KUBECONFIG", kubeconfig)
            .env(FLAGS, story.operator_flags().join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        Self { child: command.spawn().unwrap(), _folder: folder }
    }
}

impl Process {
    /// Makes its storage read-only (`ro`) or writable again (`rw`); it has a disk of its own.
    pub fn remount(&self, story: &Story, mode: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(self.child.id().to_string());
        command.args(["mount", "-o", &format!("remount,bind,{mode}")]).arg(story.storage());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Is an operator, for as long as whoever started it is there; nothing where nobody did.
pub async fn run() {
    let Ok(flags) = std::env::var(FLAGS) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = controller::Args::try_parse_from(flags.lines()).unwrap();
    let config = kube::Config::infer().await.unwrap();
    let (clock, around) = (controller::Clock::default(), controller::Surroundings::default());
    let operator = controller::start(args, config, clock, around).await.unwrap();
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Nothing ever comes but the end.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = end.send(());
    });
    tokio::select! {
        () = operator.ended() => {}
        _ = ended => {}
    }
}

impl Steps {
    /// Waits until a step was the last, or `done` holds; says whether one was.
    pub async fn stopped_or(&self, what: &str, done: impl AsyncFn() -> bool) -> bool {
        until(what, async || self.have_stopped() || done().await).await;
        self.have_stopped()
    }
}
