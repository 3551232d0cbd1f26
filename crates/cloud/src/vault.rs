//! Vault and OpenBao: transit keys, for a token or for a ServiceAccount.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::clouds::Clouds;
use crate::error::Error;
use crate::http::Ask;
use crate::secret::Secret;
use crate::who::Account;

/// How somebody shows to Vault who it is.
pub enum VaultLogin<'a> {
    /// By a token.
    Token(&'a Secret),
    /// By a token of a ServiceAccount, at the path of an auth method.
    Account(&'a Account, &'a str),
}

/// A transit key.
#[derive(Clone, Copy)]
pub struct VaultKey<'a> {
    /// The server.
    pub address: &'a str,
    /// Where the engine is mounted.
    pub engine_path: &'a str,
    /// The key's name.
    pub name: &'a str,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Secret,
}

#[derive(Deserialize)]
struct Answer {
    data: Plain,
}

#[derive(Deserialize)]
struct Plain {
    plaintext: Secret,
}

impl Clouds {
    /// What a transit key wrapped, as it stands in a document.
    pub async fn vault_unwrap(
        &self,
        login: VaultLogin<'_>,
        key: &VaultKey<'_>,
        wrapped: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        const WHAT: &str = "Vault transit decrypt";
        let own;
        let token = match login {
            VaultLogin::Token(token) => token,
            VaultLogin::Account(account, path) => {
                own = self.vault_login(account, key.address, path).await?;
                &own
            }
        };
        let url = url(key.address, &[key.engine_path, "decrypt", key.name])?;
        let body = json!({"ciphertext": wrapped});
        let ask = Ask::json(WHAT, url, &body, vec![token.reveal()]);
        let ask = self.in_namespace(ask.header("x-vault-token", token.reveal())?)?;
        let answer: Answer = self.wire().http.json(ask).await?;
        let plain = STANDARD.decode(answer.data.plaintext.reveal());
        let problem = "the answer is not what it should be";
        plain.map(Zeroizing::new).map_err(|_| Error::Malformed { what: WHAT.into(), problem })
    }

    /// Logs a ServiceAccount in: its token is for the server, its role is its own name.
    async fn vault_login(
        &self,
        account: &Account,
        address: &str,
        path: &str,
    ) -> Result<Secret, Error> {
        let token = self.issue(account, address).await?;
        let role = format!("{}_{}", account.namespace, account.name);
        let body = json!({"role": role, "jwt": token.reveal()});
        let ask = Ask::json("Vault login", url(address, &[path])?, &body, vec![token.reveal()]);
        let answer: LoggedIn = self.wire().http.json(self.in_namespace(ask)?).await?;
        Ok(answer.auth.client_token)
    }

    fn in_namespace<'a>(&self, ask: Ask<'a>) -> Result<Ask<'a>, Error> {
        match self.wire().surroundings.get("VAULT_NAMESPACE") {
            None => Ok(ask),
            Some(namespace) => ask.header("x-vault-namespace", namespace),
        }
    }

    /// The operator's own token, for the server that its variables name and no other: the address
    /// of a key stands in a document.
    pub fn vault_token(&self, address: &str) -> Option<Secret> {
        let around = self.wire().surroundings;
        let own = around.get("VAULT_ADDR")?.trim_end_matches('/');
        let token = around.get("VAULT_TOKEN")?;
        (own == address.trim_end_matches('/')).then(|| token.to_owned().into())
    }
}

/// An address of the API: mount points may have several parts.
fn url(address: &str, path: &[&str]) -> Result<Url, Error> {
    let invalid = || Error::Malformed { what: "Vault".into(), problem: "no valid address" };
    let mut url = Url::parse(address).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid());
    }
    let parts = path.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
    if parts.clone().any(|part| part == "..") {
        return Err(invalid());
    }
    url.set_query(None);
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().push("v1").extend(parts);
    Ok(url)
}
