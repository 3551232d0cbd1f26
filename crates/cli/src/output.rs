//! What goes to standard output.

use std::io::Write;

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints one result in the form that was asked for.
pub(crate) fn print(format: Format, text: &str, value: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => writeln!(out, "{text}")?,
        Format::Json => writeln!(out, "{value:#}")?,
    }
    Ok(())
}
