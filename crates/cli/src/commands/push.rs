//! `sluice push artifact`: a folder or file as an artifact in a registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use artifact::{Ignore, Limits, Tree};
use oci::keychain::{Credential, Keychain};
use oci::push::{Push, origin_annotations};
use oci::reference::PlainHttp;
use oci::transport::Verification;
use oci::{Client, Options, Reference};

use crate::error::hint;
use crate::output::{self, Format};

/// The tag of an address without one.
const DEFAULT_TAG: &str = "latest";

/// Push artifacts to a registry.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Pack a folder or file and push it.
    Artifact(Artifact),
}

#[derive(clap::Args)]
struct Artifact {
    /// Where to: `oci://<host>/<repository>[:<tag>]`.
    url: String,
    /// Folder or file to pack.
    #[arg(short = 'f', long)]
    path: PathBuf,
    /// Where the content comes from, such as the address of a Git repository.
    #[arg(long)]
    source: String,
    /// Which revision of the source it is, such as `main@sha1:<commit>`.
    #[arg(long)]
    revision: String,
    /// An annotation of the image manifest.
    #[arg(short = 'a', long, value_name = "KEY=VALUE", value_parser = key_value)]
    annotations: Vec<(String, String)>,
    /// Rules in the format of .gitignore, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULE")]
    ignore_paths: Vec<String>,
    /// User and password; without them the Docker configuration is used.
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials)]
    creds: Option<Credential>,
    /// Allow plain HTTP and certificates of unknown authorities.
    #[arg(long)]
    insecure: bool,
    /// State the epoch as creation time, so that equal content gives an equal digest.
    #[arg(long)]
    reproducible: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not of the form key=value")?;
    Ok((key.into(), value.into()))
}

fn credentials(text: &str) -> Result<Credential, String> {
    let (username, password) = text.split_once(':').ok_or("not of the form user:password")?;
    Ok(Credential::Basic { username: username.into(), password: password.into() })
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let What::Artifact(args) = &args.what;
    let (url, tag) = split_tag(&args.url);
    let plain_http = if args.insecure { PlainHttp::Allowed } else { PlainHttp::LocalOnly };
    let reference = Reference::parse(url, plain_http)
        .with_context(|| format!("malformed address `{}`", args.url))
        .map_err(|error| hint(error, "write oci://<host>/<repository>:<tag>"))?;
    let push = Push { content: content(args)?.into(), annotations: annotations(args) };
    // Rustls is told once which cryptography to use; a second time changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(&options(args, &reference)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let digest = runtime.block_on(client.push(&reference, tag, &push)).map_err(explained)?;
    let value = serde_json::json!({
        "url": url, "repository": reference.to_string(), "tag": tag, "digest": digest.to_string(),
    });
    output::print(args.output, &format!("pushed {reference}:{tag}@{digest}"), &value)
}

/// Splits `oci://host:port/repository:tag`.
fn split_tag(url: &str) -> (&str, &str) {
    let name = url.rfind('/').map_or(0, |slash| slash + 1);
    match url[name..].rfind(':') {
        Some(colon) => (&url[..name + colon], &url[name + colon + 1..]),
        None => (url, DEFAULT_TAG),
    }
}

fn content(args: &Artifact) -> Result<Vec<u8>> {
    let unreadable = || format!("cannot read `{}`", args.path.display());
    let tree = if args.path.is_dir() {
        Tree::from_directory(&args.path, &Limits::default(), &std::env::temp_dir())
            .with_context(unreadable)?
    } else {
        let bytes = std::fs::read(&args.path).with_context(unreadable)?;
        let name = args.path.file_name().unwrap_or_default().to_string_lossy();
        Tree::from_files([(name.as_ref(), bytes.as_slice())])?
    };
    let rules = args.ignore_paths.join("\n");
    let ignore = Ignore::new(&tree, Some(&rules))?;
    let mut packed = Vec::new();
    tree.pack(&ignore, &mut packed)?;
    Ok(packed)
}

fn annotations(args: &Artifact) -> BTreeMap<String, String> {
    let created =
        if args.reproducible { jiff::Timestamp::UNIX_EPOCH } else { jiff::Timestamp::now() };
    let created = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut annotations = origin_annotations(&created, &args.source, &args.revision);
    annotations.extend(args.annotations.iter().cloned());
    annotations
}

fn options(args: &Artifact, reference: &Reference) -> Result<Options> {
    let mut options = Options::new(std::env::temp_dir());
    if args.insecure {
        options.tls.verification = Verification::Off;
    }
    match &args.creds {
        Some(credential) => options.keychain.add(reference.registry(), credential.clone()),
        None => options.keychain = docker_keychain()?,
    }
    Ok(options)
}

/// Credentials from `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, if there is one.
fn docker_keychain() -> Result<Keychain> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(".docker"));
    let mut keychain = Keychain::default();
    let Some(folder) = folder.or_else(home) else { return Ok(keychain) };
    let path: &Path = &folder.join("config.json");
    match std::fs::read(path) {
        Ok(bytes) => keychain
            .add_docker_config_json(&bytes)
            .with_context(|| format!("cannot use `{}`", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(anyhow!(error).context(format!("cannot read `{}`", path.display())));
        }
    }
    Ok(keychain)
}

fn explained(error: oci::Error) -> anyhow::Error {
    let text = artifact::text::explain(&error);
    if text.contains("UNAUTHORIZED") || text.contains("401") {
        return hint(error, "name credentials with --creds, or log in with your Docker client");
    }
    if text.contains("x509") {
        return hint(error, "--insecure accepts certificates of unknown authorities");
    }
    error.into()
}
