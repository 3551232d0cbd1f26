//! A few trees in every run of the tests; `make differential` builds many.
#![allow(clippy::print_stdout, reason = "says what was skipped")]

use differential::{Cases, Oracle, run};

#[test]
fn the_same_bytes_or_both_refuse() -> anyhow::Result<()> {
    let Some(oracle) = Oracle::find() else {
        println!("skipped: the reference is not built");
        return Ok(());
    };
    let cases = Cases { seed: 1, first: 0, count: 64, jobs: 2 };
    let tally = run(&oracle, cases, &|_, _, _| Ok(()))?;
    assert!(tally.differing.is_empty(), "different: cases {:?} of seed 1", tally.differing);
    assert!(tally.same > tally.refused, "most trees should build");
    Ok(())
}
