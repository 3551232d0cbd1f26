//! Pods of workloads whose health is awaited: read as the waiter, watched as the operator
//! (decisions.md, watches and causes).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut, stream};
use http::Method;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher as watch};
use manifest::{Object, ObjectId, Value};
use plan::health::pods::{self, causes};
use plan::health::{Health, Pods};

use crate::cluster::Cluster;
use crate::error::Refusal;
use crate::kube_cluster::{KubeCluster, escape, segment};
use crate::wait::{Awaited, CONCURRENCY, Timer};
use crate::watch::{Subscription, Watch, lock};

/// Pods of one workload that are looked at; the first ones stand for all.
const PODS_MAX: usize = 500;
/// Workloads whose causes are told; a message with more is not read to its end.
const TOLD_MAX: usize = 20;
/// How long causes are asked for: the message does not wait for them.
const TELL_TIMEOUT: Duration = Duration::from_secs(5);

/// The pods of a workload, in the order of the server.
pub(crate) async fn list(cluster: &KubeCluster, pods: &Pods) -> Result<Vec<Object>, Refusal> {
    let (namespace, selector) = (segment(&pods.namespace)?, escape(&pods.selector));
    let root = format!("/api/v1/namespaces/{namespace}/pods");
    let path = format!("{root}?labelSelector={selector}&limit={PODS_MAX}");
    let mut answer = cluster.send(Method::GET, &path, None).await?;
    let items = answer.as_map_mut().and_then(|list| list.get_mut("items"));
    let items = items.and_then(Value::as_list_mut).map(std::mem::take);
    let objects = items.unwrap_or_default().into_iter().filter_map(|mut item| {
        // A list says once what all of its items are.
        let map = item.as_map_mut()?;
        map.insert("apiVersion".into(), "v1".into());
        map.insert("kind".into(), "Pod".into());
        Object::new(item).ok()
    });
    Ok(objects.collect())
}

/// What keeps the objects that are in progress; nothing is told of what may not be read.
pub(crate) async fn tell<C: Cluster, T: Timer>(
    cluster: &C,
    awaited: &Awaited,
    objects: &[(ObjectId, Health)],
    timer: &T,
) -> BTreeMap<ObjectId, String> {
    let pending = objects.iter().filter(|(_, health)| *health == Health::InProgress);
    let pending = pending.filter(|(id, _)| pods::tell(id)).take(TOLD_MAX);
    let target = |id: &ObjectId| awaited.targets.iter().find(|target| target.id == *id);
    let asking = pending.filter_map(|(id, _)| target(id)).map(|target| async {
        let object = cluster.read(&target.id, &target.version).await.ok()??;
        let pods = match pods::of(&object).ok()? {
            Some(pods) => cluster.pods(&pods).await.ok()?,
            None => vec![object],
        };
        Some((target.id.clone(), causes(&pods))).filter(|(_, causes)| !causes.is_empty())
    });
    let asking: Vec<_> = asking.collect();
    let told = stream::iter(asking).buffer_unordered(CONCURRENCY).filter_map(std::future::ready);
    tokio::select! {
        told = told.collect() => told,
        () = timer.sleep(TELL_TIMEOUT) => BTreeMap::new(),
    }
}

impl Subscription {
    /// Wakes as if the workload had moved, whenever one of its pods has, from now on.
    pub(crate) fn follow_pods(&mut self, id: &ObjectId, pods: &Pods) {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Pod".into(),
            plural: "pods".into(),
        };
        let client = self.cluster.client().clone();
        let api = Api::namespaced_with(client, &pods.namespace, &resource);
        let watch = Arc::new(Watch::default());
        lock(&watch.inboxes).push((id.clone(), Arc::clone(&self.inbox)));
        self.watches.push(Arc::clone(&watch));
        self.tasks.spawn(run(api, watcher::Config::default().labels(&pods.selector), watch));
    }
}

async fn run(
    api: Api<PartialObjectMeta<DynamicObject>>,
    config: watcher::Config,
    target: Arc<Watch>,
) {
    let events = watch(api, config).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        target.heard(event.is_err());
        match event {
            Ok(Event::Init | Event::InitApply(_)) => {}
            // Whatever happened while nobody looked counts as one move.
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => target.wake(|_| true),
            Err(error) => {
                tracing::debug!(%error, "watch of pods failed, will be tried again");
                target.wake(|_| true);
            }
        }
    }
}
