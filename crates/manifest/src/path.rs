//! Field paths, as kustomize's files write them.

use std::borrow::Cow;

/// Splits a path such as `metadata/annotations/a\/b` at its slashes; `\/` is a slash in a name.
pub fn split_slashes(path: &str) -> Vec<String> {
    split(path, b'/')
}

/// Splits the first part off a path such as `metadata/annotations/a\/b`; `None` after the last.
pub fn first_of_slashes(path: &str) -> (Cow<'_, str>, Option<&str>) {
    first_of(path, b'/')
}

fn first_of(path: &str, delimiter: u8) -> (Cow<'_, str>, Option<&str>) {
    let mut first = Cow::Borrowed("");
    let mut rest = path;
    loop {
        let (part, after) = match rest.find(char::from(delimiter)) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let escaped = after.filter(|_| part.ends_with('\\'));
        let kept = escaped.map_or(part, |_| &part[..part.len() - 1]);
        if first.is_empty() {
            first = Cow::Borrowed(kept);
        } else {
            first.to_mut().push_str(kept);
        }
        let Some(more) = escaped else { return (first, after) };
        first.to_mut().push(char::from(delimiter));
        rest = more;
    }
}

/// Splits a path such as `spec.containers.[name=a.b].image` at its dots.
///
/// Brackets keep their content together; a bracket without `=` is a name and loses its brackets.
pub fn split_dots(path: &str) -> Vec<String> {
    let mut parts = split(path, b'.').into_iter();
    let mut result = Vec::new();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut bracket = part;
        for more in parts.by_ref() {
            bracket.push('.');
            bracket.push_str(&more);
            if more.ends_with(']') {
                break;
            }
        }
        if bracket.contains('=') {
            result.push(bracket);
        } else {
            result.push(bracket.trim_matches(['[', ']']).to_owned());
        }
    }
    result
}

fn split(path: &str, delimiter: u8) -> Vec<String> {
    let mut rest = Some(path.strip_prefix(char::from(delimiter)).unwrap_or(path));
    let mut parts = Vec::new();
    while let Some(path) = rest {
        let (first, after) = first_of(path, delimiter);
        parts.push(first.into_owned());
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_kustomize_does() {
        assert_eq!(split_slashes("/a/b\\/c/d"), ["a", "b/c", "d"]);
        assert_eq!(split_dots("a.[b.c].d"), ["a", "b.c", "d"]);
        assert_eq!(split_dots("a.[n=x.y].d"), ["a", "[n=x.y]", "d"]);
        assert_eq!(split_dots("a.b\\.c"), ["a", "b.c"]);
    }
}
