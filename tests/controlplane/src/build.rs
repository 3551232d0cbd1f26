//! Building Go programs once, cached by content under the user's cache folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

/// The Kubernetes release that `go/go.mod` pins.
const KUBERNETES: &str = "1.36.4";
/// The oldest Go that builds it.
const GO_MINOR_MIN: u32 = 26;

/// The control plane's binary; built when the cache does not hold it. The first build downloads Go
/// modules and takes about four minutes on two cores.
pub fn binary() -> anyhow::Result<PathBuf> {
    cached("controlplane", &key()?, |output| {
        let mut build = go()?;
        build.current_dir(sources()).args(["build", "-p", "2", "-trimpath", "-buildvcs=false"]);
        build.args(["-gcflags=all=-dwarf=false", "-ldflags", &link_flags()]);
        build.arg("-o").arg(output).arg(".");
        run(build, "the control plane (once; about four minutes)")
    })
}

/// The control plane's binary, when the cache holds it.
pub fn built() -> anyhow::Result<Option<PathBuf>> {
    let file = cache_folder()?.join(format!("controlplane-{}", key()?));
    Ok(file.is_file().then_some(file))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go")
}

/// What tells one version of the control plane from another.
fn key() -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let mut files: Vec<_> = fs::read_dir(sources())?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        hash.update(file.file_name().as_encoded_bytes());
        hash.update(fs::read(file.path())?);
    }
    Ok(format!("{}-{}", KUBERNETES, &hex::encode(hash.finalize())[..16]))
}

/// A file of the cache folder, made by `make` when it is not there. Several processes may ask at
/// once: one makes it, the others wait.
pub fn cached(
    name: &str,
    key: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let folder = cache_folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let file = folder.join(format!("{name}-{key}"));
    if file.is_file() {
        return Ok(file);
    }
    let lock = File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()?;
    if !file.is_file() {
        let unfinished = folder.join(format!("{name}-{key}.unfinished"));
        make(&unfinished)?;
        fs::rename(&unfinished, &file)?;
    }
    Ok(file)
}

fn cache_folder() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set: set one of them")?.join("sluice"))
}

/// The Go command, after checking that it is new enough.
pub fn go() -> anyhow::Result<Command> {
    let advice = format!("install Go 1.{GO_MINOR_MIN} or newer (https://go.dev/dl)");
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).output() else {
        bail!("go is not installed: {advice}");
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = version.strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    ensure!(
        minor.is_some_and(|minor: u32| minor >= GO_MINOR_MIN),
        "{version} is too old: {advice}"
    );
    let mut command = Command::new("go");
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly");
    // The compiler and the linker are Go programs: a lazier collector saves time.
    command.env("GOGC", "400");
    Ok(command)
}

fn link_flags() -> String {
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    let mut flags = String::from("-s -w");
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (variable, value) in [
            ("gitVersion", format!("v{KUBERNETES}")),
            ("gitMajor", "1".into()),
            ("gitMinor", minor.to_owned()),
            ("gitTreeState", "clean".into()),
            ("gitCommit", "0".repeat(40)),
            ("buildDate", "1970-01-01T00:00:00Z".into()),
        ] {
            flags.extend([" -X ", package, ".", variable, "=", &value]);
        }
    }
    flags
}

/// Runs a build and says so: it takes a while.
pub fn run(mut command: Command, what: &str) -> anyhow::Result<()> {
    #[expect(clippy::print_stderr, reason = "a build of minutes says that it is one")]
    {
        eprintln!("building {what} …");
    }
    let status = command.status().with_context(|| format!("failed to build {what}"))?;
    ensure!(status.success(), "failed to build {what}: {status}");
    Ok(())
}
