//! Documents that name tests, files and targets name real ones.

use std::collections::BTreeSet;

use tidy::{files_ending, none, read, root, tests};

/// Differences of a kind that compatibility.md may list.
const DIFFERENCES_MAX: usize = 10;

/// The cells of the rows of every table in a Markdown text, without headings and rules.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<_> = text.lines().collect();
    let is_row = |line: &str| line.trim().starts_with('|');
    let is_rule = |line: &str| is_row(line) && line.chars().all(|c| "|-: ".contains(c));
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let heads = lines.get(at + 1).is_some_and(|next| is_rule(next));
        if is_row(line) && !is_rule(line) && !heads {
            let cells = line.trim().trim_matches('|').split('|');
            rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}

/// The words in backticks of a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The scenarios of one kind.
struct Scenarios {
    /// The heading of their table.
    kind: &'static str,
    /// How many each letter has, in the order of the specification's table.
    counts: &'static [(&'static str, usize)],
    /// Those that are somebody's later work, or are measured (docs/benchmarks.md).
    later: &'static [&'static str],
}

const SCENARIOS: [Scenarios; 2] = [
    Scenarios {
        kind: "OCIRepository",
        counts: &[
            ("A", 13),
            ("B", 19),
            ("C", 12),
            ("D", 13),
            ("E", 19),
            ("F", 19),
            ("G", 9),
            ("H", 22),
            ("I", 16),
            ("J", 4),
        ],
        later: &["A09", "H21", "H23"],
    },
    Scenarios {
        kind: "Kustomization",
        counts: &[
            ("A", 14),
            ("B", 12),
            ("C", 13),
            ("D", 20),
            ("E", 15),
            ("F", 10),
            ("G", 27),
            ("H", 12),
            ("I", 16),
            ("J", 9),
            ("K", 7),
            ("L", 13),
            ("M", 6),
        ],
        later: &["L06", "M02", "M03", "M04", "M05", "M06"],
    },
];

#[test]
fn every_scenario_has_a_test() {
    let path = "tests/e2e/README.md";
    let text = read(path);
    let mut violations = Vec::new();
    for Scenarios { kind, counts, later } in &SCENARIOS {
        let table = text.split("\n## ").find(|part| part.starts_with(kind));
        let rows = rows(table.unwrap_or_default());
        for (letter, wanted) in *counts {
            let ids = rows.iter().filter_map(|row| row.first());
            let ids: BTreeSet<_> = ids.filter(|id| id.starts_with(letter)).collect();
            if ids.len() != *wanted {
                violations.push(format!("{kind} {letter}: {} scenarios, not {wanted}", ids.len()));
            }
        }
        let open = rows.iter().filter(|row| row[1].contains("not yet"));
        let open = open.filter(|row| !later.contains(&row[0].as_str()));
        violations.extend(open.map(|row| format!("{kind} {} has no test", row[0])));
    }
    none(path, &violations);
}

/// How many attacks each letter has (security.md, 4.1 to 4.6).
const ATTACKS: [(&str, usize); 6] = [("A", 8), ("B", 8), ("C", 9), ("D", 8), ("E", 9), ("F", 6)];

#[test]
fn every_attack_has_a_test() {
    let path = "tests/e2e/README.md";
    let text = read(path);
    let table = text.split("\n## ").find(|part| part.starts_with("Hostile input"));
    let rows = rows(table.unwrap_or_default());
    let wanted = ATTACKS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")));
    let mut violations = Vec::new();
    for id in wanted {
        let row = rows.iter().find(|row| row[0] == id);
        if row.is_none_or(|row| row.last().is_none_or(|test| quoted(test).is_empty())) {
            violations.push(format!("{id} has no test"));
        }
    }
    none(path, &violations);
}

#[test]
fn every_story_is_a_test() {
    let path = "tests/e2e/README.md";
    if !root().join(path).is_file() {
        return;
    }
    let known = tests();
    let mut violations = Vec::new();
    for row in rows(&read(path)) {
        let (Some(id), Some(test)) = (row.first(), row.last()) else { continue };
        if test.contains("not yet") {
            continue;
        }
        let names = quoted(test);
        let names = if names.is_empty() { vec![test.as_str()] } else { names };
        for name in names {
            let name = name.rsplit("::").next().unwrap_or(name);
            if !known.contains(name) {
                violations.push(format!("{id}: there is no test `{name}`"));
            }
        }
    }
    none(path, &violations);
}

#[test]
fn every_difference_has_a_benefit_and_a_test() {
    let path = "docs/compatibility.md";
    let known = tests();
    let mut violations = Vec::new();
    for section in read(path).split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        if !title.starts_with("Differences") {
            continue;
        }
        let rows = rows(section);
        if rows.is_empty() || rows.len() > DIFFERENCES_MAX {
            violations.push(format!("{title}: {} rows, 1 to {DIFFERENCES_MAX}", rows.len()));
        }
        for row in &rows {
            let [what, benefit, test] = row.as_slice() else {
                violations.push(format!("{title}: a row of {} cells, not 3", row.len()));
                continue;
            };
            if benefit.is_empty() {
                violations.push(format!("{what}: no benefit"));
            }
            let names = quoted(test);
            if names.is_empty() || names.iter().any(|name| !known.contains(*name)) {
                violations.push(format!("{what}: {test} names no test"));
            }
        }
    }
    none(path, &violations);
}

#[test]
fn links_lead_somewhere() {
    let mut violations = Vec::new();
    for file in files_ending(".md") {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in read(&file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !root().join(folder).join(path).exists() {
                violations.push(format!("{file}: {target}"));
            }
        }
    }
    none("links between documents lead somewhere", &violations);
}

#[test]
fn documents_name_files_that_exist() {
    let mut violations = Vec::new();
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for word in quoted(&read(file).replace("```", "")) {
            let word = word.trim_end_matches('/');
            let is_path = ["crates/", "tests/", "config/", "charts/", "docs/", "examples/"]
                .iter()
                .any(|start| word.starts_with(start));
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
            if is_path && plain && !root().join(word).exists() {
                violations.push(format!("{file}: {word}"));
            }
        }
    }
    none("documents name files that exist", &violations);
}

#[test]
fn make_targets_that_documents_name_exist() {
    let makefile = read("Makefile");
    let mut violations = Vec::new();
    for file in files_ending(".md") {
        for target in read(&file).split("`make ").skip(1) {
            let target = target.split(['`', ' ']).next().unwrap_or_default();
            if !makefile.contains(&format!("\n{target}:")) {
                violations.push(format!("{file}: make {target}"));
            }
        }
    }
    none("documents name targets of the Makefile", &violations);
}
