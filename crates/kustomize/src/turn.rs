//! Steps that look at one resource alone, taken resource by resource.
//!
//! What one step leaves in the processor's caches the next one finds there: thousands of resources
//! do not fit in them. It ends as if every step had gone through all resources before the next.

use manifest::parts;

use crate::Error;
use crate::resource::Resource;

/// Changes one resource.
type Step<'a> = Box<dyn Fn(&mut Resource) -> Result<(), Error> + Sync + 'a>;

/// The fewest resources that a thread is started for.
const PART_MIN: usize = 200;

/// Steps in their order.
#[derive(Default)]
pub(crate) struct Turn<'a>(Vec<Step<'a>>);

impl<'a> Turn<'a> {
    /// Adds the step that comes next.
    pub(crate) fn then(&mut self, step: impl Fn(&mut Resource) -> Result<(), Error> + Sync + 'a) {
        self.0.push(Box::new(step));
    }

    /// Takes all steps with every resource, on at most `threads` threads. The error is that of the
    /// first step that fails anywhere, on the first resource with which it does.
    pub(crate) fn run(self, resources: &mut [Resource], threads: usize) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let size = parts::size_of_each(resources.len(), threads, PART_MIN);
        let failures = parts::each(resources.chunks_mut(size).collect(), |part| self.take(part));
        let first = failures.into_iter().flatten().min_by_key(|(nth, _)| *nth);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The first step that fails with any of these, and its error.
    fn take(&self, resources: &mut [Resource]) -> Option<(usize, Error)> {
        let mut failed = None;
        let mut steps = self.0.as_slice();
        for resource in resources {
            for (nth, step) in steps.iter().enumerate() {
                if let Err(error) = step(resource) {
                    failed = Some((nth, error));
                    steps = &steps[..nth];
                    break;
                }
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::Value;

    #[test]
    fn the_first_step_that_fails_anywhere_is_told() {
        let mut resources: Vec<_> = (0..3_i64).map(|n| Resource::new(Value::from(n))).collect();
        let fails_at = |number: i64, name: &'static str| {
            move |resource: &mut Resource| match resource.value.as_i64() {
                Some(own) if own == number => Err(Error::rule(name)),
                _ => Ok(()),
            }
        };
        let mut turn = Turn::default();
        turn.then(fails_at(2, "first step"));
        turn.then(fails_at(0, "second step"));
        assert_eq!(
            turn.run(&mut resources, 1).map_err(|e| e.chain()),
            Err("first step".to_owned())
        );
    }
}
