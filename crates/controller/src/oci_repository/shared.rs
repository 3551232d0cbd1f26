//! Answers that equal questions share, asked for once (decisions.md, steady state).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

/// Questions whose answers are kept; more are forgotten and asked again.
const QUESTIONS_MAX: usize = 4096;

/// When an answer was asked for, and the answer.
type Slot<V> = Option<(Instant, V)>;

/// Answers by question.
pub(super) struct Shared<K, V> {
    slots: Mutex<HashMap<K, Arc<tokio::sync::Mutex<Slot<V>>>>>,
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

/// The right to ask one question. A failure is nobody else's: whoever leaves without an answer lets
/// the next one ask.
pub(super) struct Turn<V>(OwnedMutexGuard<Slot<V>>);

impl<K: Clone + Eq + Hash, V: Clone> Shared<K, V> {
    /// Waits until nobody else is asking this question.
    pub(super) async fn turn(&self, question: &K) -> Turn<V> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= QUESTIONS_MAX && !slots.contains_key(question) {
                slots.clear();
            }
            Arc::clone(slots.entry(question.clone()).or_default())
        };
        Turn(slot.lock_owned().await)
    }
}

impl<V: Clone> Turn<V> {
    /// The answer, if it was asked for at `since` or later.
    pub(super) fn answer(&self, since: Instant) -> Option<V> {
        self.0.as_ref().filter(|(asked, _)| *asked >= since).map(|(_, answer)| answer.clone())
    }

    /// Keeps the answer to a question that was asked at `asked`.
    pub(super) fn keep(mut self, asked: Instant, answer: V) {
        *self.0 = Some((asked, answer));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_shared_while_it_is_young_enough() {
        let (shared, start) = (Shared::<&str, u32>::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let turn = shared.turn(&"a").await;
        assert_eq!(turn.answer(at(0)), None);
        turn.keep(at(5), 1);
        assert_eq!(shared.turn(&"a").await.answer(at(5)), Some(1));
        assert_eq!(shared.turn(&"a").await.answer(at(6)), None, "too old");
        assert_eq!(shared.turn(&"b").await.answer(at(0)), None, "another question");
    }

    #[tokio::test]
    async fn equal_questions_take_turns_and_failures_are_not_shared() {
        let (shared, start) = (Shared::<&str, u32>::default(), Instant::now());
        let first = shared.turn(&"a").await;
        let second = shared.turn(&"a");
        futures::pin_mut!(second);
        assert!(futures::poll!(second.as_mut()).is_pending(), "the first is asking");
        drop(first);
        let second = second.await;
        assert_eq!(second.answer(start), None, "the first had no answer");
        second.keep(start, 2);
        assert_eq!(shared.turn(&"a").await.answer(start), Some(2));
    }
}
