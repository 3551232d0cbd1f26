//! What running one table gave.

/// The tally of one table.
#[derive(Default)]
pub(crate) struct Report {
    /// Rows that behave as the table says.
    pub passed: usize,
    /// Rows that were run.
    pub total: usize,
    /// One line a row that does not, for the person who reads the log.
    pub misses: Vec<String>,
    /// Rows that may fail because what they need is not built yet.
    pub allowed: usize,
}

impl Report {
    /// How many misses are printed.
    pub(crate) const SHOWN: usize = 20;

    /// Counts one row; `miss` says what was wrong, `None` that it passed.
    pub(crate) fn row(&mut self, miss: Option<String>) {
        self.total += 1;
        match miss {
            None => self.passed += 1,
            Some(line) => self.misses.push(line),
        }
    }

    /// Whether more rows fail than are allowed to.
    pub(crate) fn falls_short(&self) -> bool {
        self.misses.len() > self.allowed
    }
}
