//! Steps that look at one resource alone, taken resource by resource.
//!
//! What one step leaves in the processor's caches the next one finds there: thousands of resources
//! do not fit in them. It ends as if every step had gone through all resources before the next.

use crate::Error;
use crate::resource::Resource;

/// Changes one resource.
type Step<'a> = Box<dyn FnMut(&mut Resource) -> Result<(), Error> + 'a>;

/// Steps in their order.
#[derive(Default)]
pub(crate) struct Turn<'a>(Vec<Step<'a>>);

impl<'a> Turn<'a> {
    /// Adds the step that comes next.
    pub(crate) fn then(&mut self, step: impl FnMut(&mut Resource) -> Result<(), Error> + 'a) {
        self.0.push(Box::new(step));
    }

    /// Takes all steps with every resource. The error is that of the first step that fails anywhere,
    /// on the first resource with which it does.
    pub(crate) fn run(mut self, resources: &mut [Resource]) -> Result<(), Error> {
        let mut result = Ok(());
        for resource in resources {
            let mut failed = None;
            for (nth, step) in self.0.iter_mut().enumerate() {
                if let Err(error) = step(resource) {
                    (failed, result) = (Some(nth), Err(error));
                    break;
                }
            }
            if let Some(nth) = failed {
                self.0.truncate(nth);
            }
        }
        result
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
        assert_eq!(turn.run(&mut resources).map_err(|e| e.chain()), Err("first step".to_owned()));
    }
}
