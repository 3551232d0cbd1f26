//! Waiting until deleted objects are gone: their finalizers may take their time.

use std::time::Duration;

use manifest::Object;
use plan::inventory::Entry;

use crate::cluster::Cluster;
use crate::error::Refusal;
use crate::wait::Timer;

/// How often objects are read whose end is awaited.
const POLL: Duration = Duration::from_millis(500);

/// Waits until none of these objects is on its way out any more: it is gone, or there anew.
///
/// Fails when the objects cannot be read, or with [`Refusal::Deadline`] after `timeout`.
pub async fn ended<C: Cluster, T: Timer>(
    cluster: &C,
    timer: &T,
    entries: &[Entry],
    timeout: Duration,
) -> Result<(), Refusal> {
    let ended = async {
        for entry in entries {
            while cluster
                .read(&entry.id, &entry.version)
                .await?
                .is_some_and(|live| is_ending(&live))
            {
                timer.sleep(POLL).await;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = ended => result,
        () = timer.sleep(timeout) => Err(Refusal::Deadline),
    }
}

fn is_ending(live: &Object) -> bool {
    live.at(&["metadata", "deletionTimestamp"]).is_some()
}
