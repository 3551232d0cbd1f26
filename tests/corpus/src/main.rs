//! `make corpus`: every conformance table that a built part can be tested with.
//!
//! Reads the folder named by `SLUICE_CORPUS` (default `../shared/corpus`), prints one line a table
//! (name, passed, total) and ends with status 1 when a table falls below what it must reach.
//! Without the folder it prints "skipped: no corpus" and succeeds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use report::Report;

mod bench_floor;
mod bench_source;
mod build;
mod cluster;
mod expressions;
mod recorded;
mod replay;
mod report;
mod source;
mod speed;
mod users;

type Table = fn(&Path) -> anyhow::Result<Option<Report>>;

/// Every table: its name and the function that runs it. A table answers `None` when the corpus
/// does not hold it.
const TABLES: &[(&str, Table)] = &[
    ("durations", cluster::durations),
    ("kstatus", cluster::kstatus),
    ("kstatus_pods", cluster::kstatus_pods),
    ("cel_by_hand", expressions::cel_by_hand),
    ("cel", expressions::cel),
    ("cel_health", expressions::cel_health),
    ("normalize", cluster::normalize),
    ("apply_order", cluster::apply_order),
    ("inventory_ids", cluster::inventory_ids),
    ("semver", source::semver),
    ("semver_select", source::semver_select),
    ("semver_filter", source::semver_filter),
    ("reference", source::reference),
    ("sourceignore", source::sourceignore),
    ("sourceignore_archive", source::sourceignore_archive),
    ("scalars", build::scalars),
    ("strings", build::strings),
    ("krusty", build::krusty),
    ("real", build::real),
    ("flux_users", users::users),
    ("recorded", recorded::stored),
    ("replayed_sources", replay::sources),
    ("replayed_kustomizations", replay::kustomizations),
    ("envsubst", build::envsubst),
    ("envsubst_object", build::envsubst_object),
];

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((speed::ONE, command)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        return speed::one(command).map(|()| ExitCode::SUCCESS);
    }
    if let Some(("bench-source", only)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        return bench_source::run(only.first().map(String::as_str)).map(|()| ExitCode::SUCCESS);
    }
    if let Some(("bench-floor", rest)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        return bench_floor::run(rest).map(|()| ExitCode::SUCCESS);
    }
    let root =
        std::env::var_os("SLUICE_CORPUS").map_or_else(|| "../shared/corpus".into(), PathBuf::from);
    if !root.is_dir() {
        println!("skipped: no corpus");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments == ["bench-build"] {
        return speed::run(&root).map(|()| ExitCode::SUCCESS);
    }
    let only = arguments;
    let all = std::env::var_os("SLUICE_CORPUS_ALL").is_some();
    let shown = if all { usize::MAX } else { Report::SHOWN };
    let mut failed = false;
    for (name, run) in TABLES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        match run(&root)? {
            None => println!("{name}: skipped: not in this corpus"),
            Some(report) => {
                println!("{name}: {} of {}", report.passed, report.total);
                for line in report.misses.iter().take(shown) {
                    eprintln!("  {line}");
                }
                failed |= report.falls_short();
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
