//! Tables of the cluster half: health, apply order, inventory ids, durations.

use std::path::Path;

use anyhow::Context as _;
use manifest::{Object, ObjectId, Value as Tree};
use plan::health::{self, Health, Judge};
use serde_json::Value;

use crate::report::Report;

/// The rows of a JSON-lines table, or `None` when the corpus has none of that name.
pub fn rows(root: &Path, name: &str) -> anyhow::Result<Option<Vec<Value>>> {
    let path = root.join("tables").join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)?;
    let rows = text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str);
    Ok(Some(rows.collect::<Result<_, _>>().with_context(|| path.display().to_string())?))
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Object to health. kstatus' own Job rules are left out: Flux reads Jobs by its own (11.2).
pub fn kstatus(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "kstatus.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let is_job = row["object"]["apiVersion"] == "batch/v1" && row["object"]["kind"] == "Job";
        if is_job && row["reader"] == "kstatus" {
            continue;
        }
        let failed = row.get("error").is_some() || row.get("panic").is_some();
        let wanted = if failed { "Unknown" } else { text(&row, "status") };
        let tree: Tree = row["object"].clone().into();
        // The library accepts trees that no API server would serve, and a double that JSON does
        // not tell from an integer: neither reaches us.
        let is_double = text(&row, "error").contains("float64");
        let Ok(object) = Object::new(tree) else { continue };
        if is_double {
            continue;
        }
        let got = health::health(&object, jiff::Timestamp::now());
        report.row((got.to_string() != wanted).then(|| format!("{got}, not {wanted}: {row}")));
    }
    Ok(Some(report))
}

/// Workloads and what else their namespaces hold to health.
pub fn kstatus_pods(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "kstatus_pods.jsonl")? else { return Ok(None) };
    let (judge, now) = (Judge::default(), jiff::Timestamp::now());
    let mut report = Report::default();
    for row in rows {
        let object = Object::try_from(row["object"].clone())?;
        let mut got = judge.health(&object, now);
        if got == Health::InProgress && judge.asks_pods(&object.id()) {
            let Ok(Some(pods)) = health::pods::of(&object) else { anyhow::bail!("no pods: {row}") };
            let selector = manifest::selector::Selector::parse(&pods.selector)?;
            let others = row["others"].as_array().into_iter().flatten().cloned();
            let others: Vec<_> = others.map(Object::try_from).collect::<Result<_, _>>()?;
            let is_one = |other: &Object| {
                other.kind() == "Pod"
                    && other.namespace() == pods.namespace
                    && selector.matches(other.at(&["metadata", "labels"]))
            };
            let pods: Vec<_> = others.into_iter().filter(is_one).collect();
            if health::pods::have_failed(&pods, now) {
                got = Health::Failed;
            }
        }
        let wanted = text(&row, "status");
        report.row((got.to_string() != wanted).then(|| format!("{got}, not {wanted}: {row}")));
    }
    Ok(Some(report))
}

/// Objects as they are before they are applied. A recorded panic is an error with us; a number that
/// does not fit stays as it is written (decisions.md, normalisation).
pub fn normalize(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "normalize.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows.iter().filter(|row| row["function"] == "normalize") {
        let Ok(mut object) = Object::try_from(row["before"].clone()) else { continue };
        let result = plan::normalize(&mut object);
        let miss = match (result, row.get("after")) {
            (Ok(_), Some(after)) => {
                let got = serde_json::to_value(&object)?;
                let differs = got != *after && !wraps(&got, after);
                differs.then(|| format!("{got}, not {after}: {}", row["before"]))
            }
            (Err(_), None) => None,
            (result, _) => Some(format!("{result:?}: {row}")),
        };
        report.row(miss);
    }
    Ok(Some(report))
}

/// Whether Go let a number wrap that stays as written with us.
fn wraps(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.iter().any(|(key, value)| theirs.get(key).is_some_and(|other| wraps(value, other)))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.iter().zip(theirs).any(|(value, other)| wraps(value, other))
        }
        (Value::Number(ours), Value::Number(theirs)) => {
            let apart = ours.as_i64().zip(theirs.as_i64()).map_or(0, |(a, b)| a.wrapping_sub(b));
            apart != 0 && apart % (1 << 32) == 0
        }
        _ => false,
    }
}

/// Shuffled objects to stages, apply order and delete order.
pub fn apply_order(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "apply_order.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows.iter().filter(|row| row.get("objects").is_some()) {
        report.row(order_miss(row)?);
    }
    Ok(Some(report))
}

fn order_miss(row: &Value) -> anyhow::Result<Option<String>> {
    let list = |key: &str| row[key].as_array().cloned().unwrap_or_default();
    let objects: Vec<Object> = list("objects")
        .iter()
        .map(|o| {
            let mut metadata = serde_json::json!({"name": o["name"]});
            if let Some(namespace) = o.get("namespace") {
                metadata["namespace"] = namespace.clone();
            }
            Object::try_from(serde_json::json!({
                "apiVersion": o["apiVersion"], "kind": o["kind"], "metadata": metadata}))
        })
        .collect::<Result<_, _>>()?;
    let custom: Vec<_> = text(row, "custom_stage_kinds")
        .split(',')
        .filter_map(|kind| kind.split_once('/'))
        .map(|(group, kind)| manifest::GroupKind { group: group.into(), kind: kind.into() })
        .collect();
    let mut entries: Vec<_> = objects.iter().map(plan::inventory::Entry::of).collect();
    plan::prune::sort(&mut entries);
    let stages = plan::stages(objects, &custom);
    let got: Vec<Vec<String>> =
        [plan::Stage::Definitions, plan::Stage::Classes, plan::Stage::Custom, plan::Stage::Rest]
            .iter()
            .map(|wanted| {
                let stage = stages.iter().find(|(stage, _)| stage == wanted);
                stage.map_or_else(Vec::new, |(_, objects)| {
                    objects.iter().map(|o| o.id().to_string()).collect()
                })
            })
            .collect();
    let deleted: Vec<_> = entries.iter().map(|entry| entry.id.to_string()).collect();
    let (stages, delete_order) = (serde_json::to_value(&got)?, serde_json::to_value(&deleted)?);
    Ok((stages != row["stages"] || delete_order != row["delete_order"]).then(|| {
        format!("{stages} and {delete_order}, not {} and {}", row["stages"], row["delete_order"])
    }))
}

/// Four parts to the inventory's text and back.
pub fn inventory_ids(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "inventory_ids.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        if row.get("object").is_some() {
            continue;
        }
        let part = |key: &str| text(&row, key).to_owned();
        let id = ObjectId {
            group: part("group"),
            kind: part("kind"),
            namespace: part("namespace"),
            name: part("name"),
        };
        let ok = match row.get("parse").and_then(Value::as_str) {
            Some(parse) if row.get("error").is_some() => ObjectId::parse(parse).is_none(),
            Some(parse) => ObjectId::parse(parse) == Some(id),
            None => id.to_string() == text(&row, "id") && id.subject() == text(&row, "text"),
        };
        report.row((!ok).then(|| row.to_string()));
    }
    Ok(Some(report))
}

/// Go durations: text to value, value to text and its roundings.
pub fn durations(root: &Path) -> anyhow::Result<Option<Report>> {
    use api::duration::GoDuration;
    let Some(rows) = rows(root, "durations.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let ok = if let Some(text) = row.get("text").and_then(Value::as_str) {
            match text.parse::<GoDuration>() {
                Ok(duration) => {
                    row["nanoseconds"].as_i64() == Some(duration.nanoseconds())
                        && row["string"] == duration.to_string().as_str()
                }
                Err(refusal) => row["error"] == refusal.to_string().as_str(),
            }
        } else {
            let duration =
                GoDuration::from_nanoseconds(row["nanoseconds"].as_i64().unwrap_or_default());
            let second = GoDuration::from_nanoseconds(1_000_000_000);
            row["string"] == duration.to_string().as_str()
                && row["round_seconds"] == duration.round(second).to_string().as_str()
        };
        report.row((!ok).then(|| row.to_string()));
    }
    Ok(Some(report))
}
