//! What a notification controller is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use e2e::{Story, until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::sync::CONFIG_MAP;

/// Takes what is posted; answers as it was told to, and then well. An answer of 0 never comes.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    /// Begins to listen; gives the flag that names the place.
    async fn listen(&self) -> (String, JoinHandle<()>) {
        let take = |State(receiver): State<Self>, Json(body): Json<Value>| async move {
            let answer = receiver.answers.lock().unwrap().pop_front().unwrap_or(202);
            receiver.taken.lock().unwrap().push(body);
            if answer == 0 {
                std::future::pending::<()>().await;
            }
            StatusCode::from_u16(answer).unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let flag = format!("--events-addr=http://{}/hook?x=1", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/hook", post(take)).with_state(self.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (flag, server)
    }

    fn answer(&self, answers: &[u16]) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    fn reasons(&self, kind: &str) -> Vec<String> {
        let of_kind = |body: &&Value| body["involvedObject"]["kind"] == kind;
        let reason = |body: &Value| body["reason"].as_str().unwrap().to_owned();
        self.taken().iter().filter(of_kind).map(reason).collect()
    }
}

/// ks A10: in the form that receivers know; what only who looks at an object wants to know is not told.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_posted() {
    let receiver = Receiver::default();
    let (flag, server) = receiver.listen().await;
    let story = Story::begin_with("posted", &[&flag]).await;
    let digest = story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let mut k = story.kustomization("k", json!({}));
    k["metadata"]["annotations"] = json!({"event.toolkit.fluxcd.io/team": "a", "other": "b"});
    story.apply(&k).await;
    let k = story.wait_ready("Kustomization", "k").await;
    let told = async || receiver.reasons("Kustomization").len() == 2;
    until("both happenings are told", told).await;
    assert_eq!(receiver.reasons("Kustomization"), ["Progressing", "ReconciliationSucceeded"]);

    let ns = &story.namespace;
    let mut body =
        receiver.taken().into_iter().find(|body| body["reason"] == "Progressing").unwrap();
    let version = body["involvedObject"].as_object_mut().unwrap().remove("resourceVersion");
    assert!(version.unwrap().is_string());
    let time = body.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    let instance = body.as_object_mut().unwrap().remove("reportingInstance").unwrap();
    assert!(!instance.as_str().unwrap().is_empty());
    let wanted = json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": ns, "name": "k", "uid": k["metadata"]["uid"],
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": "info",
        "message": format!("ConfigMap/{ns}/cm created"),
        "reason": "Progressing",
        "reportingController": "kustomize-controller",
        "metadata": {
            "kustomize.toolkit.fluxcd.io/revision": format!("latest@{digest}"),
            "event.toolkit.fluxcd.io/team": "a",
        },
    });
    assert_eq!(body, wanted);

    story.request("OCIRepository", "src", "again").await;
    story.wait_event("src", "ArtifactUpToDate").await;
    assert_eq!(receiver.reasons("OCIRepository"), ["NewArtifact"]);
    let source = receiver.taken().into_iter().find(|body| body["reason"] == "NewArtifact").unwrap();
    assert_eq!(source["reportingController"], "source-controller");
    server.abort();
}

/// W10: a receiver that hangs, fails or has heard it already holds nobody, and what it did not take it
/// is told again.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_nobody() {
    let receiver = Receiver::default();
    // Nobody answers the first time, then the same is refused, and then it is taken.
    receiver.answer(&[0, 503, 202, 429, 400]);
    let (flag, server) = receiver.listen().await;
    let story = Story::begin_with("hangs", &[&flag]).await;
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let first = async || receiver.taken().len() == 1;
    until("the first is told", first).await;
    story.wait_ready("OCIRepository", "src").await;
    // Its answer is awaited, and then some time passes before the next try.
    let told = async |count: usize| {
        until("it is told again", async || {
            story.clock.advance(Duration::from_secs(1));
            receiver.taken().len() >= count
        })
        .await;
    };
    told(3).await;
    let taken = receiver.taken();
    assert!(taken.iter().all(|body| *body == taken[0]), "{taken:#?}");
    // Neither of the next two is told again: one was known, the other is not wanted.
    story.apply(&story.kustomization("k", json!({}))).await;
    story.wait_ready("Kustomization", "k").await;
    told(5).await;
    story.request("Kustomization", "k", "again").await;
    told(6).await;
    let reasons = receiver.reasons("Kustomization");
    assert_eq!(reasons, ["Progressing", "ReconciliationSucceeded", "ReconciliationSucceeded"]);
    server.abort();
}
