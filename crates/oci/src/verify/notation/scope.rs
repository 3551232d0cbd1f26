//! Registry scopes: which repositories a statement is about.

use super::policy::InvalidPolicy;

/// Every repository.
pub(super) const WILDCARD: &str = "*";

/// Refuses what is no `domain/repository`.
pub(super) fn check(scope: &str) -> Result<(), InvalidPolicy> {
    if scope.len() > 1 && scope.contains('*') {
        return Err(InvalidPolicy::WildScope(scope.into()));
    }
    match scope.split_once('/') {
        Some((domain, repository)) if is_domain(domain) && is_repository(repository) => Ok(()),
        _ => Err(InvalidPolicy::Scope(scope.into())),
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, "0"), |(host, port)| (host, port));
    let label = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        let characters = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && !edges && label.chars().all(characters)
    };
    !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) && host.split('.').all(label)
}

/// Parts of lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_repository(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('/').all(|part| {
        let edges = part.starts_with(alphanumeric) && part.ends_with(alphanumeric);
        let mut between = part.split(alphanumeric).filter(|separator| !separator.is_empty());
        edges
            && between.all(|separator| {
                matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-')
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_whole_repositories() {
        for good in ["a.b/c", "localhost:5000/a-b/c__d", "127.0.0.1:1/a---b.c", "A-b.c/x"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in
            ["a", "/a", "a/", "a.b/C", "a.b/c:v1", "-a/b", "a./b", "a:/b", "a/b..c", "a/b_-c"]
        {
            assert_eq!(check(bad), Err(InvalidPolicy::Scope(bad.into())), "{bad}");
        }
        assert_eq!(check("a/*"), Err(InvalidPolicy::WildScope("a/*".into())));
    }
}
