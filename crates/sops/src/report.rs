//! What is said when nobody has the data key, in the reference's form.

use crate::keys::{MasterKey, Unwrapped, Wrapped};

const KEY_COLUMNS: usize = 60;
const TRAILER_COLUMNS: usize = 75;

/// Who was tried, and why that did not do; `found` groups gave their share.
pub(crate) fn failed(wrapped: &Wrapped, outcomes: &[Vec<Unwrapped>], found: usize) -> String {
    let groups = wrapped.groups.iter().zip(outcomes).enumerate().map(group);
    let groups: Vec<_> = groups.collect();
    let threshold = wrapped.threshold;
    let trailer = if threshold == 0 {
        "Recovery failed because no master key was able to decrypt the file. In order for SOPS to \
         recover the file, at least one key has to be successful, but none were."
            .to_owned()
    } else {
        format!(
            "Recovery failed because the file was encrypted with a Shamir threshold of {threshold}, \
             but only {found} part(s) were successfully recovered, one for each successful key \
             group. In order for SOPS to recover the file, at least {threshold} groups have to be \
             successful. In order for a group to be successful, decryption has to succeed with any \
             of the keys in that key group."
        )
    };
    format!(
        "Failed to get the data key required to decrypt the SOPS file.\n\n{}\n\n{}",
        groups.join("\n\n"),
        wrap(&trailer, TRAILER_COLUMNS).join("\n")
    )
}

fn group((at, (keys, outcomes)): (usize, (&Vec<MasterKey>, &Vec<Unwrapped>))) -> String {
    if outcomes.iter().any(Result::is_ok) {
        return format!("Group {at}: SUCCESS");
    }
    let failures = keys.iter().zip(outcomes).filter_map(|(key, outcome)| {
        let problem = outcome.as_ref().err()?;
        let lines = wrap(problem, KEY_COLUMNS).join("\n      | ");
        Some(format!("  {}: FAILED\n    - | {lines}", key.id))
    });
    let failures: Vec<_> = failures.collect();
    format!("Group {at}: FAILED\n{}", failures.join("\n\n"))
}

/// Breaks a text into lines of at most so many characters, between words; a longer word has a line
/// of its own.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyId;

    /// As the reference was recorded to say it.
    #[test]
    fn every_key_is_told_of() {
        let id = KeyId::Age { recipient: "age1x".into() };
        let wrapped =
            Wrapped { groups: vec![vec![MasterKey { id, wrapped: String::new() }]], threshold: 0 };
        let problem = "failed to create reader for decrypting sops data key with age: identity did \
                       not match any of the recipients: incorrect identity for recipient block";
        let expected = "Failed to get the data key required to decrypt the SOPS file.

Group 0: FAILED
  age1x: FAILED
    - | failed to create reader for decrypting sops data key with
      | age: identity did not match any of the recipients: incorrect
      | identity for recipient block

Recovery failed because no master key was able to decrypt the file. In
order for SOPS to recover the file, at least one key has to be successful,
but none were.";
        let outcomes = [vec![Err(problem.to_owned())]];
        assert_eq!(wrapped.conclude(&outcomes), Err(expected.to_owned()));
    }
}
