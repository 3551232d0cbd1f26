//! What built objects are when they are applied (kustomization.md, 9.1).

use std::fmt;

use manifest::Object;

use crate::normalize::{self, drop_bad_authority, normalize};

/// Fields of an object that its kind does not know: they are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The object: kind, namespace and name.
    pub subject: String,
    /// Paths of the fields.
    pub fields: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: unknown fields are dropped: {}", self.subject, self.fields.join(", "))
    }
}

/// An object that cannot be applied at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject} {why}")]
pub struct Unfit {
    /// The object: kind, namespace and name.
    pub subject: String,
    /// Why.
    pub why: normalize::Error,
}

/// Makes every object what its kind makes of it, and says what is lost by that.
pub fn prepare(objects: &mut [Object]) -> Result<Vec<Unknown>, Unfit> {
    let mut unknown = Vec::new();
    for object in objects {
        let subject = object.id().subject();
        let fields = normalize(object).map_err(|why| Unfit { subject: subject.clone(), why })?;
        if !fields.is_empty() {
            unknown.push(Unknown { subject, fields });
        }
        drop_bad_authority(object);
    }
    Ok(unknown)
}
