//! Flags and environment (both contracts, process sections; decisions.md, Process).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use api::duration::GoDuration;
use artifact::Limits;
use artifact::digest::Algorithm;
use clap::{Arg, ArgAction, Parser, ValueEnum, value_parser};
use render::substitute::Unset;

use crate::gates::{Gate, OBJECT_LEVEL_IDENTITY, STRICT_SUBSTITUTION};
use crate::guards::Guards;
use crate::kustomization::KustomizationArgs;

/// Follows OCI artifacts and keeps what they hold applied to the cluster.
#[derive(Clone, Debug, Parser)]
#[command(name = "sluice-controller", version, mut_args = switch)]
pub struct Args {
    /// Which halves run in this process. The Kustomization half reads artifacts from this process's
    /// storage only: alone, it works on a storage that a source half of ours fills.
    #[arg(long, value_delimiter = ',', default_value = "source,kustomization")]
    pub controllers: Vec<Half>,
    /// Folder of the stored artifacts.
    #[arg(long, env = "STORAGE_PATH", default_value = "/data")]
    pub storage_path: PathBuf,
    /// Address that serves the stored artifacts.
    #[arg(long, env = "STORAGE_ADDRESS", default_value = ":9090", value_parser = address)]
    pub storage_addr: SocketAddr,
    /// Host under which the stored artifacts are reached; made from the storage address when empty.
    #[arg(long, env = "STORAGE_ADV_ADDR", default_value = "")]
    pub storage_adv_addr: String,
    /// Address that serves metrics.
    #[arg(long, env = "METRICS_ADDR", default_value = ":8080", value_parser = address)]
    pub metrics_addr: SocketAddr,
    /// Address that serves /healthz and /readyz.
    #[arg(long, env = "HEALTH_ADDR", default_value = ":9440", value_parser = address)]
    pub health_addr: SocketAddr,
    /// Where a notification controller is told what happens; nobody is told when empty.
    #[arg(long, env = "EVENTS_ADDR", default_value = "", value_parser = events_address)]
    pub events_addr: EventsAddress,
    /// Address that takes push notices of registries; none are taken when not given.
    #[arg(long, value_parser = address, requires = "webhook_token_file")]
    pub webhook_addr: Option<SocketAddr>,
    /// File of the token that senders of push notices must know.
    #[arg(long, requires = "webhook_addr")]
    pub webhook_token_file: Option<PathBuf>,
    /// Objects of a kind that are worked on at once; of Kustomizations that is how many are built, and
    /// four times as many are applied.
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent: u16,
    /// OCIRepositories that are worked on at once; as many as of the other kind when not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub source_concurrent: Option<u16>,
    /// When something that is missing is looked for again, unless its appearance is noticed before.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub requeue_dependency: Duration,
    /// First delay after a failure.
    #[arg(long, default_value = "750ms", value_parser = duration)]
    pub min_retry_delay: Duration,
    /// Longest delay after failures.
    #[arg(long, default_value = "15m", value_parser = duration)]
    pub max_retry_delay: Duration,
    /// How much an interval is varied, in percent.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u8).range(0..100))]
    pub interval_jitter_percentage: u8,
    /// How long an artifact that is not current any more is kept.
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub artifact_retention_ttl: Duration,
    /// How many artifacts of an object are kept.
    #[arg(long, default_value = "2")]
    pub artifact_retention_records: usize,
    /// Hash that stored artifacts are named by: sha1, sha256, sha384, sha512 or blake3.
    #[arg(long, default_value = "sha256", value_parser = algorithm)]
    pub artifact_digest_algo: Algorithm,
    /// The most bytes of a layer, compressed.
    #[arg(long, default_value_t = Limits::default().compressed_bytes_max)]
    pub source_layer_bytes_max: u64,
    /// The most bytes of a layer's files together.
    #[arg(long, default_value_t = Limits::default().unpacked_bytes_max)]
    pub source_unpacked_bytes_max: u64,
    /// The most files and folders of a layer.
    #[arg(long, default_value_t = Limits::default().entries_max)]
    pub source_files_max: u64,
    /// The most folders within one another in a layer.
    #[arg(long, default_value_t = Limits::default().depth_max)]
    pub source_depth_max: u64,
    /// Host that may give tokens for registries of other domains; may be repeated.
    #[arg(long)]
    pub allow_token_realm: Vec<String>,
    /// Refuses sources in another namespace.
    #[arg(long)]
    pub no_cross_namespace_refs: bool,
    /// Account that a source's cloud is asked as when the OCIRepository names none; needs the gate
    /// ObjectLevelWorkloadIdentity.
    #[arg(long, default_value = "")]
    pub source_default_service_account: String,
    /// Cloud tokens of each sort that are kept; 0 keeps none.
    #[arg(long, default_value = "100")]
    pub token_cache_max_size: usize,
    /// How long a cloud token is kept at most, never longer than an hour.
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub token_cache_max_duration: Duration,
    /// What is guarded.
    #[command(flatten)]
    pub guards: Guards,
    /// Flags of the Kustomization half.
    #[command(flatten)]
    pub kustomization: KustomizationArgs,
    /// Feature gates of Flux, as `Name=true,Name=false`. Most change nothing here.
    #[arg(long, value_delimiter = ',')]
    pub feature_gates: Vec<Gate>,
    /// Requests a second to the API server in Flux; no effect: the server's own flow control rules.
    #[arg(long, default_value = "50")]
    pub kube_api_qps: f32,
    /// Like --kube-api-qps, at once.
    #[arg(long, default_value = "300")]
    pub kube_api_burst: u32,
    /// How long the API server may take to answer, and then to go on; a watch lasts as long as it may.
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub kube_api_timeout: Duration,
    /// Namespace that the operator runs in.
    #[arg(long, env = "RUNTIME_NAMESPACE", default_value = "sluice-system")]
    pub runtime_namespace: String,
    /// Watches all namespaces, not only the operator's own.
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub watch_all_namespaces: bool,
    /// What is logged: trace, debug, info or error.
    #[arg(long, default_value = "info")]
    pub log_level: LogLevel,
    /// How it is logged.
    #[arg(long, default_value = "json")]
    pub log_encoding: LogEncoding,
}

/// One half of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// OCIRepository.
    Source,
    /// Kustomization.
    Kustomization,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// Decisions.
    Debug,
    /// The story.
    Info,
    /// What went wrong.
    Error,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogEncoding {
    /// One JSON object a line.
    Json,
    /// Text.
    Console,
}

impl LogLevel {
    /// The filter directive.
    pub fn directive(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// `host:port` or `:port`, as Go's listeners take it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.replacen("localhost:", "127.0.0.1:", 1),
    };
    full.parse().map_err(|error| format!("{error}: give an IP address and a port, or only :PORT"))
}

/// Where happenings are posted to, if anywhere.
pub type EventsAddress = Option<reqwest::Url>;

fn events_address(text: &str) -> Result<EventsAddress, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let url: reqwest::Url = text.parse().map_err(|error| format!("{error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        _ => Err("give an address of http or https".into()),
    }
}

/// A flag that is on or off is written as Go's flags are: `--flag`, `--flag=true` or `--flag=false`.
fn switch(flag: Arg) -> Arg {
    if !matches!(flag.get_action(), ArgAction::SetTrue) {
        return flag;
    }
    flag.action(ArgAction::Set)
        .value_parser(value_parser!(bool))
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|_| "give one of sha1, sha256, sha384, sha512, blake3".into())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("{error}"))?;
    if duration.nanoseconds() < 0 {
        return Err("may not be negative".into());
    }
    Ok(duration.std())
}

impl Args {
    /// Refuses flags that contradict each other.
    pub fn check(&self) -> anyhow::Result<()> {
        let accounts = [
            &self.source_default_service_account,
            &self.kustomization.decryption.default_decryption_service_account,
            &self.kustomization.default_kubeconfig_service_account,
        ];
        anyhow::ensure!(
            accounts.iter().all(|name| name.is_empty()) || self.object_level_identity(),
            "cannot set default service accounts when the feature gate {OBJECT_LEVEL_IDENTITY} is \
             not enabled"
        );
        Ok(())
    }

    /// Whether objects may name an account that a cloud is asked as.
    pub fn object_level_identity(&self) -> bool {
        self.gate(OBJECT_LEVEL_IDENTITY)
    }

    /// OCIRepositories that are worked on at once.
    pub fn source_concurrent(&self) -> u16 {
        self.source_concurrent.unwrap_or(self.concurrent)
    }

    /// What a layer may be.
    pub fn limits(&self) -> Limits {
        Limits {
            compressed_bytes_max: self.source_layer_bytes_max,
            unpacked_bytes_max: self.source_unpacked_bytes_max,
            entries_max: self.source_files_max,
            depth_max: self.source_depth_max,
            ..Limits::default()
        }
    }

    /// Whether a feature gate that is closed by default is open.
    pub fn gate(&self, name: &str) -> bool {
        self.feature_gates.iter().any(|gate| gate.name == name && gate.on)
    }

    /// The name of the host, which is the pod's in a cluster.
    pub fn hostname() -> String {
        std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into())
    }

    /// What becomes of a variable that is not set and has no default.
    pub fn unset(&self) -> Unset {
        let is_closed = |gate: &Gate| gate.name == STRICT_SUBSTITUTION && !gate.on;
        if self.feature_gates.iter().any(is_closed) { Unset::Empty } else { Unset::Refused }
    }

    /// The host that addresses of artifacts start with (ocirepository.md, 12).
    pub fn advertised_host(&self) -> String {
        if !self.storage_adv_addr.is_empty() {
            return self.storage_adv_addr.clone();
        }
        let host = if self.storage_addr.ip().is_unspecified() {
            Self::hostname()
        } else {
            self.storage_addr.ip().to_string()
        };
        format!("{host}:{}", self.storage_addr.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(flag: &str) -> String {
        Args::try_parse_from(["sluice-controller", flag])
            .err()
            .map_or_else(|| "-".into(), |error| error.to_string())
    }

    /// Scenario H19, but for the folder.
    #[test]
    fn flags_that_mean_nothing_end_the_process_at_its_start() {
        for (flag, text) in [
            ("--artifact-digest-algo=md5", "give one of sha1, sha256, sha384, sha512, blake3"),
            ("--interval-jitter-percentage=100", "100 is not in 0..100"),
            ("--feature-gates=Nonsense=true", "feature-gate 'Nonsense' not supported"),
            ("--feature-gates=MigrateAPIVersion=true", "is not supported by Sluice yet"),
            ("--feature-gates=ExternalArtifact", "write it as Name=true or Name=false"),
            ("--prune-guard=many", "'many' is no rule of a prune guard"),
            ("--storage-addr=nowhere", "give an IP address and a port"),
            ("--events-addr=notifier", "relative URL without a base"),
            ("--events-addr=file:///etc/passwd", "give an address of http or https"),
        ] {
            assert!(refusal(flag).contains(text), "{flag}: {}", refusal(flag));
        }
        for flag in [
            "--artifact-digest-algo=blake3",
            "--feature-gates=CacheSecretsAndConfigMaps=true,ExternalArtifact=false",
        ] {
            assert_eq!(refusal(flag), "-");
        }
    }

    /// Scenario E04.
    #[test]
    fn unset_variables_are_refused_unless_a_gate_is_closed() {
        let unset = |gates: &str| {
            let args = ["sluice-controller".to_owned(), format!("--feature-gates={gates}")];
            Args::try_parse_from(args).ok().map(|args| args.unset())
        };
        assert_eq!(unset("ExternalArtifact=true"), Some(Unset::Refused));
        assert_eq!(unset("StrictPostBuildSubstitutions=true"), Some(Unset::Refused));
        assert_eq!(unset("StrictPostBuildSubstitutions=false"), Some(Unset::Empty));
    }

    #[test]
    fn switches_are_written_as_flags_of_go_are() {
        let is_on = |flags: &[&str]| {
            let args = Args::try_parse_from(["sluice-controller"].iter().chain(flags)).ok()?;
            let (refs, exec) =
                (args.no_cross_namespace_refs, args.kustomization.insecure_kubeconfig_exec);
            Some((refs, exec, args.guards.detect_only))
        };
        assert_eq!(is_on(&[]), Some((false, false, false)));
        let written =
            ["--no-cross-namespace-refs", "--insecure-kubeconfig-exec=true", "--detect-only=false"];
        assert_eq!(is_on(&written), Some((true, true, false)));
        assert_eq!(is_on(&["--no-cross-namespace-refs=yes"]), None);
        assert_eq!(is_on(&["--no-cross-namespace-refs", "true"]), None, "nor would Go take it");
    }
}
