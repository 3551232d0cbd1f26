//! Static types.

use std::fmt;
use std::sync::Arc;

/// What is known of a value before it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Anything.
    Dyn,
    /// What was told to be wrong already.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Self>),
    Map(Arc<(Self, Self)>),
    Optional(Arc<Self>),
    /// A type as a value.
    Kind(Option<Arc<Self>>),
    /// A value or null.
    Wrapper(Arc<Self>),
    /// To be found out.
    Param(usize),
}

impl Type {
    pub(crate) fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    pub(crate) fn optional(inner: Self) -> Self {
        Self::Optional(Arc::new(inner))
    }

    pub(crate) fn of(inner: Self) -> Self {
        Self::Kind(Some(Arc::new(inner)))
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// The type without its parameters, as it is called in an expression.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Dyn | Self::Param(_) => "dyn",
            Self::Error => "!error!",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Kind(_) => "type",
            Self::Wrapper(_) => "wrapper",
        }
    }

    fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(item) | Self::Optional(item) | Self::Wrapper(item) => vec![item],
            Self::Map(pair) => vec![&pair.0, &pair.1],
            Self::Kind(inner) => inner.as_deref().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// In the words of problems found while checking.
    pub(crate) fn in_faults(&self) -> String {
        let name = match self {
            Self::Null => "null",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            other => other.name(),
        };
        let parameters: Vec<_> = self.parameters().into_iter().map(Self::in_faults).collect();
        with_parameters(name, &parameters)
    }
}

/// In the words of a mismatch of the whole expression.
impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<_> = self.parameters().into_iter().map(ToString::to_string).collect();
        out.write_str(&with_parameters(self.name(), &parameters))
    }
}

fn with_parameters(name: &str, parameters: &[String]) -> String {
    if parameters.is_empty() {
        return name.to_owned();
    }
    format!("{name}({})", parameters.join(", "))
}
