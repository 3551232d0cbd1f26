//! How far a blob has come, for whoever waits for it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;

/// What is sent between two words about it.
const CHUNK_BYTES: usize = 64 * 1024;

/// Is told how many of how many bytes of a blob have gone or come; by default nobody is.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Tell>>);

type Tell = dyn Fn(u64, u64) + Send + Sync;

impl fmt::Debug for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}

impl Progress {
    /// Tells `tell` the bytes that are done and all bytes. A blob that is sent again begins anew.
    pub fn new(tell: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, done_bytes: u64, total_bytes: u64) {
        if let Some(tell) = &self.0 {
            tell(done_bytes, total_bytes);
        }
    }

    /// A body that tells how much of it was taken.
    pub(crate) fn body(&self, bytes: &Bytes) -> reqwest::Body {
        if !self.is_watched() {
            return bytes.clone().into();
        }
        let (progress, total) = (self.clone(), bytes.len() as u64);
        let chunks = stream::unfold((bytes.clone(), 0), move |(mut rest, done)| {
            let progress = progress.clone();
            async move {
                if rest.is_empty() {
                    return None;
                }
                let chunk = rest.split_to(CHUNK_BYTES.min(rest.len()));
                let done = done + chunk.len() as u64;
                progress.tell(done, total);
                Some((Ok::<_, Infallible>(chunk), (rest, done)))
            }
        });
        reqwest::Body::wrap_stream(chunks)
    }
}
