//! Stories a user would tell; `tests/e2e/README.md` maps the specification's scenarios to them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at a surprise")]

mod stories;
