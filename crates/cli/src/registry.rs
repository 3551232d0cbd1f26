//! The registry that a command talks to: its address and the credentials for it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use oci::keychain::{Credential, Keychain};
use oci::reference::PlainHttp;
use oci::transport::Verification;
use oci::{Client, Options, Pin, Reference, Select};
use serde_json::Value;

use crate::error::hint;

/// The tag of an address without one.
const DEFAULT_TAG: &str = "latest";
/// What a credential helper says as the user of a token.
const TOKEN_USER: &str = "<token>";

/// How a registry is reached.
#[derive(clap::Args)]
pub(crate) struct Access {
    /// User and password, or a token alone; without them the Docker configuration is used.
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = credentials)]
    creds: Option<Credential>,
    /// Run the credential helpers that the Docker configuration names.
    #[arg(long)]
    credential_helpers: bool,
    /// Allow plain HTTP and certificates of unknown authorities.
    #[arg(long, visible_alias = "insecure")]
    insecure_registry: bool,
}

/// An address, and a client for it.
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) reference: Reference,
    /// A tag, or a digest with its algorithm in front.
    pub(crate) name: String,
}

impl Place {
    /// What the address's tag or digest stands for.
    pub(crate) async fn pin(&self) -> Result<Pin> {
        let name = self.name.clone();
        let select = if name.contains(':') { Select::Digest(name) } else { Select::Tag(name) };
        self.client.resolve(&self.reference, &select).await.map_err(explained)
    }
}

fn credentials(text: &str) -> Result<Credential, String> {
    Ok(match text.split_once(':') {
        Some((username, password)) => {
            Credential::Basic { username: username.into(), password: password.into() }
        }
        None if text.is_empty() => return Err("credentials cannot be empty".into()),
        None => Credential::Registry(text.into()),
    })
}

impl Access {
    /// Reads `oci://<host>/<repository>[:<tag>|@<digest>]` and gets ready to go there.
    pub(crate) fn open(&self, address: &str) -> Result<Place> {
        let (url, name) = split(address);
        let allowed = self.insecure_registry;
        let plain_http = if allowed { PlainHttp::Allowed } else { PlainHttp::LocalOnly };
        let reference = Reference::parse(url, plain_http)
            .with_context(|| format!("malformed address `{address}`"))
            .map_err(|error| hint(error, "write oci://<host>/<repository>:<tag>"))?;
        // Rustls is told once which cryptography to use; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(&self.options(&reference)?)?;
        Ok(Place { client, reference, name: name.into() })
    }

    fn options(&self, reference: &Reference) -> Result<Options> {
        let mut options = Options::new(std::env::temp_dir());
        if std::io::stderr().is_terminal() {
            options.progress = crate::progress::bar();
        }
        if self.insecure_registry {
            options.tls.verification = Verification::Off;
        }
        match &self.creds {
            Some(credential) => options.keychain.add(reference.registry(), credential.clone()),
            None => options.keychain = self.docker_keychain(reference.registry())?,
        }
        Ok(options)
    }

    /// Credentials from `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, if there is one.
    fn docker_keychain(&self, registry: &str) -> Result<Keychain> {
        let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let home = || std::env::home_dir().map(|home| home.join(".docker"));
        let mut keychain = Keychain::default();
        let Some(folder) = folder.or_else(home) else { return Ok(keychain) };
        let path: &Path = &folder.join("config.json");
        match std::fs::read(path) {
            Ok(bytes) => {
                let unusable = || format!("cannot use `{}`", path.display());
                keychain.add_docker_config_json(&bytes).with_context(unusable)?;
                if self.credential_helpers
                    && let Some(credential) = from_helper(&bytes, registry)?
                {
                    keychain.add(registry, credential);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(anyhow!(error).context(format!("cannot read `{}`", path.display())));
            }
        }
        Ok(keychain)
    }
}

/// Splits off the tag or digest.
fn split(address: &str) -> (&str, &str) {
    if let Some((url, digest)) = address.split_once('@') {
        return (url, digest);
    }
    let name = address.rfind('/').map_or(0, |slash| slash + 1);
    match address[name..].rfind(':') {
        Some(colon) => (&address[..name + colon], &address[name + colon + 1..]),
        None => (address, DEFAULT_TAG),
    }
}

/// Asks the helper that a Docker configuration names for a registry, or for all.
fn from_helper(config: &[u8], registry: &str) -> Result<Option<Credential>> {
    let config: Value = serde_json::from_slice(config)?;
    let of_registry = config["credHelpers"][registry].as_str();
    let Some(name) = of_registry.or(config["credsStore"].as_str()) else { return Ok(None) };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        bail!("malformed name of a credential helper: `{name}`");
    }
    let program = format!("docker-credential-{name}");
    let failed = || format!("cannot run `{program}`");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(registry.as_bytes()).with_context(failed)?;
    }
    let answer = child.wait_with_output().with_context(failed)?;
    if !answer.status.success() {
        // It has none for this registry.
        return Ok(None);
    }
    let answer: Value = serde_json::from_slice(&answer.stdout)
        .with_context(|| format!("`{program}` answered no JSON"))?;
    let part = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    Ok(Some(match part("Username") {
        user if user == TOKEN_USER => Credential::Identity(part("Secret")),
        username => Credential::Basic { username, password: part("Secret") },
    }))
}

/// Adds what to try to a failure at the registry.
pub(crate) fn explained(error: oci::Error) -> anyhow::Error {
    let text = artifact::text::explain(&error);
    if text.contains("UNAUTHORIZED") || text.contains("401") {
        return hint(error, "name credentials with --creds, or log in with your Docker client");
    }
    if text.contains("x509") {
        return hint(error, "--insecure-registry accepts certificates of unknown authorities");
    }
    error.into()
}
