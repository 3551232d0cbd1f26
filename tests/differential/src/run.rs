//! Many cases, judged on some threads and counted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dice::Dice;
use crate::oracle::{Difference, Oracle, Verdict};
use crate::tree::Tree;

/// How many trees there were, and what came of them.
#[derive(Default)]
pub struct Tally {
    /// Trees with the same bytes.
    pub same: u64,
    /// Trees that neither builds.
    pub refused: u64,
    /// Of those, the ones whose last words agree.
    pub same_words: u64,
    /// Trees that there is no comparing of.
    pub excluded: u64,
    /// Cases that differ.
    pub differing: Vec<u64>,
    /// What the reference says of trees that neither builds.
    pub refusals: Vec<(u64, String)>,
    /// Trees with the same bytes, by feature.
    pub features: BTreeMap<&'static str, u64>,
}

/// Which cases are run.
#[derive(Clone, Copy)]
pub struct Cases {
    /// What all of them depend on.
    pub seed: u64,
    /// The first one.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// On how many threads.
    pub jobs: usize,
}

/// The tree of one case.
pub fn tree(seed: u64, case: u64) -> Tree {
    Tree::grow(&mut Dice::of_case(seed, case))
}

/// Judges cases; `on_difference` hears of each difference as it is found.
pub fn run(
    oracle: &Oracle,
    cases: Cases,
    on_difference: &(dyn Fn(u64, &Tree, Difference) -> anyhow::Result<()> + Sync),
) -> anyhow::Result<Tally> {
    let next = AtomicU64::new(cases.first);
    let tally = Mutex::new(Tally::default());
    let work = || -> anyhow::Result<()> {
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases.first + cases.count {
                return Ok(());
            }
            let tree = tree(cases.seed, case);
            let verdict = oracle.judge(&tree.files)?;
            tally
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .count(case, &tree, &verdict);
            if let Verdict::Differs(found) = verdict {
                on_difference(case, &tree, found)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cases.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread of the run panicked")))
        })
    })?;
    Ok(tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl Tally {
    fn count(&mut self, case: u64, tree: &Tree, verdict: &Verdict) {
        match verdict {
            Verdict::Same => {
                self.same += 1;
                for feature in &tree.features {
                    *self.features.entry(feature).or_default() += 1;
                }
            }
            Verdict::Refused(refusal) => {
                self.refused += 1;
                self.same_words += u64::from(refusal.same);
                self.refusals.push((case, refusal.text.clone()));
            }
            Verdict::Excluded => self.excluded += 1,
            Verdict::Differs(_) => self.differing.push(case),
        }
    }
}
