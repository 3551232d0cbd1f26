//! CEL expressions over Kubernetes objects: health checks and readiness of dependencies.
//!
//! Takes the text of an expression and the data that it talks about, gives a value or an error in
//! the reference's words (kustomization.md, 4, 11.3 and 22.12). An expression is bounded in length
//! and depth when it is parsed, in cost before it is evaluated, and in steps while it is. Nothing
//! here does I/O or reads a clock.
//!
//! ```
//! use expression::Expression;
//! let object = serde_json::json!({"status": {"phase": "Bound"}}).into();
//! let bound = Expression::parse("status.phase == 'Bound'")?;
//! assert_eq!(bound.holds(&expression::fields(&object)), Ok(true));
//! let missing = Expression::parse("has(data.key)")?.holds(&expression::fields(&object));
//! assert_eq!(
//!     missing.unwrap_err().to_string(),
//!     "failed to evaluate the CEL expression 'has(data.key)': no such attribute(s): data.key",
//! );
//! # Ok::<(), expression::Error>(())
//! ```

mod aggregates;
mod ast;
mod brackets;
mod budget;
mod call;
mod check;
mod compare;
mod convert;
mod declarations;
mod evaluate;
mod fault;
mod format;
mod lexer;
mod literal;
mod macros;
mod messages;
mod operators;
mod parser;
mod prepare;
mod recovery;
mod source;
mod text;
mod time;
mod types;
mod unify;
mod value;

pub use value::{Key, Value};

/// Why an expression cannot be used, or has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no expression, or not one whose types fit.
    #[error("failed to parse the CEL expression '{expression}': {problems}")]
    Syntax {
        /// The text.
        expression: String,
        /// What is wrong, one after the other.
        problems: String,
    },
    /// It gives something else than what is wanted, whatever its data are.
    #[error("CEL expression output type mismatch: expected bool, got {0}")]
    NotBool(String),
    /// A constant part of it has no value.
    #[error("failed to create CEL program: {0}")]
    Constant(String),
    /// It does not fit its data, or costs too much.
    #[error("failed to evaluate the CEL expression '{expression}': {cause}")]
    Evaluation {
        /// The text.
        expression: String,
        /// Why.
        cause: String,
    },
    /// It gave something else than `true` or `false`.
    #[error("failed to evaluate CEL expression as boolean: '{0}'")]
    NotTrueOrFalse(String),
}

/// Variables by name.
pub type Variables<'a> = [(&'a str, &'a manifest::Value)];

/// The fields of an object as variables.
pub fn fields(object: &manifest::Value) -> Vec<(&str, &manifest::Value)> {
    object.as_map().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect()
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    root: ast::Expr,
}

impl Expression {
    /// Reads an expression over variables that nobody knows yet.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let root = parsed(text)?;
        prepare::prepare(&root).map_err(Error::Constant)?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// Reads an expression over `variables`, each of which holds an object; it must be clear from
    /// its types that it is either true or false.
    pub fn parse_bool(text: &str, variables: &[&str]) -> Result<Self, Error> {
        let root = parsed(text)?;
        let kind = check::check(&root, variables)
            .map_err(|faults| syntax(text, source::display(text, faults)))?;
        if kind != types::Type::Bool {
            return Err(Error::NotBool(kind.to_string()));
        }
        prepare::prepare(&root).map_err(Error::Constant)?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// Its value.
    pub fn value(&self, variables: &Variables<'_>) -> Result<Value, Error> {
        let variables = variables
            .iter()
            .filter(|(name, _)| self.text.contains(name))
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        evaluate::evaluate(&self.root, variables).map_err(|fault| Error::Evaluation {
            expression: self.text.clone(),
            cause: fault.to_string(),
        })
    }

    /// Whether it holds.
    pub fn holds(&self, variables: &Variables<'_>) -> Result<bool, Error> {
        match self.value(variables)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Error::NotTrueOrFalse(self.text.clone())),
        }
    }
}

fn parsed(text: &str) -> Result<ast::Expr, Error> {
    parser::parse(text).map_err(|problems| syntax(text, problems))
}

fn syntax(text: &str, problems: String) -> Error {
    Error::Syntax { expression: text.to_owned(), problems }
}
