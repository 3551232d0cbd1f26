//! Every secret of a story holds a canary, and nothing that an operator shows may hold one: no log, no
//! event, no status, no metric.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};
use registry::CANARY;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::World;
use crate::story::resource;

/// Everything that the operator logs at its most talkative.
const LOGS: &str = "trace,kube=warn,hyper=warn";

/// Lines of the log that held a secret.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What every secret of a story holds: a canary, the plain text of what is encrypted in the documents of
/// `crates/sops`, or how every token of an account begins.
const SECRETS: [&str; 3] = [CANARY, "s3cr3t", "eyJhbGciOi"];
/// The heads of keys.
const HEADS: [&str; 2] = ["PRIVATE KEY", "AGE-SECRET-KEY-1"];

/// What gives a secret away: as it is, in base64 wherever it stands there, and the head of a key.
fn marks() -> &'static [String] {
    static MARKS: OnceLock<Vec<String>> = OnceLock::new();
    MARKS.get_or_init(|| {
        let encoded = SECRETS.iter().flat_map(|secret| (0..3).map(|at| encoded(secret, at)));
        let plain = SECRETS.iter().chain(&HEADS).map(ToString::to_string);
        plain.chain(encoded).collect()
    })
}

/// A secret in base64 where so many bytes stand before it.
fn encoded(secret: &str, before: usize) -> String {
    let text = STANDARD.encode(format!("{}{secret}", &"abc"[..before]));
    // The characters at both ends depend on what stands beside the secret too.
    let from = (before * 8).div_ceil(6);
    text[from..(before + secret.len()) * 8 / 6].to_owned()
}

fn holds_a_secret(text: &str) -> bool {
    marks().iter().any(|mark| text.contains(mark))
}

/// Looks at every line that is logged in this process.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if holds_a_secret(&text) {
            LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(text.into_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// From now on the log is looked at.
pub(crate) fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOGS));
        log.with_writer(Log).init();
    });
}

/// What shows a secret, of an operator whose objects are in a namespace and whose metrics are at an
/// address. The caller's runtime may be of any kind: it has one of its own.
pub(crate) fn shown(namespace: &str, metrics: Option<SocketAddr>) -> Vec<String> {
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(look(namespace, metrics))
        });
        looking.join().unwrap()
    })
}

async fn look(namespace: &str, metrics: Option<SocketAddr>) -> Vec<String> {
    let client = Client::try_from(World::shared().admin().await).unwrap();
    let mut shown = LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for kind in ["OCIRepository", "Kustomization", "Event"] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &resource(kind));
        let list = api.list(&ListParams::default()).await.unwrap();
        shown.extend(list.items.into_iter().filter_map(|object| {
            let told = if kind == "Event" { &object.data } else { &object.data["status"] };
            let (told, annotations) = (told.to_string(), object.metadata.annotations);
            let text = format!("{kind} {told} {annotations:?}");
            holds_a_secret(&text).then_some(text)
        }));
    }
    if let Some(address) = metrics {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
        let text = answer.text().await.unwrap();
        shown.extend(text.lines().filter(|line| holds_a_secret(line)).map(str::to_owned));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_in_every_form_and_in_the_log() {
        for text in [
            format!("password {CANARY}"),
            STANDARD.encode(format!("user:{CANARY}")),
            STANDARD.encode(format!("root:{CANARY} and more")),
            STANDARD.encode(format!("a:{CANARY}")),
            "-----BEGIN PRIVATE KEY-----".to_owned(),
            "-----BEGIN PGP PRIVATE KEY BLOCK-----".to_owned(),
            "AGE-SECRET-KEY-1GAG".to_owned(),
            "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x".to_owned(),
            STANDARD.encode("PASSWORD=s3cr3t \"x\""),
        ] {
            assert!(holds_a_secret(&text), "{text}");
        }
        assert!(!holds_a_secret("canary"));
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOGS)).with_writer(Log);
        tracing::subscriber::with_default(log.finish(), || {
            tracing::trace!(token = CANARY, "asked");
            tracing::info!("nothing to see");
        });
        let logged = std::mem::take(&mut *LOGGED.lock().unwrap());
        assert_eq!(logged.len(), 1, "{logged:?}");
    }
}
