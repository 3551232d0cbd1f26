//! The same stories on a registry that is not ours: Debian's docker-registry, where it is installed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use artifact::{Ignore, Tree};
use e2e::{CANARY, Story, condition};
use oci::keychain::Credential;
use oci::push::Push;
use oci::reference::PlainHttp;
use oci::{Client, Options, Reference};
use registry::ServerTls;
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

const USER: &str = "user";
/// The user, and a hash of [`CANARY`], as `htpasswd -B` writes them.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuut.2gTtlcpDW/G5ferReCDv0slKNe8Ta\n";

struct DockerRegistry {
    process: Child,
    host: String,
    /// The authority of one over TLS, which lets in [`USER`] with [`CANARY`] only.
    authority: Option<String>,
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
    async fn start(tls: Option<ServerTls>) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            e2e::say("skipped: docker-registry is not installed (apt-get install docker-registry)");
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut settings = json!({
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        if let Some(tls) = &tls {
            settings["http"]["tls"] = json!({"certificate": write("tls.crt", &tls.certificate),
                "key": write("tls.key", &tls.key)});
            settings["auth"] =
                json!({"htpasswd": {"realm": "registry", "path": write("users", HTPASSWD)}});
        }
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(write("config.json", &settings.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let (host, authority) = (format!("127.0.0.1:{port}"), tls.map(|tls| tls.authority));
        let registry = Self { process, host, authority, _folder: folder };
        e2e::until("the registry listens", async || {
            tokio::net::TcpStream::connect(&registry.host).await.is_ok()
        })
        .await;
        Some(registry)
    }

    async fn push(&self, tag: &str, text: &str) {
        let reference =
            Reference::parse(&format!("oci://{}/team/app", self.host), PlainHttp::LocalOnly)
                .unwrap();
        let tree = Tree::from_files([("cm.yaml", text.as_bytes())]).unwrap();
        let mut content = Vec::new();
        tree.pack(&Ignore::new(&tree, None).unwrap(), &mut content).unwrap();
        let push = Push { content: content.into(), annotations: BTreeMap::new() };
        let mut options = Options::new(std::env::temp_dir());
        if let Some(authority) = &self.authority {
            options.tls.authorities = Some(authority.clone().into());
            let credential = Credential::Basic { username: USER.into(), password: CANARY.into() };
            options.keychain.add(&self.host, credential);
        }
        Client::new(&options).unwrap().push(&reference, tag, &push).await.unwrap();
    }

    /// The spec of a source on it, with secrets where it wants them.
    fn spec(&self) -> Value {
        let mut spec = json!({"url": format!("oci://{}/team/app", self.host), "insecure": null,
            "ref": {"semver": ">=1.0.0"}});
        if self.authority.is_some() {
            spec["certSecretRef"] = json!({"name": "authority"});
            spec["secretRef"] = json!({"name": "password"});
        }
        spec
    }
}

/// From the first tag to the next one, and what is not there is named.
async fn follow(story: &Story, registry: &DockerRegistry) {
    story.apply(&story.source(registry.spec())).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    registry.push("1.1.0", &CONFIG_MAP.replace("v1}", "v2}")).await;
    story.request("OCIRepository", "src", "next").await;
    story.wait("ConfigMap", "cm", "at v2", |cm| cm["data"]["key"] == "v2").await;
    let k = story.wait_ready("Kustomization", "k").await;
    let revision = k["status"]["lastAppliedRevision"].as_str().unwrap();
    assert!(revision.starts_with("1.1.0@sha256:"), "{revision}");
    let digest = revision.split_once('@').unwrap().1;
    for (reference, wanted) in [
        (json!({"tag": "1.1.0"}), format!("1.1.0@{digest}")),
        (json!({"digest": digest}), digest.to_owned()),
    ] {
        let mut spec = registry.spec();
        spec["ref"] = reference;
        story.apply(&story.source(spec)).await;
        let there = |source: &Value| source["status"]["artifact"]["revision"] == wanted.as_str();
        story.wait("OCIRepository", "src", &wanted, there).await;
    }
    let mut spec = registry.spec();
    spec["ref"] = json!({"tag": "none"});
    story.apply(&story.source(spec)).await;
    let text = failure(story).await;
    assert!(text.contains("MANIFEST_UNKNOWN"), "{text}");
}

async fn failure(story: &Story) -> String {
    let source = story.wait_failed("OCIRepository", "src", "OCIArtifactPullFailed").await;
    condition(&source, "Ready")["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_of_others_serves_as_well() {
    let story = Story::begin("docker").await;
    let Some(registry) = DockerRegistry::start(None).await else { return };
    registry.push("1.0.0", CONFIG_MAP).await;
    follow(&story, &registry).await;
}

/// Over TLS under an authority of its own, with a password: neither is enough without the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_of_others_asks_for_a_password_over_tls() {
    let story = Story::begin("docker-tls").await;
    let Some(registry) = DockerRegistry::start(Some(ServerTls::issue())).await else { return };
    registry.push("1.0.0", CONFIG_MAP).await;
    let auths = json!({"auths": {&registry.host: {"username": USER, "password": CANARY}}});
    let secrets = [
        ("authority", "Opaque", json!({"ca.crt": registry.authority})),
        (
            "password",
            "kubernetes.io/dockerconfigjson",
            json!({".dockerconfigjson": auths.to_string()}),
        ),
    ];
    for (name, kind, data) in secrets {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": kind, "stringData": data});
        story.apply(&secret).await;
    }
    for (missing, problem) in [
        ("certSecretRef", "x509: certificate signed by unknown authority"),
        ("secretRef", "UNAUTHORIZED"),
    ] {
        let mut spec = registry.spec();
        spec[missing] = Value::Null;
        spec["ref"] = json!({"tag": "1.0.0"});
        story.apply(&story.source(spec)).await;
        let says =
            |source: &Value| condition(source, "Ready")["message"].to_string().contains(problem);
        story.wait("OCIRepository", "src", problem, says).await;
    }
    follow(&story, &registry).await;
}
