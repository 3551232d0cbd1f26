//! stub

mod constraint;
mod filter;
mod reference;
mod select;
mod version;

pub use constraint::{Constraint, InvalidConstraint};
pub use filter::{Filter, InvalidFilter};
pub use reference::{InvalidReference, PlainHttp, Reference};
pub use select::{NoTag, Range, Select, Spelling};
