//! What counts of a recorded state, after redaction as the recording's README says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::images::number;

/// Texts of the replay and what they stand for in the recording.
#[derive(Default)]
pub(crate) struct Names {
    replaced: Vec<(String, String)>,
    said: Vec<(String, String)>,
    manifests: BTreeSet<String>,
}

impl Names {
    /// `ours` stands for `recorded`.
    pub(crate) fn stands_for(&mut self, ours: &str, recorded: &str) {
        self.replaced.push((ours.into(), recorded.into()));
    }

    /// A manifest's digest.
    pub(crate) fn manifest(&mut self, ours: &str, recorded: &str) {
        self.stands_for(ours, recorded);
        self.manifests.insert(recorded.into());
    }

    /// `ours` is what we say on purpose where `recorded` was said.
    pub(crate) fn says(&mut self, ours: &str, recorded: &str) {
        self.said.push((ours.into(), recorded.into()));
    }

    /// A recorded text, in the words of the replay.
    pub(crate) fn ours(&self, text: &str) -> String {
        self.replaced
            .iter()
            .fold(text.to_owned(), |text, (ours, recorded)| text.replace(recorded, ours))
    }

    /// A text of the replay, in the words of the recording.
    pub(crate) fn recorded(&self, text: &str) -> String {
        self.replaced
            .iter()
            .chain(&self.said)
            .fold(text.to_owned(), |text, (ours, recorded)| text.replace(ours, recorded))
    }

    /// The same of every text in a value.
    pub(crate) fn recorded_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.recorded(&text).into(),
            Value::Array(list) => {
                list.into_iter().map(|value| self.recorded_value(value)).collect()
            }
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (self.recorded(&key), self.recorded_value(value)))
                .collect(),
            other => other,
        }
    }

    /// Digests of archives say nothing: they depend on who compressed them.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("sha256:") {
            let end = rest[at + 7..].find(|c: char| !c.is_ascii_hexdigit());
            let end = end.map_or(rest.len(), |end| at + 7 + end);
            let digest = &rest[at..end];
            let known =
                self.manifests.contains(digest) || digest.bytes().skip(7).all(|c| c == b'0');
            out.push_str(&rest[..at]);
            out.push_str(if known { digest } else { "sha256:*" });
            rest = &rest[end..];
        }
        timeless(&(out + rest))
    }
}

/// A text without how long something took, and without the names of folders that were made for it.
fn timeless(text: &str) -> String {
    const BEFORE: [&str; 3] = ["finished in ", "passed in ", "failed after "];
    let mut text = text.to_owned();
    for before in BEFORE {
        let mut from = 0;
        while let Some(at) = text[from..].find(before) {
            let start = from + at + before.len();
            let rest = &text[start..];
            let length = rest.find([',', ':', '"', '\\', '\n']).unwrap_or(rest.len());
            text.replace_range(start..start + length, "*");
            from = start;
        }
    }
    while let Some(at) = text.find("/tmp/kustomization-") {
        let rest = &text[at + 19..];
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        text.replace_range(at..at + 19 + length, "");
    }
    // Causes of what is pending are ours (decisions.md).
    while let Some(at) = text.find(": pod ") {
        let length = text[at..].find([',', ']']).unwrap_or(text.len() - at);
        text.replace_range(at..at + length, "");
    }
    // W6: a path is told as the user wrote it.
    text.replace("stat ./", "stat /")
}

/// What counts of an object.
pub(crate) fn object(object: &Value, names: &Names) -> Value {
    let mut status = object["status"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition.as_object_mut().map(|fields| fields.remove("lastTransitionTime"));
    }
    if let Some(artifact) = status.get_mut("artifact").and_then(Value::as_object_mut) {
        for key in ["digest", "size", "lastUpdateTime"] {
            artifact.remove(key);
        }
    }
    for past in status["history"].as_array_mut().into_iter().flatten() {
        let times = [
            "digest",
            "firstReconciled",
            "lastReconciled",
            "lastReconciledDuration",
            // How often a run is tried again depends on the clock.
            "totalReconciliations",
        ];
        for key in times {
            past.as_object_mut().map(|fields| fields.remove(key));
        }
    }
    let finalizers = object["metadata"]["finalizers"].clone();
    let counts = json!({"finalizers": finalizers, "status": status});
    serde_json::from_str(&names.redacted(&counts.to_string())).unwrap_or(counts)
}

/// Our state of a Kustomization, with the recorded inventory where ours has all of it: it is written
/// ahead of a run that may fail (W1).
pub(crate) fn ahead(recorded: &Value, mut ours: Value) -> Value {
    let conditions = recorded["status"]["conditions"].as_array().into_iter().flatten();
    let is_ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
    let stored = &recorded["status"]["inventory"];
    let entries = |inventory: &Value| inventory["entries"].as_array().cloned().unwrap_or_default();
    let known = entries(&ours["status"]["inventory"]);
    if !conditions.clone().any(is_ready)
        && entries(stored).iter().all(|entry| known.contains(entry))
        && ours["status"].is_object()
    {
        match stored {
            Value::Null => drop(ours["status"].as_object_mut().map(|s| s.remove("inventory"))),
            stored => ours["status"]["inventory"] = stored.clone(),
        }
    }
    ours
}

/// The state of a Kustomization without the objects that are on their way out: ours lists them until
/// they are gone (W14).
pub(crate) fn without(leaving: &[String], mut state: Value) -> Value {
    let entries = state.pointer_mut("/status/inventory/entries");
    if let Some(entries) = entries.and_then(Value::as_array_mut) {
        entries.retain(|entry| !leaving.iter().any(|id| entry["id"] == id.as_str()));
    }
    state
}

/// What counts of an object that was applied: what it says, and which fields are ours.
pub(crate) fn applied(object: &Value, _: &Names) -> Value {
    let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let ours = managers.filter(|entry| entry["manager"] == "kustomize-controller");
    let ours: Vec<_> = ours.map(|entry| json!([entry["operation"], entry["fieldsV1"]])).collect();
    json!({
        "labels": object["metadata"]["labels"],
        "annotations": object["metadata"]["annotations"],
        "data": object["data"],
        "ours": ours,
    })
}

/// The paths at which two values differ, with both values.
pub(crate) fn differences(path: &str, recorded: &Value, ours: &Value) -> Vec<String> {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            let keys: BTreeSet<_> = recorded.keys().chain(ours.keys()).collect();
            let at =
                |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(Value::Null);
            let inner = |key: &&String| {
                differences(&format!("{path}.{key}"), &at(recorded, key), &at(ours, key))
            };
            keys.iter().flat_map(inner).collect()
        }
        (Value::Array(recorded), Value::Array(ours)) if recorded.len() == ours.len() => {
            let pairs = recorded.iter().zip(ours).enumerate();
            pairs.flat_map(|(at, (r, o))| differences(&format!("{path}[{at}]"), r, o)).collect()
        }
        (recorded, ours) if recorded == ours => Vec::new(),
        (recorded, ours) => vec![format!("{path}: {ours}, not {recorded}")],
    }
}

/// One event: object, type, reason, message.
pub(crate) type Happening = (String, String, String, String);

/// The events that only one side has. That nothing is new is said less often here, and that an object
/// has two owners is said here only (decisions.md).
pub(crate) fn events(recorded: &BTreeSet<Happening>, ours: &BTreeSet<Happening>) -> Vec<String> {
    let quiet = |event: &&Happening| event.2 != "ArtifactUpToDate" && event.2 != "OwnerChanged";
    let text = |event: &Happening| format!("{} {} {} {}", event.0, event.1, event.2, event.3);
    let missing = recorded.difference(ours).filter(quiet).map(|e| format!("no event {}", text(e)));
    let more = ours.difference(recorded).filter(quiet).map(|e| format!("event {}", text(e)));
    missing.chain(more).collect()
}

/// Entries of an archive: name to type, mode, owner, time and content.
pub(crate) fn entries(recorded: &Value) -> BTreeMap<String, Value> {
    let list = recorded.as_array().into_iter().flatten();
    list.map(|entry| {
        let mut fields = entry.clone();
        fields["mode"] = number(&entry["mode"]).into();
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        (name, fields)
    })
    .collect()
}
