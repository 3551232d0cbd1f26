//! `make differential`: many random trees, built both ways.
//!
//! Ends with status 1 when one differs. Without the reference it prints "skipped" and succeeds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use differential::{Cases, Difference, Oracle, Outcome, Tally, Tree, run, shrink, write};

/// Builds random kustomization trees here and with the reference, and compares.
#[derive(Parser)]
struct Args {
    /// How many trees.
    #[arg(long, default_value_t = 1000)]
    cases: u64,
    /// What the trees depend on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first case; with `--cases 1` the only one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Folder for the differences, each made small.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Another build of the reference, such as `kustomize build`; faster to start than kubectl.
    #[arg(long)]
    reference: Option<String>,
    /// Print why the trees that neither builds are refused.
    #[arg(long)]
    refusals: bool,
    /// Print the tree of the first case instead.
    #[arg(long)]
    show: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.show {
        for (path, text) in differential::tree(args.seed, args.first).files {
            println!("==== {path}\n{text}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let oracle = args.reference.as_deref().map_or_else(Oracle::find, Oracle::at);
    let Some(oracle) = oracle else {
        println!("differential: skipped: the reference is not built (make test builds it)");
        return Ok(ExitCode::SUCCESS);
    };
    let report = |case: u64, tree: &Tree, found: Difference| {
        println!("case {case}: differs: {}", first_difference(&found));
        let Some(folder) = &args.keep else { return Ok(()) };
        let (files, found) = shrink(&oracle, &tree.files, found)?;
        keep(&folder.join(format!("{}-{case}", args.seed)), &files, &found)
    };
    let cases = Cases { seed: args.seed, first: args.first, count: args.cases, jobs: args.jobs };
    let tally = run(&oracle, cases, &report)?;
    if args.refusals {
        for (case, text) in &tally.refusals {
            println!("case {case}: refused: {}", text.trim().replace('\n', " "));
        }
    }
    print(&tally);
    Ok(if tally.differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(tally: &Tally) {
    for (feature, count) in &tally.features {
        println!("{count:>7}  {feature}");
    }
    println!(
        "same {}, refused by both {} ({} in the same words), excluded {}, different {}",
        tally.same,
        tally.refused,
        tally.same_words,
        tally.excluded,
        tally.differing.len()
    );
}

/// The first line that differs, or what one of both says.
fn first_difference(found: &Difference) -> String {
    match (&found.ours, &found.theirs) {
        (Ok(ours), Ok(theirs)) => {
            let pair = ours.lines().zip(theirs.lines()).find(|(a, b)| a != b);
            let (ours, theirs) = pair.unwrap_or(("fewer or more", "lines"));
            format!("ours {ours:?}, theirs {theirs:?}")
        }
        (Err(text), _) => format!("only we refuse: {}", text.trim()),
        (_, Err(text)) => format!("only the reference refuses: {}", text.trim()),
    }
}

fn keep(folder: &Path, files: &differential::Files, found: &Difference) -> anyhow::Result<()> {
    write(&folder.join("in"), files)?;
    let text = |outcome: &Outcome| outcome.clone().unwrap_or_else(|text| text);
    std::fs::write(folder.join("ours.txt"), text(&found.ours))?;
    std::fs::write(folder.join("theirs.txt"), text(&found.theirs))?;
    Ok(())
}
