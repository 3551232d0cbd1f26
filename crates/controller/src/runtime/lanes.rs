//! Bounded queues of work that is done in the background: what belongs to one object stays in order.

use std::sync::Arc;

use tokio::sync::mpsc;

/// Where work is put.
#[derive(Clone)]
pub(crate) struct Lanes<T>(Arc<[mpsc::Sender<T>]>);

impl<T> Lanes<T> {
    /// So many lanes, each with so much room, and where each ends.
    pub(crate) fn new(count: usize, room: usize) -> (Self, Vec<mpsc::Receiver<T>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(room)).unzip();
        (Self(senders.into()), receivers)
    }

    /// Puts work of the object with this UID into its lane; says whether there was room.
    pub(crate) fn put(&self, uid: &str, work: T) -> bool {
        let at = uid.bytes().map(usize::from).sum::<usize>() % self.0.len();
        self.0[at].try_send(work).is_ok()
    }
}
