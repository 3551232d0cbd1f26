//! OCIRepository: logins of clouds.

use clouds::{Imitation, known};
use controller::Surroundings;
use e2e::{Story, condition};
use registry::{Guard, Proxy, Registry, Setup};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

const GATE: &str = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const PULL_FAILED: &str = "OCIArtifactPullFailed";

fn around(imitation: &str, variables: &[(&str, &str)]) -> Surroundings {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Surroundings::new(variables).by_way_of(imitation.parse().unwrap())
}

/// A registry for `user` with `password`.
async fn guarded(user: &str, password: &str) -> Registry {
    let guard = Guard::Basic(user.into(), password.into());
    let registry = Registry::start_with(&Setup { guard, ..Setup::default() }).await;
    registry.push_files("app", "latest", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
    registry
}

async fn account(story: &Story, name: &str, annotations: &Value) {
    let metadata = json!({"name": name, "annotations": annotations});
    story.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await;
}

/// oci D08: a secret is used as it is, and no cloud is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_before_the_cloud() {
    let (imitation, registry) = (Imitation::start().await, guarded("user", "password").await);
    let mut story = Story::begin("cloudsecret").await;
    story.kill_operator();
    story.set_surroundings(around(imitation.address(), &[]));
    story.start_operator().await;
    let auths = json!({"auths": {registry.host(): {"username": "user", "password": "password"}}});
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": auths.to_string()},
        }))
        .await;
    let url = registry.url("app");
    let spec = json!({"url": url, "provider": "azure", "secretRef": {"name": "pull"}});
    story.follow("src", spec).await;
    story.wait_ready("OCIRepository", "src").await;
    assert_eq!(imitation.log(), [""; 0]);
}

/// oci D09, D10: an account is taken only where the operator allows it; then a host that is no
/// cloud's is named, and tried again.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_need_a_gate() {
    let mut story = Story::begin("cloudgate").await;
    account(&story, "shop", &json!({"eks.amazonaws.com/role-arn": known::ROLE})).await;
    story.follow("src", json!({"provider": "aws", "serviceAccountName": "shop"})).await;
    let source = story.wait_failed("OCIRepository", "src", "FeatureGateDisabled").await;
    let text = "to use spec.serviceAccountName for provider authentication please enable the \
                ObjectLevelWorkloadIdentity feature gate in the controller";
    for kind in ["Stalled", "Ready"] {
        assert_eq!(condition(&source, kind)["message"], text);
        assert_eq!(condition(&source, kind)["reason"], "FeatureGateDisabled");
    }
    assert_eq!(condition(&source, "FetchFailed"), Value::Null);
    story.stop_operator().await;
    story.set_flags(&[GATE]);
    story.start_operator().await;
    story.request("OCIRepository", "src", "1").await;
    let text = story.failure("src", PULL_FAILED).await;
    let host = story.registry.host();
    let begin =
        format!("failed to determine artifact digest: invalid AWS registry: '{host}'. must match ");
    assert!(text.starts_with(&begin), "{text}");
    assert_eq!(story.registry.take_log(), [""; 0]);
}

/// oci D11: nobody is around who could say who we are.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_an_identity_gets_no_login() {
    let imitation = Imitation::start().await;
    let mut story = Story::begin("cloudnobody").await;
    story.kill_operator();
    let off = [("AWS_EC2_METADATA_DISABLED", "true")];
    story.set_surroundings(around(imitation.address(), &off));
    story.start_operator().await;
    let spec = json!({"url": format!("oci://{ECR}/app"), "provider": "aws"});
    story.follow("src", spec).await;
    let text = story.failure("src", PULL_FAILED).await;
    let begin = "failed to determine artifact digest: failed to get access token for artifact \
                 registry: failed to create provider access token for the controller: no identity";
    assert!(text.starts_with(begin), "{text}");
}

/// A story whose sources reach a registry of AWS and the clouds through a proxy.
struct Cloud {
    story: Story,
    imitation: Imitation,
    digest: String,
    // They end with the story.
    _served: (Registry, Proxy),
}

impl Cloud {
    async fn begin(name: &str, flags: &[&str]) -> Self {
        let imitation = Imitation::start().await;
        let registry = guarded("AWS", &format!("{}-eu-central-1", known::PASSWORD)).await;
        let digest = registry.push_files("app", "pinned", &[("cm.yaml", CONFIG_MAP.as_bytes())]);
        let clouds = imitation.address().strip_prefix("http://").unwrap().to_owned();
        let routes = [("clouds.example.com", clouds.as_str())];
        let proxy = Proxy::start_with_routes(registry.host(), &routes, None).await;
        let mut story = Story::begin(name).await;
        story.kill_operator();
        story.set_flags(&[&[GATE], flags].concat());
        story.set_surroundings(around("http://clouds.example.com", &[]));
        story.start_operator().await;
        account(&story, "shop", &json!({"eks.amazonaws.com/role-arn": known::ROLE})).await;
        story
            .apply(&json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "proxy"},
                "stringData": {"address": format!("http://{}", proxy.host())},
            }))
            .await;
        Self { story, imitation, digest, _served: (registry, proxy) }
    }

    /// Follows the registry as the account.
    async fn follow(&self, reference: &Value) {
        let spec = json!({
            "url": format!("oci://{ECR}/app"),
            "ref": reference,
            "provider": "aws",
            "serviceAccountName": "shop",
            "proxySecretRef": {"name": "proxy"},
        });
        self.story.follow("src", spec).await;
        self.story.wait_ready("OCIRepository", "src").await;
    }
}

const LOGIN: [&str; 2] =
    ["POST sts.eu-central-1.amazonaws.com/", "POST api.ecr.eu-central-1.amazonaws.com/"];

/// What is pinned by its digest and stored needs no login, and no registry.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_and_stored_needs_no_login() {
    let cloud = Cloud::begin("cloudpinned", &["--token-cache-max-size=0"]).await;
    cloud.follow(&json!({"digest": cloud.digest})).await;
    assert_eq!(cloud.imitation.log(), LOGIN);
    cloud.story.handled("src", "again").await;
    assert_eq!(cloud.imitation.log(), LOGIN);
}

/// oci J02: an account of the cluster logs in to a registry of AWS, through the source's proxy; the
/// login is kept, and counted until the source is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_logs_in_to_its_clouds_registry() {
    let cloud = Cloud::begin("cloudlogin", &[]).await;
    let story = &cloud.story;
    cloud.follow(&json!({"tag": "latest"})).await;
    assert_eq!(cloud.imitation.log(), LOGIN);
    story.handled("src", "again").await;
    assert_eq!(cloud.imitation.log(), LOGIN);
    let metrics = async || {
        let url = format!("http://{}/metrics", story.operator().addresses.metrics);
        let (_, body) = story.http("GET", &url).await;
        let lines: Vec<_> = String::from_utf8(body).unwrap().lines().map(str::to_owned).collect();
        let counts = |line: &&String| line.starts_with("gotk_token_cache");
        let mut lines: Vec<_> = lines.iter().filter(counts).cloned().collect();
        lines.sort();
        lines
    };
    let event = |event: &str, count: u32| {
        let namespace = &story.namespace;
        format!(
            "gotk_token_cache_events_total{{event_type=\"{event}\",kind=\"OCIRepository\",\
             name=\"src\",namespace=\"{namespace}\",operation=\"reconcile\"}} {count}"
        )
    };
    let rest = [
        "gotk_token_cache_evictions_total 0".to_owned(),
        "gotk_token_cache_requests_total{status=\"success\"} 4".to_owned(),
        "gotk_token_cached_items 2".to_owned(),
    ];
    let mut expected = vec![event("cache_hit", 2), event("cache_miss", 2)];
    expected.splice(2.., rest.clone());
    expected.sort();
    assert_eq!(metrics().await, expected);
    story.delete("OCIRepository", "src").await;
    story.wait_gone("OCIRepository", "src").await;
    e2e::until("the events are forgotten", async || metrics().await == rest).await;
}
