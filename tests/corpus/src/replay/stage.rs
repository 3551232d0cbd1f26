//! The replay of one case: an operator, registries, and what the script says.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Story, World, condition, inventory, settled};
use registry::{Guard, Registry, Setup, Transport};
use serde_json::{Value, json};

use super::case::{Case, parse};
use super::compare::{Happening, Names, ahead, applied, differences, events, object, without};
use super::differences::{DIFFERENT, FLAGS, LEAVING, MORE, RACED, SAID};
use super::images::push;
use super::scripts::{Act, BEGIN};

/// The host and the address that artifacts had in the recording.
const ADVERTISED: &str = "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.";
/// How long a state may take to come; a replay that is right waits a fraction of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The kind of which everything else is about the store.
const SOURCE: &str = "OCIRepository";

pub(crate) struct Stage {
    /// The kind that the case is about.
    kind: &'static str,
    pub(super) case: Case,
    pub(super) story: Story,
    secure: Registry,
    pub(super) names: Names,
    /// The revision that was pushed last.
    newest: String,
    pub(super) misses: Vec<String>,
}

impl Stage {
    pub(crate) async fn new(kind: &'static str, case: Case) -> Self {
        let namespace = case.namespace();
        let flags = flags(kind, &case.name);
        let story = Story::begin_with(&namespace, &flags).await;
        let guard = Guard::Basic("user".into(), "secret".into());
        let setup = Setup { transport: Transport::Tls, guard, ..Setup::default() };
        let secure = Registry::start_with(&setup).await;
        let mut names = Names::default();
        names.stands_for(&story.namespace, &namespace);
        names.stands_for(story.registry.host(), "127.0.0.1:5000");
        names.stands_for(&secure.host().replace("127.0.0.1", "localhost"), "localhost:5443");
        for (_, ours, recorded, _) in SAID.iter().filter(|(name, ..)| *name == case.name) {
            names.says(ours, recorded);
        }
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

    async fn wait_applied(&self) {
        let is_applied = |k: &Value| {
            condition(k, "Ready")["status"] == "True"
                && k["status"]["lastAppliedRevision"] == self.newest.as_str()
        };
        self.story.wait("Kustomization", "k", "up to date", is_applied).await;
    }

    async fn act(&mut self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::Step(step) => {
                for at in 0..self.changes(step).len() {
                    self.change(step, at).await?;
                }
            }
            Act::Begin => {
                for act in BEGIN {
                    Box::pin(self.act(act)).await?;
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
            Act::Applied => self.wait_applied().await,
            Act::Remove(kind, name) => self.story.delete(kind, name).await,
            Act::Pass(seconds) => self.story.clock.advance(Duration::from_secs(seconds)),
            Act::Delete(kind, name) => {
                self.story.delete(kind, name).await;
                self.story.wait_gone(kind, name).await;
            }
            Act::Gone(kind, name) => self.story.wait_gone(kind, name).await,
            Act::Owns(name, count) => {
                let owns = |k: &Value| inventory(k).len() == count;
                self.story.wait("Kustomization", name, &format!("owner of {count}"), owns).await;
            }
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
            Act::Kubeconfig(name) => self.kubeconfig(name).await,
            Act::Refuses(step, file) => self.refuses(step, file).await?,
        }
        Ok(())
    }

    async fn kubeconfig(&self, name: &str) {
        let data = json!({"value": World::shared().kubeconfig()});
        let metadata = json!({"name": name});
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
        self.story.apply(&secret).await;
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
        if let Some(input) = document["stdin"].as_str() {
            let mut arguments = vec!["-n", &story.namespace];
            arguments.extend(change.arguments.iter().map(String::as_str));
            World::shared().kubectl_with(&arguments, input);
            return Ok(());
        }
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

    fn is_different(&self, name: &str) -> bool {
        DIFFERENT.iter().any(|(case, object, _)| *case == self.case.name && *object == name)
    }

    /// Whether an event depends on who of several owners of one object came first.
    fn is_raced(&self, event: &Happening) -> bool {
        RACED.contains(&self.case.name.as_str()) && event.2 == "Progressing"
    }

    /// Whether an event is one of ours that the reference has not, on purpose.
    fn is_more(&self, event: &Happening) -> bool {
        MORE.iter().any(|(case, object, message, _)| {
            *case == self.case.name && event.0 == *object && event.3 == *message
        })
    }

    /// Tries the documents of a step one by one, and compares the answers.
    async fn refuses(&mut self, step: u32, file: &str) -> anyhow::Result<()> {
        let answers = self.case.result(&format!("{file}.yaml"))?;
        let changes = self.case.changes.iter().filter(|change| change.step == step);
        let texts: Vec<_> = changes.map(|change| self.names.ours(&change.text)).collect();
        for (at, (text, recorded)) in texts.iter().zip(answers).enumerate() {
            let Some(document) = parse(text)?.pop() else { continue };
            let ours = match self.story.try_apply("kubectl", &document).await {
                Ok(made) => json!({"spec": made["spec"]}),
                Err(kube::Error::Api(answer)) => {
                    // Where there is no reason, the client makes one of the code.
                    let reason = Value::from(answer.reason.clone());
                    let reason = if answer.code == 422 { reason } else { Value::Null };
                    json!({"reason": reason, "message": answer.message, "code": answer.code})
                }
                Err(error) => anyhow::bail!(error),
            };
            let ours = self.names.recorded_value(ours);
            let answer = &recorded["answer"];
            let wanted = if answer["kind"] == "Status" {
                let (reason, message) = (&answer["reason"], &answer["message"]);
                json!({"reason": reason, "message": message, "code": recorded["code"]})
            } else {
                json!({"spec": answer["spec"]})
            };
            self.misses.extend(differences(&format!("answer {at}"), &wanted, &ours));
        }
        Ok(())
    }

    async fn see(&mut self, file: &str) -> anyhow::Result<()> {
        let snapshot = self.case.result(&format!("{file}.yaml"))?;
        let mut leaving = leaving(&snapshot);
        let others = LEAVING.iter().filter(|(case, _)| *case == self.case.name);
        leaving.extend(others.map(|(_, id)| (*id).to_owned()));
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
                let ours = self.names.recorded_value(ours);
                let ours = without(&leaving, ahead(&wanted, counts(&ours, &self.names)));
                differences(&format!("{file} {name}"), &wanted, &ours)
            });
            let found = found.await;
            self.misses.extend(found);
        }
        Ok(())
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
            let found = found.filter(|event| {
                !self.is_different(&event.0) && !self.is_raced(event) && !self.is_more(event)
            });
            events(&wanted, &found.collect())
        });
        let found = found.await;
        self.misses.extend(found);
        Ok(())
    }
}

/// The usual flags, or those that a case has of its own.
fn flags(kind: &str, case: &str) -> Vec<&'static str> {
    let own = FLAGS.iter().filter(|(name, _)| *name == case).flat_map(|(_, flags)| *flags);
    let own: Vec<&str> = own.copied().collect();
    let requeue = "--requeue-dependency=5s";
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let is_usual = kind != SOURCE && !own.iter().any(|flag| name(flag) == name(requeue));
    [ADVERTISED].into_iter().chain(is_usual.then_some(requeue)).chain(own).collect()
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
