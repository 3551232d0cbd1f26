//! What a Kustomization asks for: its spec, parsed once.

use std::sync::Arc;
use std::time::Duration;

use api::kustomization::{
    Decryption, IgnoreRule, KustomizationSpec, ObjectReference, SourceReference,
    SubstituteReference,
};
use apply::wait::Target as Awaited;
use apply::watch::Ownership;
use manifest::{Gvk, ObjectId};
use plan::health::{Check, Judge};
use plan::ignore::Rule;
use render::request::Owner;

use super::reach::Destination;
use super::source::Source;
use crate::runtime::cache::Key;
use crate::unfit::{Unfit, duration};

/// The least time that health checks are given (kustomization.md, 1).
pub(super) const TIMEOUT_MIN: Duration = Duration::from_secs(30);

/// What a Kustomization asks for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) interval: Duration,
    pub(super) retry_interval: Duration,
    pub(super) timeout: Duration,
    pub(super) source: Source,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) render: render::Request,
    pub(super) substitute_from: Vec<SubstituteReference>,
    /// How encrypted files and objects are decrypted, if they are.
    pub(super) decryption: Option<Decryption>,
    pub(super) prune: bool,
    /// Whether objects that cannot be changed are created anew.
    pub(super) force: bool,
    /// Fields whose drift is left alone.
    pub(super) ignore: Vec<Rule>,
    pub(super) checks: Checks,
    /// Who says how an object is.
    pub(super) judge: Arc<Judge>,
    pub(super) destination: Destination,
}

/// A Kustomization that must be ready first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) key: Key,
    /// What says that it is, instead of our own rules.
    pub(super) ready_expr: Option<String>,
}

/// Whose health is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    /// Nobody's.
    None,
    /// That of everything that was applied.
    Applied,
    /// That of these objects.
    Named(Vec<Awaited>),
}

impl Request {
    /// Parses a spec. `default_account` is used when it names no account; none when empty.
    pub(super) fn parse(
        key: &Key,
        spec: &KustomizationSpec,
        default_account: &str,
    ) -> Result<Self, Unfit> {
        let interval = duration("interval", &spec.interval)?;
        let optional = |field, text: &Option<String>| {
            text.as_deref().map(|text| duration(field, text)).transpose()
        };
        let in_namespace = |namespace: &Option<String>, name: &str| Key {
            namespace: namespace.clone().unwrap_or_else(|| key.namespace.clone()),
            name: name.into(),
        };
        let dependencies = spec.depends_on.iter().flatten();
        Ok(Self {
            interval,
            retry_interval: optional("retryInterval", &spec.retry_interval)?.unwrap_or(interval),
            timeout: timeout(spec)?,
            source: source(key, spec),
            dependencies: dependencies
                .map(|d| Dependency {
                    key: in_namespace(&d.namespace, &d.name),
                    ready_expr: d.ready_expr.clone().filter(|text| !text.is_empty()),
                })
                .collect(),
            render: render::Request::of(spec, owner(key)),
            substitute_from: substitute_from(spec),
            decryption: spec.decryption.clone(),
            prune: spec.prune,
            force: spec.force == Some(true),
            ignore: spec.ignore.iter().flatten().map(rule).collect(),
            checks: checks(key, spec),
            judge: Arc::new(judge(spec)?),
            destination: Destination::new(key, spec, default_account),
        })
    }
}

/// The source that a spec refers to.
pub(super) fn source(key: &Key, spec: &KustomizationSpec) -> Source {
    let SourceReference { kind, name, namespace, .. } = &spec.source_ref;
    let namespace = namespace.clone().unwrap_or_else(|| key.namespace.clone());
    Source { kind: *kind, key: Key { namespace, name: name.clone() } }
}

/// How long health and the end of objects are awaited (kustomization.md, 1).
pub(super) fn timeout(spec: &KustomizationSpec) -> Result<Duration, Unfit> {
    let timeout = match &spec.timeout {
        Some(text) => duration("timeout", text)?,
        None => duration("interval", &spec.interval)?.saturating_sub(TIMEOUT_MIN),
    };
    Ok(timeout.max(TIMEOUT_MIN))
}

fn substitute_from(spec: &KustomizationSpec) -> Vec<SubstituteReference> {
    spec.post_build
        .iter()
        .flat_map(|build| build.substitute_from.iter().flatten())
        .cloned()
        .collect()
}

fn checks(key: &Key, spec: &KustomizationSpec) -> Checks {
    if spec.wait == Some(true) {
        return Checks::Applied;
    }
    let itself = ObjectId {
        group: "kustomize.toolkit.fluxcd.io".into(),
        kind: "Kustomization".into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    };
    let targets: Vec<_> = spec
        .health_checks
        .iter()
        .flatten()
        .map(target)
        .filter(|target| target.id != itself)
        .collect();
    if targets.is_empty() { Checks::None } else { Checks::Named(targets) }
}

/// Health checks by expressions. Reading them is all that can go wrong with them before they are
/// asked, so it is done before anything else is (kustomization.md, 3).
fn judge(spec: &KustomizationSpec) -> Result<Judge, Unfit> {
    let checks: Vec<_> = spec
        .health_check_exprs
        .iter()
        .flatten()
        .map(|check| Check {
            api_version: check.api_version.clone(),
            kind: check.kind.clone().unwrap_or_default(),
            in_progress: check.in_progress.clone(),
            failed: check.failed.clone(),
            current: check.current.clone(),
        })
        .collect();
    Judge::new(&checks).map_err(Unfit::HealthCheck)
}

fn target(reference: &ObjectReference) -> Awaited {
    let api_version = reference.api_version.as_deref().filter(|version| !version.is_empty());
    let Gvk { group, version, kind } = Gvk::new(api_version.unwrap_or("apps/v1"), &reference.kind);
    let namespace = reference.namespace.clone().unwrap_or_default();
    let id = ObjectId { group, kind, namespace, name: reference.name.clone() };
    Awaited { id, version, may_vanish: false, ownership: Ownership::Foreign }
}

fn owner(key: &Key) -> Owner {
    Owner { name: key.name.clone(), namespace: key.namespace.clone() }
}

fn rule(rule: &IgnoreRule) -> Rule {
    let target = rule.target.as_ref().map(render::target).unwrap_or_default();
    Rule { paths: rule.paths.clone(), target }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(fields: Value) -> Result<Request, Unfit> {
        let mut spec = json!({"interval": "10m", "prune": true,
            "sourceRef": {"kind": "OCIRepository", "name": "src"}});
        if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
            spec.extend(fields);
        }
        let key = Key { namespace: "ns".into(), name: "k".into() };
        let spec: KustomizationSpec =
            serde_json::from_value(spec).unwrap_or_else(|_| unreachable!("it fits the definition"));
        Request::parse(&key, &spec, "")
    }

    /// ks A13: the least is 30 s, and without a timeout it is the interval less as much.
    #[test]
    fn a_timeout_is_at_least_half_a_minute() {
        let timeout = |fields: Value| parse(fields).map(|request| request.timeout.as_secs());
        assert_eq!(timeout(json!({"timeout": "5s"})), Ok(30));
        assert_eq!(timeout(json!({"interval": "10s"})), Ok(30));
        assert_eq!(timeout(json!({"interval": "10m"})), Ok(570));
        assert_eq!(timeout(json!({"timeout": "2m"})), Ok(120));
    }

    #[test]
    fn defaults_come_from_the_object_itself() {
        let request = parse(json!({"dependsOn": [{"name": "a"}, {"name": "b", "namespace": "x"}]}));
        let Ok(request) = request else { unreachable!("it is fit") };
        let names: Vec<String> = request.dependencies.iter().map(|d| d.key.to_string()).collect();
        assert_eq!(names, ["ns/a", "x/b"]);
        assert_eq!(request.source.key.to_string(), "ns/src");
        assert_eq!(request.retry_interval, request.interval);
        assert_eq!(request.destination.identity, apply::Identity::Operator);
        assert_eq!(request.checks, Checks::None);
    }

    /// ks I14: its own readiness is nothing to wait for.
    #[test]
    fn a_kustomization_does_not_wait_for_itself() {
        let own = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "name": "k", "namespace": "ns"});
        let checks =
            |list: Value| parse(json!({"healthChecks": list})).map(|request| request.checks);
        assert_eq!(checks(json!([own])), Ok(Checks::None));
        let Ok(Checks::Named(targets)) = checks(json!([own, {"kind": "Deployment", "name": "d"}]))
        else {
            unreachable!("one is left")
        };
        assert_eq!((targets[0].id.group.as_str(), targets[0].version.as_str()), ("apps", "v1"));
    }
}
