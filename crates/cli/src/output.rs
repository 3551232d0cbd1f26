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
    /// For programs that read YAML.
    Yaml,
}

/// Prints one result in the form that was asked for.
pub(crate) fn print(format: Format, text: &str, value: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => writeln!(out, "{text}")?,
        Format::Json => writeln!(out, "{value:#}")?,
        Format::Yaml => write!(out, "{}", to_yaml(value)?)?,
    }
    Ok(())
}

/// JSON is YAML, which our own writer puts into the form that people know.
fn to_yaml(value: &serde_json::Value) -> anyhow::Result<String> {
    let value = manifest::yaml::read_configuration(&value.to_string())?;
    Ok(manifest::yaml::to_string(&value))
}

/// Columns as wide as their widest cell.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
