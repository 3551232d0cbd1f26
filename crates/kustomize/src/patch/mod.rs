//! The two patch languages.

mod items;
pub(crate) mod json6902;
pub(crate) mod schema;
pub(crate) mod strategic;
