//! What the objects of both kinds say of themselves.

use api::condition::READY;
use api::{Kustomization, OCIRepository};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// How many characters of a digest are shown.
const DIGEST_LENGTH: usize = 8;

/// One object's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// `<namespace>/<name>`.
    pub(crate) name: String,
    /// Whether it is ready.
    pub(crate) ready: Ready,
    /// The revision that it delivers or has applied, shortened.
    pub(crate) revision: String,
    /// What it says, shortened.
    pub(crate) message: String,
    /// The last request for a reconcile that it answered.
    pub(crate) handled: String,
}

/// Whether an object is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// For the spec that it has now.
    Yes,
    /// It says that it is not.
    No,
    /// It is on its way.
    Unknown,
}

/// One of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// OCIRepository.
    Source,
    /// Kustomization.
    Kustomization,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Source => ApiResource::erase::<OCIRepository>(&()),
            Self::Kustomization => ApiResource::erase::<Kustomization>(&()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Source => "OCIRepository",
            Self::Kustomization => "Kustomization",
        }
    }
}

/// The state of every object in these namespaces, in the order of the namespaces and by what they
/// depend on.
pub(crate) async fn states(client: &Client, namespaces: &[&str]) -> anyhow::Result<Vec<State>> {
    let mut states = Vec::new();
    for namespace in namespaces {
        for kind in [Kind::Source, Kind::Kustomization] {
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), namespace, &kind.resource());
            let objects = api.list(&ListParams::default()).await?.items;
            states.extend(in_order(objects).iter().map(|object| state(kind, object)));
        }
    }
    Ok(states)
}

/// Objects after what they depend on, else by name.
fn in_order(mut objects: Vec<DynamicObject>) -> Vec<DynamicObject> {
    let mut sorted: Vec<DynamicObject> = Vec::new();
    while !objects.is_empty() {
        let waits = |object: &DynamicObject| {
            let needed = object.data["spec"]["dependsOn"].as_array().into_iter().flatten();
            needed.into_iter().any(|one| objects.iter().any(|other| one["name"] == *name_of(other)))
        };
        let next = objects.iter().position(|object| !waits(object)).unwrap_or(0);
        sorted.push(objects.remove(next));
    }
    sorted
}

fn name_of(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn state(kind: Kind, object: &DynamicObject) -> State {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|one| one["type"] == READY);
    let ready = ready.unwrap_or(&Value::Null);
    let is_current = status["observedGeneration"].as_i64() == object.metadata.generation;
    let revision = match kind {
        Kind::Source => &status["artifact"]["revision"],
        Kind::Kustomization => &status["lastAppliedRevision"],
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    State {
        kind: kind.name(),
        name: format!(
            "{}/{}",
            object.metadata.namespace.as_deref().unwrap_or_default(),
            name_of(object)
        ),
        ready: match ready["status"].as_str() {
            Some("True") if is_current => Ready::Yes,
            // Its turn has not come.
            Some("False") if ready["reason"] == "DependencyNotReady" => Ready::Unknown,
            Some("False") => Ready::No,
            _ => Ready::Unknown,
        },
        revision: shorten(&text(revision)),
        message: shorten(&text(&ready["message"])).replace('\n', " "),
        handled: text(&status["lastHandledReconcileAt"]),
    }
}

/// A text whose digests are cut.
fn shorten(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(part.len());
        short.push_str("sha256:");
        short.push_str(&part[..digits.min(DIGEST_LENGTH)]);
        short.push_str(&part[digits..]);
    }
    short
}

/// Asks an object to reconcile now.
pub(crate) async fn request(
    client: &Client,
    kind: Kind,
    (namespace, name): (&str, &str),
    token: &str,
) -> anyhow::Result<()> {
    let annotations = json!({ api::well_known::RECONCILE_REQUEST: token });
    let patch = json!({"metadata": {"annotations": annotations}});
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource());
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_cut_and_the_rest_stays() {
        let long = format!("Applied revision: 1.0.0@sha256:{}, done", "ab".repeat(32));
        assert_eq!(shorten(&long), "Applied revision: 1.0.0@sha256:abababab, done");
        assert_eq!(shorten("sha256:abc"), "sha256:abc");
        assert_eq!(shorten(""), "");
    }

    #[test]
    fn what_others_depend_on_comes_first() {
        let object = |name: &str, needed: &[&str]| -> DynamicObject {
            let needed: Vec<_> = needed.iter().map(|name| json!({"name": name})).collect();
            serde_json::from_value(json!({
                "metadata": {"name": name}, "spec": {"dependsOn": needed},
            }))
            .unwrap_or_else(|error| unreachable!("{error}"))
        };
        let sorted = in_order(vec![object("a", &["c"]), object("b", &["a"]), object("c", &[])]);
        assert_eq!(sorted.iter().map(name_of).collect::<Vec<_>>(), ["c", "a", "b"]);
    }
}
