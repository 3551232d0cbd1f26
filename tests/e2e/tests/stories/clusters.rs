//! Clusters that a ConfigMap describes.

use e2e::{Story, World, condition};
use serde_json::{Value, json};

use super::identity::allow;
use super::sync::CONFIG_MAP;

const GATE: &str = "--feature-gates=ObjectLevelWorkloadIdentity=true";
/// The audience that the API server takes when a token names no other.
const AUDIENCE: &str = "https://kubernetes.default.svc";

fn description(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": "remote", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}})
}

/// Where this control plane is.
fn generic(account: &str, audiences: &str) -> Value {
    use base64::Engine as _;
    let (server, authority) = World::shared().address();
    let authority = base64::engine::general_purpose::STANDARD.decode(authority).unwrap();
    let mut data = json!({"provider": "generic", "address": server, "audiences": audiences,
        "ca.crt": String::from_utf8(authority).unwrap()});
    if !account.is_empty() {
        data["serviceAccountName"] = json!(account);
    }
    description(&data)
}

async fn says(story: &Story, text: &str) {
    story
        .wait("Kustomization", "k", text, |k| {
            let ready = condition(k, "Ready");
            ready["reason"] == "ReconciliationFailed"
                && ready["message"].as_str().unwrap().contains(text)
        })
        .await;
}

/// How many tokens were issued for Kustomizations.
async fn tokens(story: &Story) -> u64 {
    let url = format!("http://{}/metrics", story.operator().addresses.metrics);
    let text = String::from_utf8(story.http("GET", &url).await.1).unwrap();
    let begin = "gotk_token_cache_events_total{event_type=\"cache_miss\",kind=\"Kustomization\"";
    let counts = text.lines().filter(|line| line.starts_with(begin));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// The control plane stands for a second cluster: it is opened with tokens of the account that the
/// ConfigMap names, for the audiences that it names, and everything is done as that account.
#[tokio::test(flavor = "multi_thread")]
async fn a_described_cluster_is_opened_as_an_account() {
    let mut story = Story::begin("described").await;
    let ns = story.namespace.clone();
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.apply(&story.source(json!({}))).await;
    let spec = json!({"kubeConfig": {"configMapRef": {"name": "remote"}}, "wait": true});
    story.apply(&story.kustomization("k", spec)).await;
    let text = format!("failed to get configmap {ns}/remote: configmaps \"remote\" not found");
    says(&story, &text).await;
    story.wait_event("k", &format!("failed to build kube client: {text}")).await;
    story.apply(&description(&json!({"provider": "own"}))).await;
    says(&story, "provider 'own' not implemented").await;
    story.apply(&generic("", AUDIENCE)).await;
    let begin = "failed to get access token for cluster: ";
    says(&story, &format!("{begin}audiences need a serviceAccountName: ")).await;
    story.apply(&generic("remote", AUDIENCE)).await;
    let text = format!(
        "{begin}failed to get service account '{ns}/remote': serviceaccounts \"remote\" not found"
    );
    says(&story, &text).await;
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    story.apply(&account("remote")).await;
    story.request("Kustomization", "k", "account").await;
    says(&story, &format!("{begin}ObjectLevelWorkloadIdentity feature gate is not enabled")).await;

    story.kill_operator();
    story.set_flags(&[GATE, "--default-kubeconfig-service-account=usual"]);
    story.start_operator().await;
    says(&story, &format!("User \"system:serviceaccount:{ns}:remote\" cannot patch")).await;
    // Our own API server does not know the audience, so it does not know us.
    story.apply(&generic("remote", "somebody else")).await;
    says(&story, "Unauthorized").await;
    // Without a name it is the usual account.
    story.apply(&generic("", AUDIENCE)).await;
    let text = format!("{begin}failed to get service account '{ns}/usual': the specified default");
    says(&story, &text).await;
    allow(&story, "usual").await;
    story.request("Kustomization", "k", "usual").await;
    story.wait_ready("Kustomization", "k").await;

    // Tokens end, clients stay: what is asked after that has a new one.
    let before = tokens(&story).await;
    story.clock.advance(std::time::Duration::from_secs(2 * 60 * 60));
    story.push("latest", &[("cm.yaml", &CONFIG_MAP.replace("v1}", "v2}"))]);
    story.request("OCIRepository", "src", "later").await;
    let is_new = |map: &Value| map["data"]["key"] == "v2";
    story.wait("ConfigMap", "cm", "changed", is_new).await;
    story.wait_ready("Kustomization", "k").await;

    assert!(tokens(&story).await > before);
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
    assert!(story.get("ConfigMap", "cm").await.is_none());
}
