//! Keys and values from files, env files and literals.

use crate::Error;
use crate::error::During;
use crate::kustomization::DataArguments;
use crate::load::{Loader, Location};

/// A key with its content, in the order of the sources.
pub(super) type Pair = (String, Vec<u8>);

/// Reads every source of a generator: env files, literals, files.
pub(super) fn pairs(
    loader: &mut Loader<'_>,
    at: &Location,
    arguments: &DataArguments,
) -> Result<Vec<Pair>, Error> {
    let mut pairs = Vec::new();
    for path in &arguments.envs {
        let lines = env_file(loader, at, path);
        pairs.append(
            &mut lines.during(|| format!("env source files: {}", listed(&arguments.envs)))?,
        );
    }
    for source in &arguments.literals {
        let pair = literal(source);
        pairs.push(pair.during(|| format!("literal sources {}", listed(&arguments.literals)))?);
    }
    for source in &arguments.files {
        let pair = file(loader, at, source);
        pairs.push(pair.during(|| format!("file sources: {}", listed(&arguments.files)))?);
    }
    Ok(pairs)
}

fn listed(texts: &[String]) -> String {
    format!("[{}]", texts.join(" "))
}

fn literal(source: &str) -> Result<Pair, Error> {
    let invalid = || Error::rule(format!("invalid literal source {source}, expected key=value"));
    let (key, value) = source.split_once('=').ok_or_else(invalid)?;
    if key.is_empty() {
        return Err(invalid());
    }
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    Ok((key.to_owned(), unquoted.unwrap_or(value).as_bytes().to_vec()))
}

fn file(loader: &mut Loader<'_>, at: &Location, source: &str) -> Result<Pair, Error> {
    let (key, path) = match source.split_once('=') {
        None => (base_name(source), source),
        Some(("", path)) => {
            return Err(Error::rule(format!(
                "missing key name for file path \"{path}\" in source \"{source}\""
            )));
        }
        Some((key, "")) => {
            return Err(Error::rule(format!(
                "missing file path for key name \"{key}\" in source \"{source}\""
            )));
        }
        Some((_, path)) if path.contains('=') => {
            return Err(Error::rule(format!(
                "source \"{source}\" key name or file path contains '='"
            )));
        }
        Some(parts) => parts,
    };
    Ok((key.to_owned(), loader.load(at, path)?))
}

/// The last part of a path, which may end in slashes.
fn base_name(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit('/').next() {
        Some("") | None if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

fn env_file(loader: &mut Loader<'_>, at: &Location, path: &str) -> Result<Vec<Pair>, Error> {
    let text = loader.load_text(at, path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut pairs = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        pairs.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    Ok(pairs)
}
