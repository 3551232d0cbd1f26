//! References that leave the tree of files, by their form alone.

/// Whether a reference leaves the tree of files.
pub(crate) fn is_remote(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let schemes = ["http://", "https://", "ssh://", "git://", "file://", "git::", "git@"];
    schemes.iter().any(|scheme| lower.starts_with(scheme))
        || ["github.com/", "github.com:", "gh:"].iter().any(|host| lower.starts_with(host))
        || lower.contains("?ref=")
}

/// Whether a remote reference is not a file over HTTP but a directory of a Git repository.
pub fn is_git(reference: &str) -> bool {
    let lower = reference.to_ascii_lowercase();
    let Some(rest) = ["http://", "https://"].iter().find_map(|scheme| lower.strip_prefix(scheme))
    else {
        return true;
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let names_a_revision = ["ref=", "version="].iter().any(|key| query.contains(key));
    let mut parts = path.split('/').skip(1);
    let is_repository = parts.any(|part| part == "_git" || part.rsplit('.').next() == Some("git"));
    names_a_revision || is_repository || path.contains("//")
}

/// A reference without what may be secret in it: user, password and query.
pub fn shown(reference: &str) -> String {
    let (address, _) = reference.split_once('?').unwrap_or((reference, ""));
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_over_http_and_git_bases_are_told_apart() {
        for file in [
            "https://host/a.yaml",
            "HTTP://host:1/a/b.yaml?token=x",
            "https://host/a.gitx",
            "https://host.git/a.yaml",
        ] {
            assert!(is_remote(file) && !is_git(file), "{file}");
        }
        for git in [
            "https://github.com/org/repo//base?ref=v1",
            "https://host/org/repo.git",
            "https://host/org/repo.git/base",
            "https://host/org/repo?ref=main",
            "https://dev.azure.com/o/_git/repo",
            "https://host/org//base",
            "git@host:org/repo",
            "ssh://git@host/repo",
            "git::https://host/repo",
            "github.com/org/repo",
            "repo?ref=v1",
        ] {
            assert!(is_remote(git) && is_git(git), "{git}");
        }
        assert!(!is_remote("base/a.yaml"));
    }

    /// security.md, G6.
    #[test]
    fn credentials_in_a_reference_are_not_shown() {
        for (reference, text) in [
            ("https://user:pass@host/a@b.yaml?sig=canary", "https://host/a@b.yaml"),
            ("ssh://git@host", "ssh://host"),
            ("git@host:org/repo?ref=v1", "git@host:org/repo"),
        ] {
            assert_eq!(shown(reference), text);
        }
    }
}
