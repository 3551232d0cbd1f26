//! A file cut into its documents, before any of them is read.

use super::Error;

const SEPARATOR: &str = "\n---";

/// The parts between lines that start with `---`. Such a line may go on with a comment only; the
/// first line of a file is none.
pub(super) fn documents(text: &str) -> Result<Vec<&str>, Error> {
    let mut parts = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(at) = text[from..].find(SEPARATOR).map(|at| from + at) {
        let after = at + SEPARATOR.len();
        let Some(rest) = text[after..].split_once('\n').map(|(rest, _)| rest) else { break };
        let shown = rest.trim();
        if !shown.is_empty() && !shown.starts_with('#') {
            return Err(Error::Separator(format!("---{}", rest.trim_end())));
        }
        parts.push(&text[start..=at]);
        start = after + rest.len() + 1;
        from = start;
    }
    parts.push(&text[start..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_dashes_separate() {
        let parts = |text| documents(text).unwrap_or_default();
        assert_eq!(parts("---\na\n---\nb\n--- # c\nd"), ["---\na\n", "b\n", "d"]);
        assert_eq!(parts("a\n---\n---\nb\n---"), ["a\n", "---\nb\n---"]);
        assert!(documents("a\n--- b\nc\n").is_err());
    }
}
