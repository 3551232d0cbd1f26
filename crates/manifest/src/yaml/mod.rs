//! YAML in and out, with the rules of go-yaml as kustomize applies them.
//!
//! Kustomize reads with one edition of go-yaml and converts configuration files with an older one;
//! the difference is a [`Dialect`]. Its output is what that older edition prints for JSON, so the
//! writer has one form for every tree.

mod block;
mod builder;
mod fold;
mod json;
mod layout;
mod order;
mod read;
mod relax;
mod scalar;
mod style;
mod text;
mod write;

pub(crate) use fold::refold;
pub use json::{general, to_json};
pub use read::{ALIAS_NODES_MAX, DEPTH_MAX, Document, Error, Step, TEXT_BYTES_MAX};
pub(crate) use scalar::{decode_base64, tag_of, timestamp};
pub use write::{printed_style, to_source, to_string, write};

use crate::Value;

/// Which spellings of scalars have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Manifests: `yes` is text, `0o17` is a number, a date is rewritten as a timestamp.
    Manifest,
    /// Configuration: `yes` is true, `0o17` is text, a date stays as written, keys become text.
    Configuration,
}

/// Reads every document of a file of manifests; empty documents are left out.
pub fn read_manifests(text: &str) -> Result<Vec<Document>, Error> {
    let mut documents = read_as_written(text, 1)?;
    for document in &mut documents {
        document.value.settle()?;
    }
    Ok(documents)
}

/// Reads every document of a file of manifests as [`read_manifests`] does, but with the spelling and
/// style of all scalars, which a build may still need: [`Value::settle`] makes them what they mean.
/// A large file is read on at most `threads` threads.
pub fn read_as_written(text: &str, threads: usize) -> Result<Vec<Document>, Error> {
    read::documents(text, Dialect::Manifest, threads)
}

/// What the fast reader makes of a text, if it reads it, and what the full parser does: fuzzing
/// holds them against each other.
#[cfg(fuzzing)]
pub fn read_both_ways(
    text: &str,
    dialect: Dialect,
) -> (Option<Vec<Document>>, Result<Vec<Document>, Error>) {
    (block::documents(text, dialect, 1), read::parsed(text, dialect))
}

/// Reads the first document of a configuration file; an empty file is null.
pub fn read_configuration(text: &str) -> Result<Value, Error> {
    let documents = read::documents(text, Dialect::Configuration, 1)?;
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}

/// Reads one document as a manifest would be read; an empty text is null.
pub fn read_one(text: &str) -> Result<Value, Error> {
    let documents = read_manifests(text)?;
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}

/// What an unquoted scalar of a manifest means, with its spelling.
pub fn resolve_plain(text: &str) -> Value {
    scalar::resolve(text, Dialect::Manifest)
        .map_or_else(|_| text.into(), |scalar| scalar.into_spelled(text))
}
