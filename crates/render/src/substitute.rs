//! The grammar of variables in a built object's text.
//!
//! Bug-compatible with the reference (kustomization.md, 7 and 22.1 to 22.4): only `${…}` is
//! special, `$$` is a dollar, all five default operators are the same, globs cross slashes.

mod glob;
mod grammar;
mod operators;
mod runes;

use indexmap::IndexMap;

use grammar::Node;

/// Values by name.
pub type Variables = IndexMap<String, String>;

/// How deep expressions may nest.
pub const DEPTH_MAX: usize = 64;
/// How many expressions a text may have.
pub const EXPRESSIONS_MAX: usize = 1 << 20;
/// How long a substituted text may become.
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// How many bytes one text may make anybody look at, those that do not stay included.
pub const STEPS_MAX: usize = 1 << 28;

/// What becomes of a variable that is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// It is an error.
    #[default]
    Refused,
    /// It is empty.
    Empty,
}

/// Why a text cannot be substituted. Never shows a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `${` is not followed by a name.
    #[error("unable to parse variable name")]
    Name,
    /// An expression is not closed where it must be.
    #[error("missing closing brace")]
    Brace,
    /// An expression breaks the grammar.
    #[error("bad substitution")]
    Bad,
    /// The argument of an operator breaks the grammar.
    #[error("unable to parse substitution within function")]
    Argument,
    /// A variable without default is not set.
    #[error("variable not set (strict mode): {0:?}")]
    Unset(String),
    /// A part of a value is asked for that ends before it begins.
    #[error("slice bounds out of range in `${{{0}}}`")]
    Range(String),
    /// A bound of this grammar is exceeded.
    #[error("{0} exceeds its limit")]
    Limit(&'static str),
    /// A bound of this grammar is exceeded by what a variable makes.
    #[error("{what} exceeds its limit in `${{{name}}}`")]
    TooMuch {
        /// Which bound.
        what: &'static str,
        /// The variable.
        name: String,
    },
}

/// Expands a template. Slices count bytes, so the result may be no text.
pub fn substitute(template: &str, variables: &Variables, unset: Unset) -> Result<Vec<u8>, Error> {
    let nodes = grammar::parse(template)?;
    let mut expansion = Expansion { variables, unset, budget: Budget { left: STEPS_MAX } };
    let mut out = Vec::new();
    for node in &nodes {
        expansion.write(node, &mut out)?;
    }
    Ok(out)
}

/// What is left of [`STEPS_MAX`].
struct Budget {
    left: usize,
}

/// A bound, and not yet whose expression went beyond it.
struct Exceeded(&'static str);

impl Budget {
    fn spend(&mut self, steps: usize) -> Result<(), Exceeded> {
        let left = self.left.checked_sub(steps);
        self.left = left.ok_or(Exceeded("work of substitution"))?;
        Ok(())
    }
}

struct Expansion<'a> {
    variables: &'a Variables,
    unset: Unset,
    budget: Budget,
}

impl Expansion<'_> {
    /// Appends what a node stands for.
    fn write(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<(), Error> {
        let (name, operator, arguments) = match node {
            Node::Text(text) => {
                out.extend(text);
                return Ok(());
            }
            Node::Function { name, operator, arguments } => (*name, *operator, arguments),
        };
        let mut values = Vec::new();
        for argument in arguments {
            let mut value = Vec::new();
            self.write(argument, &mut value)?;
            values.push(value);
        }
        let value = self.variables.get(name);
        if value.is_none() && self.unset == Unset::Refused && operator != ":=" {
            return Err(Error::Unset(name.to_owned()));
        }
        let value = value.map_or("", String::as_str);
        let made = operators::apply(operator, value, &values, &mut self.budget)
            .map_err(|refused| refused.of(name))?;
        if out.len() + made.len() > TEXT_BYTES_MAX {
            return Err(Exceeded("substituted text").of(name));
        }
        out.extend(made);
        Ok(())
    }
}

impl Exceeded {
    fn of(self, name: &str) -> Error {
        Error::TooMuch { what: self.0, name: name.to_owned() }
    }
}
