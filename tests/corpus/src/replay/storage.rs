//! What is stored and served of a source, as the recordings list it.

use std::collections::BTreeSet;

use e2e::settled;
use serde_json::{Value, json};

use super::compare::{differences, entries};
use super::stage::{PATIENCE, Stage};

impl Stage {
    pub(super) async fn stored_file(&self, name: &str) -> anyhow::Result<std::path::PathBuf> {
        let source = self.story.get("OCIRepository", name).await.unwrap_or_default();
        let path = source["status"]["artifact"]["path"].as_str().unwrap_or_default();
        Ok(self.story.storage().join(path))
    }

    /// Names and modes of the files of an object, and the entries of its archives. Lock files have
    /// no part in a store that is addressed by content, and its link is relative.
    pub(super) async fn stored(&mut self, file: &str, name: &str) -> anyhow::Result<()> {
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

    /// Directories and lock files are not served (decisions.md, H16), and a client that is well
    /// behaved sends no dot segments.
    pub(super) async fn answers(&mut self, file: &str) -> anyhow::Result<()> {
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
                self.misses
                    .push(format!("{request} {headers:?}: {status}, not {}", recorded["status"]));
            }
            for (name, value) in recorded["headers"].as_object().into_iter().flatten() {
                let varies = ["Date", "Last-Modified", "Content-Length", "Content-Range"];
                let found = answered.get(&name.to_lowercase());
                if !varies.contains(&name.as_str()) && found.map(String::as_str) != value.as_str() {
                    self.misses
                        .push(format!("{request} {headers:?}: {name} is {found:?}, not {value}"));
                }
            }
        }
        Ok(())
    }

    /// The same series, by name and labels in any order; values are times. The token cache comes
    /// with cloud logins.
    pub(super) async fn metrics(&mut self, file: &str) -> anyhow::Result<()> {
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
