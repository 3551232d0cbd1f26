//! What nothing new costs, an interval.

use std::time::Duration;

use e2e::{Story, settled};
use futures::StreamExt as _;
use serde_json::json;

use super::{OBJECTS, line};

const INTERVAL_SECONDS: u64 = 3600;
/// Longer than a thousand objects take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// With ten keys, and with as many keys as objects.
pub(super) async fn run() -> anyhow::Result<()> {
    for keys in [10, OBJECTS] {
        let story = Story::begin_with(&format!("keys-{keys}"), &["--concurrent=16"]).await;
        for key in 0..keys {
            story.registry.push_files(&format!("r/{key}"), "latest", &[("cm.yaml", b"x")]);
        }
        let begin = |at: usize| {
            let url = story.registry.url(&format!("r/{}", at % keys));
            let story = &story;
            async move { story.follow(&format!("s-{at}"), json!({"url": url, "interval": "1h"})).await }
        };
        futures::stream::iter(0..OBJECTS).map(begin).buffer_unordered(16).collect::<Vec<_>>().await;
        pass(&story, 0, 1).await?;
        // The first time that nothing is new is told.
        pass(&story, INTERVAL_SECONDS, 2).await?;
        // Events are written in the background: what is new, and that nothing is.
        let told = async || story.happenings("OCIRepository").await.len();
        let late = settled(PATIENCE, async || match told().await {
            count if count == 2 * OBJECTS => Vec::new(),
            count => vec![format!("{count} events")],
        });
        anyhow::ensure!(late.await.is_empty(), "not every event was written");
        let before = story.states("OCIRepository").await;
        story.registry.take_log();
        pass(&story, INTERVAL_SECONDS, 3).await?;
        let log = story.registry.take_log();
        let written = story
            .states("OCIRepository")
            .await
            .iter()
            .filter(|state| !before.contains(state))
            .count();
        let told = told().await - 2 * OBJECTS;
        line(
            &format!("{OBJECTS} objects, {keys} keys: requests an interval"),
            &format!("{} to the registry, {written} states and {told} events written", log.len()),
            &format!("{}, 0, 0", if keys == OBJECTS { OBJECTS } else { 2 * keys }),
        );
    }
    Ok(())
}

/// Lets time pass, and waits until every object has run that often.
async fn pass(story: &Story, seconds: u64, runs: u64) -> anyhow::Result<()> {
    story.clock.advance(Duration::from_secs(seconds));
    let late = settled(PATIENCE, async || {
        let counts = story.runs().await;
        let done = counts.values().filter(|count| **count >= runs).count();
        if done == OBJECTS { Vec::new() } else { vec![format!("{done} of {OBJECTS} have run")] }
    });
    let late = late.await;
    anyhow::ensure!(late.is_empty(), "{}", late.join(", "));
    Ok(())
}
