//! What goes wrong while evaluating.

/// Why there is no value.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The expression does not fit its data; `&&`, `||` and their like may make up for it.
    Of(String),
    /// It costs more than it may: nothing makes up for that.
    Exhausted,
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self::Of(text.into())
    }

    /// No function takes these arguments.
    pub(crate) fn no_overload() -> Self {
        Self::of("no such overload")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(text) => out.write_str(text),
            Self::Exhausted => out.write_str("operation cancelled: actual cost limit exceeded"),
        }
    }
}
