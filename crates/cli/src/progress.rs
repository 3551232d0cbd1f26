//! How far a large blob has come, on a terminal.

use std::io::Write as _;
use std::sync::Mutex;

use oci::progress::Progress;

/// Smaller blobs are there before anybody wonders.
const SHOWN_BYTES_MIN: u64 = 8 << 20;

/// Tells standard error, once a percent, and leaves no line behind.
pub(crate) fn bar() -> Progress {
    let shown = Mutex::new(None);
    Progress::new(move |done, total| {
        let Ok(mut shown) = shown.lock() else { return };
        let line = line(done, total);
        if *shown == line {
            return;
        }
        let mut out = anstream::stderr().lock();
        // Nobody is left to tell when standard error is gone.
        let _ = match &line {
            Some(line) => write!(out, "\r{line}"),
            None => write!(out, "\r\x1b[K"),
        };
        let _ = out.flush();
        *shown = line;
    })
}

/// What is shown of a blob: nothing of a small one, or once it is there.
fn line(done_bytes: u64, total_bytes: u64) -> Option<String> {
    if total_bytes < SHOWN_BYTES_MIN || done_bytes >= total_bytes {
        return None;
    }
    let percent = done_bytes * 100 / total_bytes;
    Some(format!("{percent:3} % of {} MiB", total_bytes >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blobs_are_shown_until_they_are_there() {
        assert_eq!(line(1, SHOWN_BYTES_MIN - 1), None);
        assert_eq!(line(0, 500 << 20).as_deref(), Some("  0 % of 500 MiB"));
        assert_eq!(line(499 << 20, 500 << 20).as_deref(), Some(" 99 % of 500 MiB"));
        assert_eq!(line(500 << 20, 500 << 20), None);
    }
}
