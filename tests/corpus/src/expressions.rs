//! Tables of CEL expressions: what they give, what is wrong with them, what they say of an object.

use std::path::Path;

use expression::{Error, Expression, Value, fields};
use manifest::{Object, Value as Tree};
use plan::health::{Check, Health, Judge};
use serde_json::{Value as Json, json};

use crate::cluster::rows;
use crate::report::Report;

fn tree(root: &Path, name: &str) -> anyhow::Result<Tree> {
    let text = std::fs::read_to_string(root.join("tables").join(name))?;
    Ok(serde_json::from_str::<Json>(&text)?.into())
}

/// Expressions over one object, with what they give (`ERR`: an error, whichever).
pub fn cel_by_hand(root: &Path) -> anyhow::Result<Option<Report>> {
    let path = root.join("tables/cel.txt");
    if !path.is_file() {
        return Ok(None);
    }
    let object = tree(root, "cel-object.json")?;
    let mut report = Report::default();
    for line in std::fs::read_to_string(path)?.lines() {
        let Some((text, wanted)) = line.rsplit_once(" => ") else { continue };
        let got = Expression::parse(text).and_then(|expression| expression.value(&fields(&object)));
        let got = got.map_or_else(|_| "ERR".to_owned(), |value| shown(&value).0.to_string());
        let wanted = match serde_json::from_str::<Json>(wanted) {
            Ok(value) => value.to_string(),
            Err(_) => wanted.to_owned(),
        };
        report.row((got != wanted).then(|| format!("{got}, not {wanted}: {text}")));
    }
    Ok(Some(report))
}

/// A value and its type as the table writes them.
fn shown(value: &Value) -> (Json, String) {
    let name = value.type_name().to_owned();
    let list = |items: &[Value]| items.iter().map(|item| shown(item).0).collect::<Vec<_>>();
    match value {
        Value::Null => (Json::Null, name),
        Value::Bool(truth) => (json!(truth), name),
        Value::Int(number) => (json!(number), name),
        Value::Uint(number) => (json!(number), name),
        Value::Double(number) if !number.is_finite() => {
            (json!(value.to_string()), "double(text)".into())
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "compared with what it was"
        )]
        Value::Double(number) if (*number as i64) as f64 == *number => {
            (json!(*number as i64), name)
        }
        Value::Double(number) => (json!(number), name),
        Value::Bytes(bytes) => {
            use base64::Engine as _;
            (json!(base64::engine::general_purpose::STANDARD.encode(bytes)), name)
        }
        Value::List(items) => (list(items).into(), name),
        Value::Map(map) => {
            let texts = map.iter().map(|(key, value)| match key {
                expression::Key::Text(key) => Some((key.to_string(), shown(value).0)),
                _ => None,
            });
            match texts.collect::<Option<serde_json::Map<_, _>>>() {
                Some(map) => (map.into(), name),
                None => (json!(value.to_string()), "map(text)".into()),
            }
        }
        Value::Optional(None) => (Json::Null, "optional_type(none)".into()),
        Value::Optional(Some(inner)) => {
            let (inner, kind) = shown(inner);
            (inner, format!("optional_type({kind})"))
        }
        other => (json!(other.to_string()), name),
    }
}

/// Expressions over one object, and over a Kustomization and its dependency.
pub fn cel(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "cel.jsonl")? else { return Ok(None) };
    let object = tree(root, "cel-object.json")?;
    let pair = tree(root, "cel-ready-objects.json")?;
    let mut report = Report::default();
    for row in rows {
        let text = match &row["expression_repeat"] {
            Json::Object(repeat) => {
                let times = usize::try_from(repeat["times"].as_u64().unwrap_or_default())?;
                let part = |name: &str| repeat[name].as_str().unwrap_or_default();
                part("text").repeat(times) + part("then")
            }
            _ => row["expression"].as_str().unwrap_or_default().to_owned(),
        };
        let miss = if row["mode"] == "ready" {
            ready_miss(&row, &text, &fields(&pair))
        } else {
            health_miss(&row, &text, &fields(&object))
        };
        report.row(
            miss.map(|miss| format!("{}: {miss}", text.chars().take(200).collect::<String>())),
        );
    }
    Ok(Some(report))
}

fn differs(what: &str, got: Option<&Error>, wanted: Option<&Json>) -> Option<String> {
    let got = got.map(ToString::to_string);
    let wanted = wanted.and_then(Json::as_str);
    let cut = |text: Option<&str>| {
        text.map(|text| text.replace('\n', "⏎").chars().take(500).collect::<String>())
    };
    (got.as_deref() != wanted)
        .then(|| format!("{what}\n    {:?}\n    {:?}", cut(got.as_deref()), cut(wanted)))
}

fn health_miss(row: &Json, text: &str, variables: &[(&str, &Tree)]) -> Option<String> {
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => return differs("parse", Some(&error), row.get("parse_error")),
    };
    if row.get("parse_error").is_some() {
        return differs("parse", None, row.get("parse_error"));
    }
    let value = match expression.value(variables) {
        Ok(value) => value,
        Err(error) => return differs("value", Some(&error), row.get("error")),
    };
    if row.get("error").is_some() {
        return differs("value", None, row.get("error")).map(|miss| format!("{miss} {value}"));
    }
    let (got, kind) = shown(&value);
    if row["type"] == "map(text)" && kind == "map(text)" {
        return None;
    }
    if kind != row["type"] || !same(&got, &row["value"]) {
        return Some(format!("{got} ({kind}), not {} ({})", row["value"], row["type"]));
    }
    let holds = expression.holds(variables);
    differs("holds", holds.err().as_ref(), row.get("bool_error"))
}

/// Checks by expressions: an object to its health.
pub fn cel_health(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(rows) = rows(root, "cel_health.jsonl")? else { return Ok(None) };
    let mut report = Report::default();
    for row in rows {
        let text = |key: &str| row["exprs"][key].as_str().map(str::to_owned);
        let check = Check {
            api_version: "v1".into(),
            in_progress: text("inProgress"),
            failed: text("failed"),
            current: text("current").unwrap_or_default(),
            ..Check::default()
        };
        let mut object = row["object"].clone();
        // Every object that a cluster serves has a version and a name.
        object["apiVersion"] = json!("v1");
        object["metadata"]["name"] = json!("w");
        let object = Object::try_from(object)?;
        let (got, why) = match Judge::new(&[check]) {
            Err(error) => (None, Some(error.to_string())),
            Ok(judge) => match judge.health(&object, jiff::Timestamp::UNIX_EPOCH) {
                Health::Unknown(why) => (None, Some(why)),
                health => (Some(health.to_string()), None),
            },
        };
        let start = "failed to create custom status evaluator for healthchecks[0]: ";
        let why = why.as_deref().map(|why| why.trim_start_matches(start));
        let wanted = row.get("error").or_else(|| row.get("create_error")).and_then(Json::as_str);
        let fits = got.as_deref() == row["status"].as_str() && why == wanted;
        report.row((!fits).then(|| format!("{got:?} {why:?}: {row}")));
    }
    Ok(Some(report))
}

/// Whether two values are the same; a double that is whole is written as an integer or not.
fn same(left: &Json, right: &Json) -> bool {
    left == right || left.as_f64().is_some_and(|left| right.as_f64() == Some(left))
}

fn ready_miss(row: &Json, text: &str, variables: &[(&str, &Tree)]) -> Option<String> {
    let expression = match Expression::parse_bool(text, &["self", "dep"]) {
        Ok(expression) => expression,
        Err(error) => return differs("compile", Some(&error), row.get("compile_error")),
    };
    if row.get("compile_error").is_some() {
        return differs("compile", None, row.get("compile_error"));
    }
    match expression.holds(variables) {
        Ok(truth) if row.get("error").is_none() => {
            (row["value"] != truth).then(|| format!("{truth}, not {}", row["value"]))
        }
        Ok(_) => differs("value", None, row.get("error")),
        Err(error) => differs("value", Some(&error), row.get("error")),
    }
}
