//! Logins of registries, for every way to an identity.

use cloud::who::Identity;
use cloud::{Login, Provider, Who};
use clouds::{Imitation, known};

use crate::scene::{Variables, account, clouds, explain, file, token, who};

const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const ACR: &str = "shop.azurecr.io";
const GAR: &str = "europe-docker.pkg.dev";

fn shown(login: Result<Login, cloud::Error>) -> String {
    let text = match login {
        Ok(login) => return format!("{} {}", login.username, login.password.reveal()),
        Err(error) => explain(&error),
    };
    assert!(!text.contains("canary"), "{text}");
    text
}

const AWS_LOGIN: &str = "AWS canary-registry-password-eu-central-1";

#[tokio::test]
async fn a_process_on_aws_finds_its_keys_where_the_sdks_look() {
    let imitation = Imitation::start().await;
    let web = file(&token("system:serviceaccount:flux-system:sluice", "sts.amazonaws.com"));
    let web = web.path().to_str().unwrap();
    let container = "http://169.254.170.2/container";
    let ways: [(Variables, &[&str]); 4] = [
        (
            &[
                ("AWS_ACCESS_KEY_ID", known::KEY_ID),
                ("AWS_SECRET_ACCESS_KEY", known::KEY_SECRET),
                ("AWS_SESSION_TOKEN", known::KEY_SESSION),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/not/read"),
            ],
            &[],
        ),
        (
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", web), ("AWS_ROLE_ARN", known::ROLE)],
            &["POST sts.eu-central-1.amazonaws.com/"],
        ),
        (
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", known::CONTAINER_TOKEN),
            ],
            &["GET 169.254.170.2/container"],
        ),
        (
            &[],
            &[
                "PUT 169.254.169.254/latest/api/token",
                "GET 169.254.169.254/latest/meta-data/iam/security-credentials/",
                "GET 169.254.169.254/latest/meta-data/iam/security-credentials/node-role",
            ],
        ),
    ];
    for (variables, requests) in ways {
        let before = imitation.log().len();
        let clouds = clouds(&imitation, variables);
        let ambient = who(Identity::Ambient);
        assert_eq!(shown(clouds.login(Provider::Aws, ECR, &ambient).await), AWS_LOGIN);
        let mut expected = requests.to_vec();
        expected.push("POST api.ecr.eu-central-1.amazonaws.com/");
        assert_eq!(imitation.log()[before..], expected);
        // Both the keys and the login are kept.
        assert_eq!(shown(clouds.login(Provider::Aws, ECR, &ambient).await), AWS_LOGIN);
        assert_eq!(imitation.log().len(), before + expected.len());
    }
}

#[tokio::test]
async fn the_public_registry_has_an_endpoint_of_its_own() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let login = clouds.login(Provider::Aws, "public.ecr.aws", &who(Identity::Ambient)).await;
    assert_eq!(shown(login), "AWS canary-registry-password-us-east-1");
    let last = imitation.log().pop().unwrap();
    assert_eq!(last, "POST api.ecr-public.us-east-1.amazonaws.com/");
}

const ROLE_ARN: &str = "eks.amazonaws.com/role-arn";

#[tokio::test]
async fn an_account_on_aws_takes_the_role_that_its_annotation_names() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let login = async |who: &Who| shown(clouds.login(Provider::Aws, ECR, who).await);
    let shop = account("shop", &[(ROLE_ARN, known::ROLE)]);
    assert_eq!(login(&shop).await, AWS_LOGIN);
    let log = ["POST sts.eu-central-1.amazonaws.com/", "POST api.ecr.eu-central-1.amazonaws.com/"];
    assert_eq!(imitation.log(), log);

    let begin = "failed to get access token for artifact registry: failed to";
    let none = login(&account("none", &[])).await;
    let text = "get provider identity from service account 'ns/none' annotations: \
                invalid eks.amazonaws.com/role-arn annotation: ''. must match ";
    assert!(none.starts_with(&format!("{begin} {text}")), "{none}");
    let other = login(&account("other", &[(ROLE_ARN, "arn:aws:iam::1:role/other")])).await;
    let text = "create provider access token for service account 'ns/other': \
                STS AssumeRoleWithWebIdentity: status 403: AccessDenied: Not authorized: ***";
    assert_eq!(other, format!("{begin} {text}"));
    let gone = login(&account("gone", &[(ROLE_ARN, known::ROLE)])).await;
    let text = "create kubernetes token for service account 'ns/gone': \
                serviceaccounts \"gone\" not found";
    assert_eq!(gone, format!("{begin} {text}"));
}

#[tokio::test]
async fn what_the_clouds_refuse_is_said_without_what_they_were_sent() {
    let imitation = Imitation::start().await;
    let wrong = [
        ("AWS_ACCESS_KEY_ID", known::KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", "canary-wrong"),
        ("AWS_SESSION_TOKEN", known::KEY_SESSION),
    ];
    let ambient = who(Identity::Ambient);
    let text = shown(clouds(&imitation, &wrong).login(Provider::Aws, ECR, &ambient).await);
    let begin = "failed to create artifact registry credentials: ECR GetAuthorizationToken: \
                 status 403: SignatureDoesNotMatch: other signature: ";
    assert!(text.starts_with(begin), "{text}");
    let wrong = [
        ("AZURE_TENANT_ID", known::TENANT),
        ("AZURE_CLIENT_ID", known::CLIENT),
        ("AZURE_CLIENT_SECRET", "canary-wrong"),
    ];
    let text = shown(clouds(&imitation, &wrong).login(Provider::Azure, ACR, &ambient).await);
    let begin = "failed to get access token for artifact registry: failed to create provider \
                 access token for the controller: Entra ID token: status 401: invalid_client: \
                 AADSTS70021: no match for ***";
    assert_eq!(text, begin);
}

#[tokio::test]
async fn azure_knows_processes_and_accounts() {
    let imitation = Imitation::start().await;
    let web =
        file(&token("system:serviceaccount:flux-system:sluice", "api://AzureADTokenExchange"));
    let web = web.path().to_str().unwrap();
    let tenant = ("AZURE_TENANT_ID", known::TENANT);
    let client = ("AZURE_CLIENT_ID", known::CLIENT);
    let public = format!("POST login.microsoftonline.com/{}/oauth2/v2.0/token", known::TENANT);
    let own = public.replace("login.microsoftonline.com", "login.example.com");
    let managed = "GET 169.254.169.254/metadata/identity/oauth2/token".to_owned();
    let ambient = who(Identity::Ambient);
    let annotated = account(
        "shop",
        &[
            ("azure.workload.identity/tenant-id", known::TENANT),
            ("azure.workload.identity/client-id", known::CLIENT),
        ],
    );
    let ways: [(Variables, &Who, String); 5] = [
        (
            &[tenant, client, ("AZURE_CLIENT_SECRET", known::CLIENT_PASSWORD)],
            &ambient,
            public.clone(),
        ),
        (
            &[
                tenant,
                client,
                ("AZURE_FEDERATED_TOKEN_FILE", web),
                ("AZURE_AUTHORITY_HOST", "https://login.example.com/"),
            ],
            &ambient,
            own,
        ),
        (&[], &ambient, managed.clone()),
        (&[client], &ambient, managed),
        (&[], &annotated, public),
    ];
    for (variables, who, request) in ways {
        let before = imitation.log().len();
        let login = clouds(&imitation, variables).login(Provider::Azure, ACR, who).await;
        let login = shown(login);
        let begin = "00000000-0000-0000-0000-000000000000 canary-registry-password.";
        assert!(login.starts_with(begin), "{login}");
        let exchange = "POST shop.azurecr.io/oauth2/exchange".to_owned();
        assert_eq!(imitation.log()[before..], [request, exchange]);
    }
    let none = clouds(&imitation, &[]).login(Provider::Azure, ACR, &account("none", &[])).await;
    let text = "failed to get access token for artifact registry: failed to get provider identity \
                from service account 'ns/none' annotations: azure tenant ID is not set in the \
                service account annotation azure.workload.identity/tenant-id";
    assert_eq!(shown(none), text);
}

const WIDE: &str = "https://www.googleapis.com/auth/cloud-platform \
                    https://www.googleapis.com/auth/userinfo.email";

#[tokio::test]
async fn google_knows_processes_and_accounts() {
    let imitation = Imitation::start().await;
    let provider = format!("//iam.googleapis.com/{}", known::PROVIDER);
    let subject = file(&token("system:serviceaccount:flux-system:sluice", &provider));
    let subject = subject.path().to_str().unwrap();
    let act = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
        known::EMAIL
    );
    let external = format!(
        r#"{{"type": "external_account", "audience": "{provider}",
            "credential_source": {{"file": "{subject}"}},
            "service_account_impersonation_url": "{act}"}}"#
    );
    let external = file(&external.into());
    let external = external.path().to_str().unwrap();
    let (provider, email) = (
        ("gcp.auth.fluxcd.io/workload-identity-provider", known::PROVIDER),
        ("iam.gke.io/gcp-service-account", known::EMAIL),
    );
    let token = "/computeMetadata/v1/instance/service-accounts/default/token";
    let near = format!("GET 169.254.169.254{token}");
    let named = format!("GET metadata.example.com{token}");
    let sts = "POST sts.googleapis.com/v1/token".to_owned();
    let act = act.replace("https://", "POST ");
    let describe = [
        "project/project-id",
        "instance/attributes/cluster-location",
        "instance/attributes/cluster-name",
    ];
    let describe = describe.map(|path| format!("GET 169.254.169.254/computeMetadata/v1/{path}"));
    let ambient = who(Identity::Ambient);
    let metadata_host = [("GCE_METADATA_HOST", "metadata.example.com")];
    let credentials = [("GOOGLE_APPLICATION_CREDENTIALS", external)];
    let mut on_gke = describe.to_vec();
    on_gke.push(sts.clone());
    let ways: [(Variables, Who, Vec<String>); 6] = [
        (&[], ambient.clone(), vec![near]),
        (&metadata_host, ambient.clone(), vec![named]),
        (&credentials, ambient, vec![sts.clone(), act.clone()]),
        (&[], account("direct", &[provider]), vec![sts.clone()]),
        (&[], account("acting", &[provider, email]), vec![sts, act]),
        (&[], account("on-gke", &[]), on_gke),
    ];
    for (variables, who, requests) in ways {
        let before = imitation.log().len();
        let login = clouds(&imitation, variables).login(Provider::Gcp, GAR, &who).await;
        assert_eq!(shown(login), format!("oauth2accesstoken {}{WIDE}", known::BEARER));
        assert_eq!(imitation.log()[before..], requests);
    }
}

/// Hosts that are no cloud's are refused before anybody is asked.
#[tokio::test]
async fn hosts_that_are_not_the_clouds_are_refused() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    for (provider, cloud) in
        [(Provider::Aws, "AWS"), (Provider::Azure, "Azure"), (Provider::Gcp, "GCP")]
    {
        for host in ["reg.example.com", "azurecr.io", "gcr.io.example.com"] {
            let text = shown(clouds.login(provider, host, &who(Identity::Ambient)).await);
            let begin = format!("invalid {cloud} registry: '{host}'. must match ");
            assert!(text.starts_with(&begin), "{text}");
        }
    }
    assert_eq!(imitation.log(), Vec::<String>::new());
}

/// An identity's login is nobody else's, and ends with its time.
#[tokio::test]
async fn logins_are_kept_for_one_identity_each() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let (shop, other) =
        (account("shop", &[(ROLE_ARN, known::ROLE)]), account("other", &[(ROLE_ARN, known::ROLE)]));
    let requests = async |who: &Who| {
        let before = imitation.log().len();
        assert_eq!(shown(clouds.login(Provider::Aws, ECR, who).await), AWS_LOGIN);
        imitation.log().len() - before
    };
    assert_eq!([requests(&shop).await, requests(&shop).await], [2, 0]);
    assert_eq!([requests(&other).await, requests(&shop).await], [2, 0]);
    imitation.set_life(0);
    let ambient = who(Identity::Ambient);
    assert_eq!([requests(&ambient).await, requests(&ambient).await], [4, 4]);
}
