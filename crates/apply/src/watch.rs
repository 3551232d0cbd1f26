//! Watches that wake whoever waits for an object.
//!
//! One metadata-only watch a kind, of the objects that carry our owner label, and one by name for
//! each foreign object that someone waits for. They run as the operator and only wake: what an
//! object says is read after the wake, with the waiter's identity (decisions.md, watches).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, pin_mut};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use manifest::{Gvk, ObjectId};
use plan::ownership::OWNER_NAME;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::kube_cluster::KubeCluster;

/// The shared watches of one cluster.
pub struct Watches {
    cluster: Arc<KubeCluster>,
    running: Mutex<Running>,
}

/// The watches by kind, and their tasks, which end with them.
#[derive(Default)]
struct Running {
    watches: HashMap<Scope, Arc<Watch>>,
    tasks: JoinSet<()>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    /// All objects of a kind that have an owner.
    Owned(Gvk),
    /// One object, whoever owns it.
    Named(Gvk, String, String),
}

#[derive(Default)]
struct Watch {
    inboxes: Mutex<Vec<(ObjectId, Arc<Inbox>)>>,
    broken: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    woken: Mutex<HashSet<ObjectId>>,
    notify: Notify,
}

impl Inbox {
    fn wake(&self, id: &ObjectId) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.notify.notify_one();
    }
}

/// What has moved since it was last asked, of the objects that were subscribed to.
pub struct Subscription {
    inbox: Arc<Inbox>,
    watches: Vec<Arc<Watch>>,
    /// Watches by name end with the one who asked for them.
    _tasks: JoinSet<()>,
}

impl Subscription {
    /// Waits until at least one object has moved, and says which.
    pub async fn woken(&self) -> HashSet<ObjectId> {
        loop {
            let woken = std::mem::take(
                &mut *self.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner),
            );
            if !woken.is_empty() {
                return woken;
            }
            self.inbox.notify.notified().await;
        }
    }

    /// Whether some watch is not allowed or keeps failing, so that the objects have to be polled.
    pub fn must_poll(&self) -> bool {
        self.watches.iter().any(|watch| watch.broken.load(Ordering::Relaxed))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for watch in &self.watches {
            let mut inboxes = watch.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
            inboxes.retain(|(_, inbox)| !Arc::ptr_eq(inbox, &self.inbox));
        }
    }
}

impl Watches {
    /// Watches of a cluster, as whoever it is opened for.
    pub fn new(cluster: Arc<KubeCluster>) -> Self {
        Self { cluster, running: Mutex::default() }
    }

    /// Wakes the caller when one of these objects moves. `owned` says whether they carry our label.
    ///
    /// A kind that does not exist is not watched; its objects are polled.
    pub async fn subscribe(&self, targets: &[(ObjectId, String, Ownership)]) -> Subscription {
        let inbox = Arc::new(Inbox::default());
        let mut watches: Vec<Arc<Watch>> = Vec::new();
        let mut tasks = JoinSet::new();
        for (id, version, ownership) in targets {
            let gvk =
                Gvk { group: id.group.clone(), version: version.clone(), kind: id.kind.clone() };
            let watch = match self.cluster.resource(&gvk).await {
                Ok(resource) => {
                    let resource = ApiResource {
                        group: gvk.group.clone(),
                        version: gvk.version.clone(),
                        api_version: gvk.api_version(),
                        kind: gvk.kind.clone(),
                        plural: resource.plural,
                    };
                    let scope = match ownership {
                        Ownership::Ours => Scope::Owned(gvk),
                        Ownership::Foreign => {
                            Scope::Named(gvk, id.namespace.clone(), id.name.clone())
                        }
                    };
                    self.watch(scope, &resource, &mut tasks)
                }
                Err(_) => Arc::new(Watch { broken: AtomicBool::new(true), ..Watch::default() }),
            };
            let subscriber = (id.clone(), Arc::clone(&inbox));
            watch.inboxes.lock().unwrap_or_else(PoisonError::into_inner).push(subscriber);
            if !watches.iter().any(|known| Arc::ptr_eq(known, &watch)) {
                watches.push(watch);
            }
        }
        Subscription { inbox, watches, _tasks: tasks }
    }

    /// The running watch of a scope. Those by kind are few and stay; those by name belong to
    /// `tasks`.
    fn watch(&self, scope: Scope, resource: &ApiResource, tasks: &mut JoinSet<()>) -> Arc<Watch> {
        let client = self.cluster.client().clone();
        let all = |namespace: &str| -> Api<PartialObjectMeta<DynamicObject>> {
            if namespace.is_empty() {
                Api::all_with(client.clone(), resource)
            } else {
                Api::namespaced_with(client.clone(), namespace, resource)
            }
        };
        if let Scope::Named(_, namespace, name) = &scope {
            let watch = Arc::new(Watch::default());
            let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
            tasks.spawn(run(all(namespace), config, Arc::clone(&watch)));
            return watch;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = running.watches.get(&scope) {
            return Arc::clone(watch);
        }
        let watch = Arc::new(Watch::default());
        let config = watcher::Config::default().labels(OWNER_NAME);
        running.tasks.spawn(run(all(""), config, Arc::clone(&watch)));
        running.watches.insert(scope, Arc::clone(&watch));
        watch
    }
}

/// Whether an object carries our owner label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It does: the watch of its kind sees it.
    Ours,
    /// It may not: it is watched by name.
    Foreign,
}

async fn run(
    api: Api<PartialObjectMeta<DynamicObject>>,
    config: watcher::Config,
    target: Arc<Watch>,
) {
    let events = watch(api, config).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        target.broken.store(event.is_err(), Ordering::Relaxed);
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                let namespace = object.metadata.namespace.unwrap_or_default();
                let name = object.metadata.name.unwrap_or_default();
                target.wake(|id| id.namespace == namespace && id.name == name);
            }
            // Whatever happened while nobody looked.
            Ok(Event::InitDone) => target.wake(|_| true),
            Ok(Event::Init) => {}
            Err(error) => {
                tracing::debug!(%error, "watch failed, will be tried again");
                target.wake(|_| true);
            }
        }
    }
}

impl Watch {
    fn wake(&self, concerns: impl Fn(&ObjectId) -> bool) {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, inbox) in inboxes.iter().filter(|(id, _)| concerns(id)) {
            inbox.wake(id);
        }
    }
}
