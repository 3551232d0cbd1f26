//! Work on something large, a part on each of several threads.

use std::panic::resume_unwind;
use std::thread;

/// What `work` makes of each part, in their order. Every part but the first has a thread of its own.
pub fn each<T: Send, R: Send>(parts: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Vec::new() };
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut results = vec![work(first)];
        results.extend(others.into_iter().map(|o| o.join().unwrap_or_else(|e| resume_unwind(e))));
        results
    })
}

/// How large the parts are of a whole of `size` on at most `threads` threads, each worth its thread:
/// `least` at the least.
pub fn size_of_each(size: usize, threads: usize, least: usize) -> usize {
    size.div_ceil(threads.max(1)).max(least)
}
