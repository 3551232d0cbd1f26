//! The tables of the build half: YAML, kustomize, substitution.

use std::path::Path;

use manifest::{Value, yaml};
use serde_json::Value as Json;

use crate::report::Report;

fn text(root: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = root.join("tables").join(name);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(std::fs::read_to_string(path)?))
}

/// Scalars as written → as kustomize prints them.
pub(crate) fn scalars(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "scalars.tsv")? else { return Ok(None) };
    let mut report = Report::default();
    for line in table.lines() {
        let Some((written, printed)) = line.split_once('\t') else { continue };
        let indented = written.trim_end_matches("\\n").replace("\\n", "\n    ");
        let source = format!("spec:\n  k: {indented}\n");
        let got = yaml::read_manifests(&source).map(|documents| {
            documents.iter().map(|document| yaml::to_string(&document.value)).collect::<String>()
        });
        let passed = match &got {
            Ok(got) => *got == format!("spec:{}\n", printed.replace("\\n", "\n")),
            Err(_) => printed.starts_with("ERR "),
        };
        report.row((!passed).then(|| format!("{written:?}: expected {printed:?}, got {got:?}")));
    }
    Ok(Some(report))
}

/// Strings → as kustomize emits them.
pub(crate) fn strings(root: &Path) -> anyhow::Result<Option<Report>> {
    let Some(table) = text(root, "strings.json")? else { return Ok(None) };
    let mut report = Report::default();
    for row in serde_json::from_str::<Vec<Json>>(&table)? {
        let (value, emitted) = (row["value"].clone(), row["emitted"].as_str().unwrap_or_default());
        // The first line folds as if its key had seven characters: so the table was made.
        let tree: Value = serde_json::json!({"spec": {"list": [{"k000000": value}]}}).into();
        let printed = yaml::to_string(&tree).replacen("  - k000000:", "    k:", 1);
        let got: String = printed
            .strip_prefix("spec:\n  list:\n")
            .unwrap_or_default()
            .split_inclusive('\n')
            .map(|line| line.strip_prefix("    ").unwrap_or(line))
            .collect();
        let passed = got == emitted;
        report.row((!passed).then(|| format!("{value}: expected {emitted:?}, got {got:?}")));
    }
    Ok(Some(report))
}
