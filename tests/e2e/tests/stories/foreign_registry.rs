//! The same story on a registry that is not ours: Debian's docker-registry, where it is installed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use artifact::{Ignore, Tree};
use e2e::Story;
use oci::push::Push;
use oci::reference::PlainHttp;
use oci::{Client, Options, Reference};
use serde_json::json;

use super::sync::CONFIG_MAP;

struct DockerRegistry {
    process: Child,
    host: String,
    _folder: tempfile::TempDir,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl DockerRegistry {
    /// Starts one on a free port; `None` where it is not installed.
    async fn start() -> Option<Self> {
        Command::new("docker-registry").arg("--version").output().ok()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let settings = json!({
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        std::fs::write(&config, settings.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let registry = Self { process, host: format!("127.0.0.1:{port}"), _folder: folder };
        e2e::until("the registry answers", async || {
            reqwest::get(format!("http://{}/v2/", registry.host)).await.is_ok()
        })
        .await;
        Some(registry)
    }

    async fn push(&self, tag: &str, text: &str) {
        let reference =
            Reference::parse(&format!("oci://{}/team/app", self.host), PlainHttp::Allowed).unwrap();
        let tree = Tree::from_files([("cm.yaml", text.as_bytes())]).unwrap();
        let mut content = Vec::new();
        tree.pack(&Ignore::new(&tree, None).unwrap(), &mut content).unwrap();
        let push = Push { content: content.into(), annotations: BTreeMap::new() };
        let client = Client::new(&Options::new(std::env::temp_dir())).unwrap();
        client.push(&reference, tag, &push).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_of_others_serves_as_well() {
    let story = Story::begin("docker").await;
    let Some(registry) = DockerRegistry::start().await else {
        e2e::say("skipped: no docker-registry");
        return;
    };
    registry.push("1.0.0", CONFIG_MAP).await;
    let url = format!("oci://{}/team/app", registry.host);
    let source = story.source(json!({"url": url, "ref": {"semver": ">=1.0.0"}}));
    story.apply(&source).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    registry.push("1.1.0", &CONFIG_MAP.replace("v1}", "v2}")).await;
    story.request("OCIRepository", "src", "next").await;
    story.wait("ConfigMap", "cm", "at v2", |cm| cm["data"]["key"] == "v2").await;
    let k = story.wait_ready("Kustomization", "k").await;
    let revision = k["status"]["lastAppliedRevision"].as_str().unwrap();
    assert!(revision.starts_with("1.1.0@sha256:"), "{revision}");
    story.apply(&story.source(json!({"url": format!("oci://{}/team/none", registry.host)}))).await;
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    let text = e2e::condition(&source, "Ready")["message"].to_string();
    assert!(text.contains("MANIFEST_UNKNOWN"), "{text}");
}
