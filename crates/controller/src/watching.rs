//! Keeping the caches current, and telling what has been seen.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use api::kustomization::SourceKind;
use futures::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::DynamicResourceScope;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher as watch};
use tokio::sync::watch as signal;

use crate::args::Half;
use crate::context::Context;
use crate::foreign::Kind;
use crate::runtime::cache::{Cache, Key};
use crate::{kustomization, oci_repository};

/// A kind that is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    /// One of the two that we reconcile.
    Ours(Half),
    /// A kind of source that another controller serves.
    Foreign(SourceKind),
}

/// Keeps the cache of one kind current and tells what has been seen. `synced` counts the kinds of
/// which everything has been seen once, or which cannot be seen.
pub(crate) async fn follow(
    context: Arc<Context>,
    watched: Watched,
    namespace: Option<String>,
    synced: signal::Sender<usize>,
) {
    let resource = watched.resource(&context);
    let api: Api<DynamicObject> = within(&context, namespace.as_deref(), &resource);
    let mut events = pin!(watch(api, watcher::Config::default()).default_backoff());
    let mut listed: HashSet<Key> = HashSet::new();
    // What has been told, event by event. The cache is no measure: our own writes are in it before
    // the watch tells of them.
    let mut told: HashMap<Key, Arc<DynamicObject>> = HashMap::new();
    let mut is_first = true;
    let once = |is_first: &mut bool| {
        if std::mem::take(is_first) {
            synced.send_modify(|count| *count += 1);
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(Key::of(&object));
                watched.seen(&context, object, &mut told, is_first);
            }
            Ok(Event::Apply(object)) => watched.seen(&context, object, &mut told, is_first),
            Ok(Event::InitDone) => {
                watched.visible(&context);
                for gone in watched.cache(&context).retain(&listed) {
                    told.remove(&Key::of(&gone));
                    watched.gone(&context, &gone);
                }
                once(&mut is_first);
            }
            Ok(Event::Delete(object)) => {
                watched.cache(&context).remove(&object);
                told.remove(&Key::of(&object));
                watched.gone(&context, &object);
            }
            Err(error) => {
                if watched.invisible(&context, &error) {
                    once(&mut is_first);
                }
            }
        }
    }
}

/// The objects of a kind in one namespace, or in all.
pub(crate) fn within<K>(
    context: &Context,
    namespace: Option<&str>,
    resource: &K::DynamicType,
) -> Api<K>
where
    K: kube::Resource<Scope = DynamicResourceScope>,
{
    let client = context.client.clone();
    match namespace {
        None => Api::all_with(client, resource),
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
    }
}

impl Watched {
    fn kind(self) -> &'static str {
        match self {
            Self::Ours(half) => half.kind(),
            Self::Foreign(kind) => kind.name(),
        }
    }

    fn foreign(self, context: &Context) -> Option<&Kind> {
        if let Self::Foreign(kind) = self { context.foreign.kind(kind) } else { None }
    }

    fn resource(self, context: &Context) -> ApiResource {
        match (self, self.foreign(context)) {
            (_, Some(kind)) => kind.resource(),
            (Self::Ours(half), _) => half.objects(context).resource().clone(),
            (Self::Foreign(_), None) => context.sources.resource().clone(),
        }
    }

    fn cache(self, context: &Context) -> &Cache {
        match (self, self.foreign(context)) {
            (_, Some(kind)) => &kind.cache,
            (Self::Ours(half), _) => &half.objects(context).cache,
            (Self::Foreign(_), None) => &context.sources.cache,
        }
    }

    /// Takes in an object. Kustomizations that are there at the start are begun all together, when
    /// their sources are known.
    fn seen(
        self,
        context: &Context,
        object: DynamicObject,
        told: &mut HashMap<Key, Arc<DynamicObject>>,
        is_start: bool,
    ) {
        let after = self.cache(context).put(object);
        let before = told.insert(Key::of(&after), Arc::clone(&after));
        let before = before.as_deref();
        match self {
            Self::Ours(Half::Source) => {
                oci_repository::triggers::seen(context, before, &after);
                let kind = SourceKind::OCIRepository;
                kustomization::triggers::source_seen(context, kind, before, &after);
            }
            Self::Ours(Half::Kustomization) if is_start => {}
            Self::Ours(Half::Kustomization) => {
                kustomization::triggers::seen(context, before, &after);
            }
            Self::Foreign(kind) => {
                kustomization::triggers::source_seen(context, kind, before, &after);
            }
        }
    }

    fn gone(self, context: &Context, object: &DynamicObject) {
        match self {
            Self::Ours(Half::Source) => oci_repository::triggers::gone(context, object),
            Self::Ours(Half::Kustomization) => kustomization::triggers::gone(context, object),
            // Its users find out at their interval, as the reference's do.
            Self::Foreign(_) => {}
        }
    }

    fn visible(self, context: &Context) {
        if self.foreign(context).is_some_and(|kind| kind.note(None)) {
            tracing::info!(kind = self.kind(), "sources of this kind can be used now");
        }
    }

    /// Tells of a watch that fails; says whether one must do without it. A kind whose definition is
    /// absent is nothing to complain of again and again.
    fn invisible(self, context: &Context, error: &watcher::Error) -> bool {
        let kind = self.kind();
        let refused = match error {
            watcher::Error::InitialListFailed(error) => Some(error),
            _ => None,
        };
        let (Some(foreign), Some(refused)) = (self.foreign(context), refused) else {
            tracing::warn!(%error, kind, "watch failed, will be tried again");
            return false;
        };
        if foreign.note(Some(refused)) {
            tracing::info!(%error, kind, "sources of this kind cannot be used");
        }
        true
    }
}
