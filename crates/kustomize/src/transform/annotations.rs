//! Annotations on every object, which are set as labels are.

pub(crate) use super::labels::{apply, one};
