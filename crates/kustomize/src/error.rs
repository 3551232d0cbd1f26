//! Every failure of a build, with the steps that led to it.

use manifest::{Value, pattern, selector, yaml};

/// Why a build failed. Where kustomize's wording is stable, it is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was being done when something else failed.
    #[error("{step}")]
    Step {
        /// The step, named with its subject.
        step: String,
        /// What failed.
        source: Box<Error>,
    },
    /// A file or directory cannot be used.
    #[error("{problem}")]
    File {
        /// Operation, path and reason.
        problem: String,
    },
    /// A file is no YAML.
    #[error("MalformedYAMLError: {source} in File: {file}")]
    Malformed {
        /// The file as named by whoever refers to it.
        file: String,
        /// Where it breaks the grammar.
        source: yaml::Error,
    },
    /// A kustomization file breaks its schema.
    #[error("invalid Kustomization: {0}")]
    Kustomization(String),
    /// Two objects have the same identity.
    #[error("may not add resource with an already registered id: {0}")]
    Duplicate(String),
    /// A selector cannot be read.
    #[error("{0}")]
    Selector(#[from] selector::Error),
    /// A pattern cannot be compiled.
    #[error("{0}")]
    Pattern(#[from] pattern::Error),
    /// Something that this engine refuses on purpose.
    #[error("{0}")]
    Refused(String),
    /// A bound is exceeded.
    #[error("{0} exceeds its limit")]
    Limit(&'static str),
    /// A rule of kustomize is broken; the text is kustomize's.
    #[error("{0}")]
    Rule(String),
}

impl Error {
    /// A broken rule.
    pub(crate) fn rule(text: impl Into<String>) -> Self {
        Self::Rule(text.into())
    }

    /// A value of another kind than the one that is needed here.
    pub(crate) fn wrong_kind(value: &Value, wanted: &str) -> Self {
        let found = match value {
            Value::Map(_) => "MappingNode",
            Value::List(_) => "SequenceNode",
            _ => "ScalarNode",
        };
        let text = yaml::to_source(value);
        Self::rule(format!(
            "wrong node kind: expected {wanted} but got {found}: node contents:\n{text}"
        ))
    }

    /// Adds the step during which this happened.
    pub(crate) fn during(self, step: impl Into<String>) -> Self {
        Self::Step { step: step.into(), source: Box::new(self) }
    }

    /// The whole story on one line, outermost step first: what kustomize prints.
    pub fn chain(&self) -> String {
        match self {
            Self::Step { step, source } => format!("{step}: {}", source.chain()),
            other => other.to_string(),
        }
    }

    /// Whether a text broke the grammar of YAML.
    pub(crate) fn is_malformed(&self) -> bool {
        match self {
            Self::Malformed { .. } => true,
            Self::Step { source, .. } => source.is_malformed(),
            _ => false,
        }
    }
}

/// Makes a value what it is once it was printed and read again.
pub(crate) fn settle(value: &mut Value) -> Result<(), Error> {
    value.settle().map_err(|error| Error::rule(error.to_string()))
}

/// Refuses lists and mappings.
pub(crate) fn expect_scalar(value: &Value) -> Result<(), Error> {
    match value {
        Value::Map(_) | Value::List(_) => Err(Error::wrong_kind(value, "ScalarNode")),
        _ => Ok(()),
    }
}

/// Adds the step during which a result failed.
pub(crate) trait During<T> {
    fn during(self, step: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, step: impl FnOnce() -> String) -> Self {
        self.map_err(|error| error.during(step()))
    }
}
