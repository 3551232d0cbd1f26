//! How stories wait: by looking again, for so long.

use std::time::Duration;

/// Longer than anything takes on a busy machine; nothing waits for it when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Polls until something holds; the story ends when that takes too long.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Polls until nothing is wrong any more, for at most `patience`; gives what still is.
pub async fn settled(patience: Duration, wrong: impl AsyncFn() -> Vec<String>) -> Vec<String> {
    let began = std::time::Instant::now();
    loop {
        let found = wrong().await;
        if found.is_empty() || began.elapsed() > patience {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
