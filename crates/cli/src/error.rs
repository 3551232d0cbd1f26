//! What goes to standard error: what failed, why, and what to try.

use std::io::Write;

use anstyle::{AnsiColor, Style};

/// A next step, attached to an error with [`anyhow::Error::context`]'s chain left as it is.
#[derive(Debug)]
pub(crate) struct Hinted {
    source: anyhow::Error,
    hint: &'static str,
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.source)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// Adds a next step to an error.
pub(crate) fn hint(error: impl Into<anyhow::Error>, hint: &'static str) -> anyhow::Error {
    Hinted { source: error.into(), hint }.into()
}

/// Prints `error:`, one `cause:` a source, and `hint:`.
pub(crate) fn report(error: &anyhow::Error) {
    let mut out = anstream::stderr().lock();
    let red = AnsiColor::Red.on_default().bold();
    let hint = error.downcast_ref::<Hinted>().map(|hinted| hinted.hint);
    let mut lines = vec![(red, "error", error.to_string())];
    lines.extend(error.chain().skip(1).map(|cause| (Style::new(), "cause", cause.to_string())));
    lines.extend(hint.map(|hint| (AnsiColor::Cyan.on_default(), "hint", hint.to_owned())));
    for (style, label, text) in lines {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(out, "{style}{label}:{style:#} {text}");
    }
}
