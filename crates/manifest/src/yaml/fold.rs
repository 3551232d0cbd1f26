//! Folded scalars, which kustomize changes when it writes them and reads them again.

/// What a folded scalar becomes when kustomize writes it and reads it again: its writer puts one
/// break too many before a line that is indented deeper and at an end of several, and none too many
/// anywhere if the text itself begins with a blank.
pub(crate) fn refold(text: &str) -> String {
    let broken = text.contains(" \n") || text.ends_with(' ') || text.contains('\t');
    let first = text.trim_start_matches('\n').chars().next();
    if broken || first.is_none() || !text.contains('\n') {
        return text.to_owned();
    }
    let extra = first != Some(' ');
    let body = text.trim_end_matches('\n');
    let mut out = String::with_capacity(text.len() + 8);
    let mut lines = body.split('\n').peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        let Some(next) = lines.peek() else { break };
        let normal = !line.is_empty() && !line.starts_with(' ');
        let deeper = next.starts_with(' ');
        match (extra, normal, deeper) {
            (true, true, true) => out.push_str("\n\n"),
            (false, true, false) if !next.is_empty() => out.push(' '),
            _ => out.push('\n'),
        }
    }
    let end = &text[body.len()..];
    let deep = body.rsplit('\n').next().is_some_and(|line| line.starts_with(' '));
    if extra && !deep && end.len() > 1 {
        out.push('\n');
    }
    out.push_str(end);
    out
}
