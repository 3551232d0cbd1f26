//! The replay of one case: an operator, registries, and what the script says.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Story, World, condition, settled};
use registry::{Guard, Registry, Setup, Transport};
use serde_json::{Value, json};

use super::case::{Case, parse};
use super::compare::{
    Happening, Names, ahead, applied, differences, entries, events, object, without,
};
use super::images::push;
use super::scripts::{Act, DIFFERENT, FLAGS, RACED};

/// The host and the address that artifacts had in the recording.
const ADVERTISED: &str = "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.";
/// How long a state may take to come; a replay that is right waits a fraction of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The kind of which everything else is about the store.
const SOURCE: &str = "OCIRepository";

pub(crate) struct Stage {
    /// The kind that the case is about.
    kind: &'static str,
    case: Case,
    story: Story,
    secure: Registry,
    names: Names,
    /// The revision that was pushed last.
    newest: String,
    misses: Vec<String>,
}

impl Stage {
    pub(crate) async fn new(kind: &'static str, case: Case) -> Self {
        let namespace = case.namespace();
        let flags = [ADVERTISED, "--requeue-dependency=5s"];
        let usual = if kind == SOURCE { &flags[..1] } else { &flags[..] };
        let own = FLAGS.iter().filter(|(name, _)| *name == case.name);
        let flags: Vec<_> =
            usual.iter().chain(own.flat_map(|(_, flags)| *flags)).copied().collect();
        let story = Story::begin_with(&namespace, &flags).await;
        let guard = Guard::Basic("user".into(), "secret".into());
        let setup = Setup { transport: Transport::Tls, guard, ..Setup::default() };
        let secure = Registry::start_with(&setup).await;
        let mut names = Names::default();
        names.stands_for(&story.namespace, &namespace);
        names.stands_for(story.registry.host(), "127.0.0.1:5000");
        names.stands_for(&secure.host().replace("127.0.0.1", "localhost"), "localhost:5443");
        Self { kind, case, story, secure, names, newest: String::new(), misses: Vec::new() }
    }

    /// Acts, and gives what was otherwise than recorded.
    pub(crate) async fn play(mut self, script: &[Act]) -> anyhow::Result<Vec<String>> {
        for act in script {
            self.act(*act).await?;
        }
        self.compare_events().await?;
        Ok(self.misses)
    }

    async fn act(&mut self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::Step(step) => {
                for at in 0..self.changes(step).len() {
                    self.change(step, at).await?;
                }
            }
            Act::Part(step, at) => self.change(step, at).await?,
            Act::Push(which, ending) => {
                for at in which {
                    self.push(*at, ending, false)?;
                }
            }
            Act::PushAll => self.push_all(false)?,
            Act::PushAllSecurely => self.push_all(true)?,
            Act::Latest(at) => {
                self.case.pushes[at].tag = "latest".into();
                self.push(at, "", false)?;
            }
            Act::Untag(tag) => self.story.registry.delete_tag(&self.repository(""), tag),
            Act::Settled => drop(self.story.wait_ready(SOURCE, "src").await),
            Act::Applied => {
                self.story
                    .wait("Kustomization", "k", "up to date", |k| {
                        let status = &k["status"];
                        condition(k, "Ready")["status"] == "True"
                            && status["lastAppliedRevision"] == self.newest.as_str()
                    })
                    .await;
            }
            Act::Remove(kind, name) => self.story.delete(kind, name).await,
            Act::Pass(seconds) => self.story.clock.advance(Duration::from_secs(seconds)),
            Act::Delete(kind, name) => {
                self.story.delete(kind, name).await;
                self.story.wait_gone(kind, name).await;
            }
            Act::Gone(kind, name) => self.story.wait_gone(kind, name).await,
            Act::Has(kind, name, of, status) => {
                let has = |object: &Value| condition(object, of)["status"] == status;
                self.story.wait(kind, name, &format!("{of} {status}"), has).await;
            }
            Act::Kubectl(arguments) => drop(self.kubectl(arguments)),
            Act::Refused(arguments) => {
                let miss = || self.kubectl(arguments).then(|| format!("allowed: {arguments:?}"));
                let misses = settled(PATIENCE, async || Vec::from_iter(miss())).await;
                self.misses.extend(misses);
            }
            Act::RemoveFile => std::fs::remove_file(self.stored_file("obj").await?)?,
            Act::FlipByte => {
                let file = self.stored_file("obj").await?;
                let mut bytes = std::fs::read(&file)?;
                bytes[20] ^= 1;
                std::fs::write(&file, bytes)?;
            }
            Act::See(file) => self.see(file).await?,
            Act::Stored(file, name) => self.stored(file, name).await?,
            Act::Answers(file) => self.answers(file).await?,
            Act::Metrics(file) => self.metrics(file).await?,
        }
        Ok(())
    }

    /// Runs kubectl with arguments in the words of the recording; says whether it succeeded.
    fn kubectl(&self, arguments: &[&str]) -> bool {
        let arguments: Vec<_> = arguments.iter().map(|text| self.names.ours(text)).collect();
        World::shared().try_kubectl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn changes(&self, step: u32) -> Vec<usize> {
        let changes = self.case.changes.iter().enumerate();
        changes.filter(|(_, change)| change.step == step).map(|(at, _)| at).collect()
    }

    async fn change(&self, step: u32, at: usize) -> anyhow::Result<()> {
        let change = &self.case.changes[self.changes(step)[at]];
        let text = self.with_authority(self.names.ours(&change.text));
        let Some(document) = parse(&text)?.pop() else { return Ok(()) };
        let story = &self.story;
        match (&change.patched, &change.manager) {
            (Some((kind, name)), _) if change.of_status => {
                story.patch_status(kind, name, document["status"].clone()).await;
            }
            (Some((kind, name)), Some(manager)) => {
                story.patch_as(manager, kind, name, document).await;
            }
            (Some((kind, name)), None) => story.patch(kind, name, document).await,
            (None, manager) => {
                story.apply_as(manager.as_deref().unwrap_or("kubectl"), &document).await;
            }
        }
        Ok(())
    }

    /// The recorded certificate authority is not the one of this registry.
    fn with_authority(&self, text: String) -> String {
        let begin = "-----BEGIN CERTIFICATE-----";
        let end = "-----END CERTIFICATE-----";
        let (Some(from), Some(to)) = (text.find(begin), text.find(end)) else { return text };
        let indent = text[..from].len() - text[..from].trim_end_matches(' ').len();
        let ours = self.secure.authority_pem().unwrap_or_default().replace('\r', "");
        let ours = ours.trim().replace('\n', &format!("\n{}", " ".repeat(indent)));
        format!("{}{ours}{}", &text[..from], &text[to + end.len()..])
    }

    fn repository(&self, ending: &str) -> String {
        format!("rec/{}{ending}", self.story.namespace)
    }

    fn push_all(&mut self, securely: bool) -> anyhow::Result<()> {
        (0..self.case.pushes.len()).try_for_each(|at| self.push(at, "", securely))
    }

    fn push(&mut self, at: usize, ending: &str, securely: bool) -> anyhow::Result<()> {
        let registry = if securely { &self.secure } else { &self.story.registry };
        let one = &self.case.pushes[at];
        let repository = self.repository(ending);
        let words = |text: &str| {
            if self.kind == SOURCE { text.to_owned() } else { self.names.ours(text) }
        };
        let digest = push(&self.case, one, (registry, &repository), words)?;
        self.names.manifest(&digest, &one.digest);
        self.newest = format!("{}@{digest}", self.case.pushes[at].tag);
        Ok(())
    }

    fn missed(&mut self, miss: impl Into<String>) {
        self.misses.push(miss.into());
    }

    fn is_different(&self, name: &str) -> bool {
        DIFFERENT.iter().any(|(case, object, _)| *case == self.case.name && *object == name)
    }

    /// Whether an event depends on who of several owners of one object came first.
    fn is_raced(&self, event: &Happening) -> bool {
        RACED.contains(&self.case.name.as_str()) && event.2 == "Progressing"
    }

    async fn see(&mut self, file: &str) -> anyhow::Result<()> {
        let snapshot = self.case.result(&format!("{file}.yaml"))?;
        let leaving = leaving(&snapshot);
        for recorded in snapshot {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&recorded["kind"]), text(&recorded["metadata"]["name"]));
            let counts: fn(&Value, &Names) -> Value = match kind.as_str() {
                kind if kind == self.kind => object,
                "ConfigMap" | "Secret" | "Service" | "Deployment" if self.kind != SOURCE => applied,
                _ => continue,
            };
            let elsewhere = recorded["metadata"]["namespace"] != self.case.namespace().as_str();
            if self.is_different(&name) || elsewhere || name == "kube-root-ca.crt" {
                continue;
            }
            let wanted = without(&leaving, counts(&recorded, &self.names));
            let api = text(&recorded["apiVersion"]);
            let api = if api == "v1" { kind.clone() } else { format!("{api}/{kind}") };
            let found = settled(PATIENCE, async || {
                let ours = self.story.get(&api, &name).await.unwrap_or_default();
                let ours = self.names.recorded(&ours.to_string());
                let ours: Value = serde_json::from_str(&ours).unwrap_or_default();
                let ours = without(&leaving, ahead(&wanted, counts(&ours, &self.names)));
                differences(&format!("{file} {name}"), &wanted, &ours)
            });
            let found = found.await;
            self.misses.extend(found);
        }
        Ok(())
    }

    async fn stored_file(&self, name: &str) -> anyhow::Result<std::path::PathBuf> {
        let source = self.story.get("OCIRepository", name).await.unwrap_or_default();
        let path = source["status"]["artifact"]["path"].as_str().unwrap_or_default();
        Ok(self.story.storage().join(path))
    }

    /// Names and modes of the files of an object, and the entries of its archives. Lock files have
    /// no part in a store that is addressed by content, and its link is relative.
    async fn stored(&mut self, file: &str, name: &str) -> anyhow::Result<()> {
        let Some(recorded) = self.case.result(&format!("{file}.yaml"))?.pop() else {
            return Ok(());
        };
        let list = recorded["directory"].as_array().into_iter().flatten();
        let wanted: BTreeSet<&str> = list
            .filter_map(|entry| entry["name"].as_str())
            .filter(|name| name.rsplit_once('.').is_none_or(|(_, ending)| ending != "lock"))
            .collect();
        let found = settled(PATIENCE, async || {
            let ours = match self.stored_now(name) {
                Ok(ours) => ours,
                Err(error) => return vec![format!("{file}: {error}")],
            };
            let names: BTreeSet<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
            let mut misses = Vec::new();
            if names != wanted {
                misses.push(format!("{file}: {names:?}, not {wanted:?}"));
            }
            for (archive, found) in &ours {
                let wanted = entries(&recorded["archives"][archive]);
                if !wanted.is_empty() {
                    misses.extend(differences(archive, &json!(wanted), &json!(entries(found))));
                }
            }
            misses
        });
        let found = found.await;
        self.misses.extend(found);
        Ok(())
    }

    fn stored_now(&self, name: &str) -> anyhow::Result<Vec<(String, Value)>> {
        let folder = self.story.storage().join("ocirepository").join(&self.story.namespace);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder.join(name))? {
            let entry = entry?;
            let name = self.names.recorded(&entry.file_name().to_string_lossy());
            let bytes = std::fs::read(entry.path())?;
            found.push((name, super::listing::of(&bytes)));
        }
        Ok(found)
    }

    async fn compare_events(&mut self) -> anyhow::Result<()> {
        let recorded = self.case.result("events.yaml")?.pop().unwrap_or_default();
        let happening = |name: &Value, kind: &str, reason: &str, message: &str| -> Happening {
            let message = self.names.redacted(message);
            (name.as_str().unwrap_or_default().into(), kind.into(), reason.into(), message)
        };
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let wanted: BTreeSet<_> = recorded
            .as_array()
            .into_iter()
            .flatten()
            .filter(|event| event["involvedObject"]["kind"] == self.kind)
            .map(|event| {
                let part = |key: &str| text(event, key);
                let name = &event["involvedObject"]["name"];
                happening(name, &part("type"), &part("reason"), &part("message"))
            })
            .filter(|event| !self.is_different(&event.0) && !self.is_raced(event))
            .collect();
        let found = settled(PATIENCE, async || {
            let found = self.story.happenings(self.kind).await.into_iter();
            let found = found.map(|(name, kind, reason, message)| {
                happening(&name.into(), &kind, &reason, &self.names.recorded(&message))
            });
            let found = found.filter(|event| !self.is_different(&event.0) && !self.is_raced(event));
            events(&wanted, &found.collect())
        });
        let found = found.await;
        self.misses.extend(found);
        Ok(())
    }

    /// Directories and lock files are not served (decisions.md, H16), and a client that is well
    /// behaved sends no dot segments.
    async fn answers(&mut self, file: &str) -> anyhow::Result<()> {
        let root = format!("http://{}", self.story.operator().addresses.storage);
        for recorded in self.case.result(&format!("{file}.yaml"))? {
            let request = recorded["request"].as_str().unwrap_or_default().to_owned();
            let (method, path) = request.split_once(' ').unwrap_or_default();
            let last = path.rsplit('/').next().unwrap_or_default();
            if path.contains("..") || path.contains("%2e") || !last.ends_with(".tar.gz") {
                continue;
            }
            // An encoded colon hides a digest.
            let encoded = path.contains("%3A");
            let path = self.names.ours(&path.replace("%3A", ":"));
            let path = if encoded { path.replace(':', "%3A") } else { path };
            let url = format!("{root}{path}");
            let headers = recorded["request_headers"].as_object().cloned().unwrap_or_default();
            let (status, answered) = self.story.ask(method, &url, &headers).await;
            if recorded["status"] != status {
                self.missed(format!("{request} {headers:?}: {status}, not {}", recorded["status"]));
            }
            for (name, value) in recorded["headers"].as_object().into_iter().flatten() {
                let varies = ["Date", "Last-Modified", "Content-Length", "Content-Range"];
                let found = answered.get(&name.to_lowercase());
                if !varies.contains(&name.as_str()) && found.map(String::as_str) != value.as_str() {
                    self.missed(format!("{request} {headers:?}: {name} is {found:?}, not {value}"));
                }
            }
        }
        Ok(())
    }

    /// The same series, by name and labels in any order; values are times. The token cache comes
    /// with cloud logins.
    async fn metrics(&mut self, file: &str) -> anyhow::Result<()> {
        let path = self.case.folder.join("result").join(format!("{file}.metrics.txt"));
        let recorded = std::fs::read_to_string(path)?;
        let series = |text: &str| -> BTreeSet<String> {
            let lines = text.lines().filter(|line| line.starts_with("gotk_reconcile_"));
            lines
                .filter_map(|line| {
                    let (name, labels) = line.rsplit_once("} ")?.0.split_once('{')?;
                    let labels: BTreeSet<String> = labels.split(',').map(label).collect();
                    Some(format!("{name} {labels:?}"))
                })
                .collect()
        };
        let wanted = series(&recorded);
        let url = format!("http://{}/metrics", self.story.operator().addresses.metrics);
        let found = settled(PATIENCE, async || {
            let (_, body) = self.story.http("GET", &url).await;
            let found = series(&self.names.recorded(&String::from_utf8_lossy(&body)));
            let missing = wanted.difference(&found).map(|line| format!("{file}: no series {line}"));
            let more = found.difference(&wanted).map(|line| format!("{file}: series {line}"));
            missing.chain(more).collect()
        });
        let found = found.await;
        self.misses.extend(found);
        Ok(())
    }
}

/// A label; numbers are written with other digits of the same double.
fn label(text: &str) -> String {
    let number = text.strip_prefix("le=\"").and_then(|text| text.strip_suffix('"'));
    let number = number.and_then(|text| text.parse::<f64>().ok());
    number.map_or_else(|| text.to_owned(), |number| format!("le={:x}", number.to_bits()))
}

/// Ids of the ConfigMaps of a snapshot that are on their way out.
fn leaving(snapshot: &[Value]) -> Vec<String> {
    let leaving = |object: &&Value| {
        object["kind"] == "ConfigMap" && !object["metadata"]["deletionTimestamp"].is_null()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ids = snapshot.iter().filter(leaving).map(|object| {
        let metadata = &object["metadata"];
        format!("{}_{}__ConfigMap", text(&metadata["namespace"]), text(&metadata["name"]))
    });
    ids.collect()
}
