//! What makes a Kustomization run (kustomization.md, 2; decisions.md, B07, W4, W11).

use std::sync::Arc;

use api::kustomization::SourceKind;
use apply::watch::News;
use kube::api::DynamicObject;
use serde_json::Value;
use tokio::sync::mpsc;

use super::source::Source;
use crate::context::Context;
use crate::objects::{asks, is_true};
use crate::runtime::cache::Key;

/// A Kustomization has been seen, `before` as it was known until then.
pub(crate) fn seen(context: &Context, before: Option<&DynamicObject>, after: &DynamicObject) {
    let key = Key::of(after);
    let cause = format!("Kustomization/{key}");
    if asks(before, after) {
        context.kustomizations.queue.add(key.clone(), &cause);
    }
    if before.is_some_and(|before| relabelled(before, after))
        && has_expression(after)
        && context.waiting.waits(&key)
    {
        context.kustomizations.queue.add(key.clone(), &cause);
    }
    let news = before.is_none_or(|before| outcome(before) != outcome(after));
    wake_dependents(context, &key, news);
}

/// A Kustomization is gone.
pub(crate) fn gone(context: &Context, object: &DynamicObject) {
    let key = Key::of(object);
    context.metrics.forget("Kustomization", &key);
    context.kustomizations.queue.add(key.clone(), &format!("Kustomization/{key}"));
    wake_dependents(context, &key, true);
}

/// Objects of Kustomizations move. Drift is corrected at the interval or on request; what moved just
/// before a run, and was told of after it, is made up for (decisions.md, W7).
pub(crate) async fn follow(context: Arc<Context>, mut news: mpsc::Receiver<News>) {
    while let Some(news) = news.recv().await {
        let key = Key { namespace: news.owner.namespace.clone(), name: news.owner.name.clone() };
        if context.memories.moved(&key, news, context.clock.instant()) {
            context.kustomizations.queue.add(key.clone(), &format!("Kustomization/{key}"));
        }
    }
}

/// Wakes who waits for a Kustomization: everyone at `news` of its outcome, at any change whoever
/// judges it by an expression, which may look at every field.
fn wake_dependents(context: &Context, dependency: &Key, news: bool) {
    let cache = &context.kustomizations.cache;
    for dependent in context.waiting.dependents(dependency) {
        if news || cache.get(&dependent).is_some_and(|object| has_expression(&object)) {
            context.kustomizations.queue.add(dependent, &format!("Kustomization/{dependency}"));
        }
    }
}

/// Whether a Kustomization judges a dependency by an expression.
fn has_expression(object: &DynamicObject) -> bool {
    let dependencies = object.data["spec"]["dependsOn"].as_array();
    dependencies.into_iter().flatten().any(|dependency| dependency["readyExpr"].is_string())
}

fn relabelled(before: &DynamicObject, after: &DynamicObject) -> bool {
    let (before, after) = (&before.metadata, &after.metadata);
    before.labels != after.labels || before.annotations != after.annotations
}

/// What dependents judge.
fn outcome(object: &DynamicObject) -> (bool, [Value; 3]) {
    let status = |key: &str| object.data["status"][key].clone();
    let facts = [
        status("lastAppliedRevision"),
        status("lastAttemptedRevision"),
        status("observedGeneration"),
    ];
    (is_true(object, api::condition::READY), facts)
}

/// A source has been seen: whoever uses it runs, if what it offers is new to him.
pub(crate) fn source_seen(
    context: &Context,
    kind: SourceKind,
    before: Option<&DynamicObject>,
    after: &DynamicObject,
) {
    let offer = |object: &DynamicObject| {
        let artifact = &object.data["status"]["artifact"];
        (artifact["revision"].clone(), artifact["digest"].clone())
    };
    let offered = offer(after);
    if offered.0.is_null() || before.is_some_and(|before| offer(before) == offered) {
        return;
    }
    let source = Source { kind, key: Key::of(after) };
    let cause = source.cause();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (revision, digest) = (text(&offered.0), text(&offered.1));
    for object in context.kustomizations.cache.list() {
        let key = Key::of(&object);
        let is_known = context.begun.is_with(&key, &revision, &digest)
            || (before.is_none() && !context.begun.knows(&key) && has_applied(&object, &revision));
        if uses(&object, &source) && !is_known {
            context.kustomizations.queue.add(key, &cause);
        }
    }
}

/// Whether a former operator has applied a revision: there is no news in it.
fn has_applied(object: &DynamicObject, revision: &str) -> bool {
    is_true(object, api::condition::READY)
        && object.data["status"]["lastAttemptedRevision"] == revision
}

fn uses(object: &DynamicObject, source: &Source) -> bool {
    let reference = &object.data["spec"]["sourceRef"];
    let namespace = reference["namespace"].as_str().or(object.metadata.namespace.as_deref());
    reference["kind"] == source.kind.name()
        && reference["name"] == source.key.name.as_str()
        && namespace == Some(&source.key.namespace)
}
