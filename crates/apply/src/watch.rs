//! Watches that wake whoever waits for an object, and tell what has moved.
//!
//! One metadata-only watch a kind, of the objects that carry our owner label, and one by name for
//! each foreign object that someone waits for. They run as the operator and only wake: what an
//! object says is read after the wake, with the waiter's identity (decisions.md, watches).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use manifest::{Gvk, Object, ObjectId};
use plan::ownership::OWNER_NAME;
use plan::prune::Owner;
use plan::{Mark, Sighting};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::kube_cluster::KubeCluster;
use crate::wait::Target;

/// An object that carries our label has moved.
#[derive(Clone, Debug)]
pub struct News {
    /// Whom its labels name as its owner.
    pub owner: Owner,
    /// Which object.
    pub id: ObjectId,
    /// How it is; none if it is gone.
    pub mark: Option<Mark>,
}

/// The shared watches of one cluster.
pub struct Watches {
    cluster: Arc<KubeCluster>,
    news: mpsc::Sender<News>,
    running: Mutex<Running>,
}

/// The watches by kind, and their tasks, which end with them.
#[derive(Default)]
struct Running {
    watches: HashMap<ApiResource, Arc<Watch>>,
    tasks: JoinSet<()>,
}

/// How long a watch counts as broken after its last failure. A watch that resumes says nothing until
/// something moves, but one that does not fails again: its pauses are at most half as long.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long a first list of a kind is awaited by those who look for its objects: it costs less than
/// to read them one by one.
const LISTING: Duration = Duration::from_secs(5);

/// One watch, and whom it wakes.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) inboxes: Mutex<Vec<(ObjectId, Arc<Inbox>)>>,
    failed: Mutex<Option<Instant>>,
    seen: Mutex<Seen>,
    /// Moves when something is listed, or fails.
    listed: Notify,
}

/// Namespace and name.
type Name = (String, String);

/// What a watch has told of its objects.
#[derive(Default)]
struct Seen {
    objects: HashMap<Name, Sighting>,
    /// What has been listed so far, while everything is listed anew.
    listing: HashMap<Name, Sighting>,
    /// Whether everything has been listed, and followed since.
    is_complete: bool,
}

/// What the watches say of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// No watch tells.
    Blind,
    /// There is none that carries our label.
    Nothing,
    /// Its metadata.
    Object(Sighting),
}

#[derive(Default)]
pub(crate) struct Inbox {
    woken: Mutex<HashSet<ObjectId>>,
    notify: Notify,
}

impl Inbox {
    fn wake(&self, id: &ObjectId) {
        lock(&self.woken).insert(id.clone());
        self.notify.notify_one();
    }
}

/// What has moved since it was last asked, of the objects that were subscribed to.
pub struct Subscription {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) watches: Vec<Arc<Watch>>,
    /// Who watches.
    pub(crate) cluster: Arc<KubeCluster>,
    /// Watches by name and of pods end with the one who asked for them.
    pub(crate) tasks: JoinSet<()>,
}

impl Subscription {
    /// Waits until at least one object has moved, and says which.
    pub async fn woken(&self) -> HashSet<ObjectId> {
        loop {
            let woken = std::mem::take(&mut *lock(&self.inbox.woken));
            if !woken.is_empty() {
                return woken;
            }
            self.inbox.notify.notified().await;
        }
    }

    /// Whether some watch is not allowed or keeps failing, so that the objects have to be polled.
    pub fn must_poll(&self) -> bool {
        self.watches.iter().any(|watch| watch.is_broken())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for watch in &self.watches {
            lock(&watch.inboxes).retain(|(_, inbox)| !Arc::ptr_eq(inbox, &self.inbox));
        }
    }
}

impl Watches {
    /// Watches of a cluster, as whoever it is opened for.
    /// What has moved is told to `news`, if there is room.
    pub fn new(cluster: Arc<KubeCluster>, news: mpsc::Sender<News>) -> Self {
        Self { cluster, news, running: Mutex::default() }
    }

    /// Wakes the caller when one of these objects moves.
    ///
    /// A kind that does not exist is not watched; its objects are polled.
    pub async fn subscribe(&self, targets: &[Target]) -> Subscription {
        let inbox = Arc::new(Inbox::default());
        let mut watches: Vec<Arc<Watch>> = Vec::new();
        let mut tasks = JoinSet::new();
        for Target { id, version, ownership, .. } in targets {
            let watch = match self.resource(id, version).await {
                Some(resource) => match ownership {
                    Ownership::Ours => self.owned(&resource),
                    Ownership::Foreign => self.named(&resource, id, &mut tasks),
                },
                None => Arc::new(Watch::broken()),
            };
            let subscriber = (id.clone(), Arc::clone(&inbox));
            lock(&watch.inboxes).push(subscriber);
            if !watches.iter().any(|known| Arc::ptr_eq(known, &watch)) {
                watches.push(watch);
            }
        }
        Subscription { inbox, watches, cluster: Arc::clone(&self.cluster), tasks }
    }

    /// Begins to watch the objects of a kind that carry our label.
    pub(crate) async fn follow(&self, id: &ObjectId, version: &str) {
        if let Some(resource) = self.resource(id, version).await {
            self.owned(&resource);
        }
    }

    /// What is seen of an object that carries our label. Who looks for the first of a kind begins to
    /// watch it.
    pub async fn look(&self, id: &ObjectId, version: &str) -> Sight {
        match self.resource(id, version).await {
            Some(resource) => self.owned(&resource).look(id).await,
            None => Sight::Blind,
        }
    }

    /// Whether an object has not moved since it was in the state of `mark`, as far as its watch tells.
    pub(crate) async fn is_still(&self, target: &Target, mark: &Mark) -> bool {
        if target.ownership == Ownership::Foreign {
            return false;
        }
        match self.look(&target.id, &target.version).await {
            Sight::Object(seen) => seen.mark == *mark || seen.mark.is_older(mark),
            Sight::Nothing | Sight::Blind => false,
        }
    }

    async fn resource(&self, id: &ObjectId, version: &str) -> Option<ApiResource> {
        let gvk =
            Gvk { group: id.group.clone(), version: version.to_owned(), kind: id.kind.clone() };
        let resource = self.cluster.resource(&gvk).await.ok()?;
        Some(ApiResource {
            api_version: gvk.api_version(),
            group: gvk.group,
            version: gvk.version,
            kind: gvk.kind,
            plural: resource.plural,
        })
    }

    fn api(
        &self,
        namespace: &str,
        resource: &ApiResource,
    ) -> Api<PartialObjectMeta<DynamicObject>> {
        let client = self.cluster.client().clone();
        if namespace.is_empty() {
            Api::all_with(client, resource)
        } else {
            Api::namespaced_with(client, namespace, resource)
        }
    }

    /// The watch of one object, which belongs to `tasks`.
    fn named(&self, resource: &ApiResource, id: &ObjectId, tasks: &mut JoinSet<()>) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        let config = watcher::Config::default().fields(&format!("metadata.name={}", id.name));
        let api = self.api(&id.namespace, resource);
        tasks.spawn(run(api, resource.clone(), config, Arc::clone(&watch), None));
        watch
    }

    /// The watch of a kind. They are few, and stay.
    fn owned(&self, resource: &ApiResource) -> Arc<Watch> {
        let mut running = lock(&self.running);
        if let Some(watch) = running.watches.get(resource) {
            return Arc::clone(watch);
        }
        let watch = Arc::new(Watch::default());
        let config = watcher::Config::default().labels(OWNER_NAME);
        let api = self.api("", resource);
        let news = Some(self.news.clone());
        running.tasks.spawn(run(api, resource.clone(), config, Arc::clone(&watch), news));
        running.watches.insert(resource.clone(), Arc::clone(&watch));
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
    resource: ApiResource,
    config: watcher::Config,
    target: Arc<Watch>,
    news: Option<mpsc::Sender<News>>,
) {
    let events = watch(api, config).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        target.heard(event.is_err());
        let is_news = matches!(event, Err(_) | Ok(Event::InitDone));
        match event {
            Ok(event) => {
                let moved = target.take(event, &resource);
                if let (Some(news), Some(moved)) = (&news, moved) {
                    // Without room, the next run finds out.
                    let _ = news.try_send(moved);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "watch failed, will be tried again");
                target.wake(|_| true);
            }
        }
        if is_news {
            target.listed.notify_waiters();
        }
    }
}

impl Watch {
    /// One of a kind that cannot be watched.
    fn broken() -> Self {
        Self { failed: Mutex::new(Some(Instant::now())), ..Self::default() }
    }

    /// Notes whether what was heard last is a failure.
    pub(crate) fn heard(&self, failure: bool) {
        *lock(&self.failed) = failure.then(Instant::now);
    }

    fn is_broken(&self) -> bool {
        lock(&self.failed).is_some_and(|at| at.elapsed() < RECOVERY)
    }

    async fn look(&self, id: &ObjectId) -> Sight {
        let listed = self.listed.notified();
        let is_listing = !lock(&self.seen).is_complete && !self.is_broken();
        if is_listing {
            // Who is late is not seen.
            let _ = tokio::time::timeout(LISTING, listed).await;
        }
        let seen = lock(&self.seen);
        if !seen.is_complete || self.is_broken() {
            return Sight::Blind;
        }
        seen.objects.get(&name(id)).cloned().map_or(Sight::Nothing, Sight::Object)
    }

    /// Takes in an event; gives what has moved.
    fn take(
        &self,
        event: Event<PartialObjectMeta<DynamicObject>>,
        resource: &ApiResource,
    ) -> Option<News> {
        match event {
            Event::Init => {
                let mut seen = lock(&self.seen);
                seen.is_complete = false;
                seen.listing.clear();
                None
            }
            Event::InitApply(object) => {
                let (id, sighting) = sighting(&object, resource)?;
                lock(&self.seen).listing.insert(name(&id), sighting);
                self.wake_one(&id);
                None
            }
            // Whatever happened while nobody looked.
            Event::InitDone => {
                let mut seen = lock(&self.seen);
                seen.objects = std::mem::take(&mut seen.listing);
                seen.is_complete = true;
                drop(seen);
                self.wake(|_| true);
                None
            }
            Event::Apply(object) => {
                let (id, sighting) = sighting(&object, resource)?;
                let (owner, mark) = (sighting.owner.clone(), Some(sighting.mark.clone()));
                lock(&self.seen).objects.insert(name(&id), sighting);
                self.wake_one(&id);
                Some(News { owner, id, mark })
            }
            Event::Delete(object) => {
                let (id, sighting) = sighting(&object, resource)?;
                lock(&self.seen).objects.remove(&name(&id));
                self.wake_one(&id);
                Some(News { owner: sighting.owner, id, mark: None })
            }
        }
    }

    /// Wakes whoever waits for an object, in whichever version.
    fn wake_one(&self, id: &ObjectId) {
        self.wake(|other| other.namespace == id.namespace && other.name == id.name);
    }

    /// Wakes whoever waits for an object that this concerns.
    pub(crate) fn wake(&self, concerns: impl Fn(&ObjectId) -> bool) {
        let inboxes = lock(&self.inboxes);
        for (id, inbox) in inboxes.iter().filter(|(id, _)| concerns(id)) {
            inbox.wake(id);
        }
    }
}

fn name(id: &ObjectId) -> Name {
    (id.namespace.clone(), id.name.clone())
}

/// Which object it is, and what its metadata say; nothing if they cannot be read as an object's.
fn sighting(
    object: &PartialObjectMeta<DynamicObject>,
    resource: &ApiResource,
) -> Option<(ObjectId, Sighting)> {
    let value = serde_json::json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": object.metadata,
    });
    let object = Object::try_from(value).ok()?;
    Some((object.id(), Sighting::of(&object)))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
