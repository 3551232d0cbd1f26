//! What the process's surroundings say of its clouds.

use std::collections::HashMap;

use reqwest::Url;

use crate::error::Error;
use crate::secret::Secret;

/// A file that a variable names is not larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Environment variables, as the clouds' own tools read them. Nothing else moves an endpoint.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: HashMap<String, String>,
    detour: Option<Url>,
}

impl Surroundings {
    /// From the variables of a process.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), detour: None }
    }

    /// Sends every request to this address instead of its host, which it still names and signs:
    /// tests stand an imitation of the clouds there.
    #[must_use]
    pub fn by_way_of(self, detour: Url) -> Self {
        Self { detour: Some(detour), ..self }
    }

    pub(crate) fn detour(&self) -> Option<&Url> {
        self.detour.as_ref()
    }

    /// A variable; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The address that a variable holds, else another one.
    pub(crate) fn url(&self, names: &[&str], otherwise: &str) -> Result<Url, Error> {
        let named = names.iter().find_map(|name| Some((*name, self.get(name)?)));
        let (name, text) = named.unwrap_or(("address", otherwise));
        Url::parse(text).map_err(|_| Error::Variable(name.into()))
    }

    /// The content of the file that a variable names, without white space around it.
    pub(crate) async fn file(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(path) => read_file(name, path).await.map(Some),
        }
    }
}

/// Reads a file that `name` leads to, without white space around its content.
pub(crate) async fn read_file(name: &str, path: &str) -> Result<Secret, Error> {
    let failed = |source| Error::File { name: name.into(), source };
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(Error::Malformed { what: name.into(), problem: "the file is too large" });
    }
    let text = Secret::from(tokio::fs::read_to_string(path).await.map_err(failed)?);
    Ok(text.reveal().trim().to_owned().into())
}
