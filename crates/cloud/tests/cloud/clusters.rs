//! Ways into clusters, for every way to an identity (kustomization.md, 13).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::cluster::{Description, Entrance};
use cloud::who::Identity;
use cloud::{Provider, Who};
use clouds::{Imitation, known};

use crate::scene::{account, clouds, explain, who};

fn described(provider: Option<Provider>, cluster: &str) -> Description {
    let (address, authority) = (String::new(), String::new());
    Description { provider, cluster: cluster.into(), address, authority }
}

fn at(address: &str, description: Description) -> Description {
    Description { address: address.into(), ..description }
}

/// What became of it, without secrets.
fn shown(entrance: Result<Entrance, cloud::Error>) -> String {
    let text = match entrance {
        Ok(entrance) => {
            let authorities: Vec<_> =
                entrance.authorities.iter().map(|der| String::from_utf8_lossy(der)).collect();
            format!("{} {}", entrance.address, authorities.join(","))
        }
        Err(error) => explain(&error),
    };
    assert!(!text.contains("canary"), "{text}");
    text
}

const PLACE: &str = "https://shop.example.com:443 authority";
const ROLE_ARN: &str = "eks.amazonaws.com/role-arn";

/// The token is an address that the cluster asks: whoever sends it without the cluster's name, or to
/// another cluster, gets nothing.
#[tokio::test]
async fn a_cluster_of_eks_is_described_and_gets_a_signed_question() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let shop = account("shop", &[(ROLE_ARN, known::ROLE)]);
    let description = described(Some(Provider::Aws), known::EKS);
    for who in [&shop, &who(Identity::Ambient)] {
        let entrance = clouds.cluster(&description, who).await.unwrap();
        let token = entrance.token.reveal().strip_prefix("k8s-aws-v1.").unwrap().to_owned();
        assert_eq!(shown(Ok(entrance)), PLACE);
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
        let host = "https://sts.eu-central-1.amazonaws.com";
        let url = url.replace(host, imitation.address());
        let ask = async |url: &str, cluster: &str| {
            let request = reqwest::Client::new().get(url).header("x-k8s-aws-id", cluster);
            let request = request.header("host", "sts.eu-central-1.amazonaws.com");
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask(&url, "shop").await, 200);
        assert_eq!(ask(&url, "other").await, 403);
        assert_eq!(ask(&url.replace("X-Amz-Expires=900", "X-Amz-Expires=800"), "shop").await, 403);
    }
    // Kept: nobody is asked again.
    let before = imitation.log().len();
    assert_eq!(shown(clouds.cluster(&description, &shop).await), PLACE);
    assert_eq!(imitation.log().len(), before);

    let text = shown(clouds.cluster(&described(Some(Provider::Aws), "shop"), &shop).await);
    assert!(text.starts_with("invalid EKS cluster ARN: 'shop'. must match ^arn:aws"), "{text}");
    let text = shown(clouds.cluster(&description, &account("none", &[])).await);
    let begin = "failed to get access token for cluster: failed to get provider identity from \
                 service account 'ns/none' annotations: invalid eks.amazonaws.com/role-arn";
    assert!(text.starts_with(begin), "{text}");
    let hostile = "arn:aws:eks:evil.example/?:1:cluster/shop";
    let text = shown(clouds.cluster(&described(Some(Provider::Aws), hostile), &shop).await);
    assert!(text.starts_with("invalid EKS cluster ARN: "), "{text}");
}

fn application() -> Who {
    let annotations = [
        ("azure.workload.identity/tenant-id", known::TENANT),
        ("azure.workload.identity/client-id", known::CLIENT),
    ];
    account("shop", &annotations)
}

#[tokio::test]
async fn a_cluster_of_aks_is_found_by_its_address() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let description = described(Some(Provider::Azure), known::AKS);
    for who in [&application(), &who(Identity::Ambient)] {
        let entrance = clouds.cluster(&description, who).await.unwrap();
        let scope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
        assert_eq!(entrance.token.reveal(), format!("{}{scope}", known::BEARER));
        assert_eq!(shown(Ok(entrance)), PLACE);
        let same = at("SHOP.example.com", description.clone());
        assert_eq!(shown(clouds.cluster(&same, who).await), PLACE);
        let other = at("https://other.example.com", description.clone());
        let text = format!(
            "no kubeconfig found for AKS cluster {} matching the specified address \
             'https://other.example.com'. cluster addresses: ['https://shop.example.com:443']",
            known::AKS
        );
        assert_eq!(shown(clouds.cluster(&other, who).await), text);
    }
    let text = shown(clouds.cluster(&described(Some(Provider::Azure), ""), &application()).await);
    assert!(text.starts_with("invalid AKS cluster ID: ''. must match (?i)^/subs"), "{text}");
    let missing = known::AKS.replace("managedClusters/shop", "managedClusters/none");
    let missing = described(Some(Provider::Azure), &missing);
    let text = shown(clouds.cluster(&missing, &application()).await);
    assert_eq!(text, "failed to describe AKS cluster: AKS Get: status 404: Not Found");
}

const PROVIDER_NOTE: &str = "gcp.auth.fluxcd.io/workload-identity-provider";

#[tokio::test]
async fn a_cluster_of_gke_is_described() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let description = described(Some(Provider::Gcp), known::GKE);
    let shop = account("shop", &[(PROVIDER_NOTE, known::PROVIDER)]);
    for who in [&shop, &who(Identity::Ambient)] {
        let entrance = clouds.cluster(&description, who).await.unwrap();
        assert!(entrance.token.reveal().starts_with(known::BEARER));
        assert_eq!(shown(Ok(entrance)), "https://10.0.0.1:443 authority");
        let named = at(known::CLUSTER_HOST, description.clone());
        assert_eq!(shown(clouds.cluster(&named, who).await), PLACE);
    }
    let text = shown(clouds.cluster(&described(Some(Provider::Gcp), "projects/x"), &shop).await);
    assert!(text.starts_with("invalid GKE cluster ID: 'projects/x'. must match "), "{text}");
    let missing = described(Some(Provider::Gcp), "projects/p/locations/l/clusters/none");
    let text = shown(clouds.cluster(&missing, &shop).await);
    let begin = "failed to describe GKE cluster 'projects/p/locations/l/clusters/none': ";
    assert!(text.starts_with(begin), "{text}");
}

/// Who names an address gets the operator's credentials sent nowhere else than where the cloud
/// says; an account's own go where its owner says.
#[tokio::test]
async fn credentials_of_the_operator_go_to_addresses_of_the_cloud_only() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let complete = |provider, cluster: &str| Description {
        authority: known::CLUSTER_AUTHORITY.into(),
        ..at("https://evil.example.com", described(Some(provider), cluster))
    };
    for (provider, cluster) in
        [(Provider::Aws, known::EKS), (Provider::Azure, known::AKS), (Provider::Gcp, known::GKE)]
    {
        let text =
            shown(clouds.cluster(&complete(provider, cluster), &who(Identity::Ambient)).await);
        assert!(
            text.contains(" matching the specified address 'https://evil.example.com'"),
            "{text}"
        );
    }
    let shop = account("shop", &[(ROLE_ARN, known::ROLE)]);
    let before = imitation.log().len();
    let own = clouds.cluster(&complete(Provider::Aws, known::EKS), &shop).await;
    assert_eq!(shown(own), "https://evil.example.com:443 authority");
    // The cloud was asked for keys and for nothing else.
    assert_eq!(imitation.log()[before..], ["POST sts.eu-central-1.amazonaws.com/"]);
}

#[tokio::test]
async fn other_clusters_take_tokens_of_accounts() {
    let imitation = Imitation::start().await;
    let clouds = clouds(&imitation, &[]);
    let there = at("https://Shop.example.com:6443", described(None, ""));
    let claims = |entrance: &Entrance| -> String {
        let part = entrance.token.reveal().split('.').nth(1).unwrap().to_owned();
        let claims = URL_SAFE_NO_PAD.decode(part).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        format!("{} {}", claims["sub"], claims["aud"])
    };
    let entrance = clouds.cluster(&there, &account("shop", &[])).await.unwrap();
    let text = r#""system:serviceaccount:ns:shop" ["https://Shop.example.com:6443"]"#;
    assert_eq!(claims(&entrance), text);
    assert_eq!(shown(Ok(entrance)), "https://shop.example.com:6443 ");
    let mut for_others = account("shop", &[]);
    if let Identity::Account(account) = &mut for_others.identity {
        account.audiences = vec!["a".into(), "b".into()];
    }
    let entrance = clouds.cluster(&there, &for_others).await.unwrap();
    assert_eq!(claims(&entrance), r#""system:serviceaccount:ns:shop" ["a","b"]"#);
    let entrance = clouds.cluster(&there, &who(Identity::Ambient)).await.unwrap();
    let text = r#""system:serviceaccount:sluice-system:sluice" ["https://Shop.example.com:6443"]"#;
    assert_eq!(claims(&entrance), text);
    for (description, text) in [
        (described(None, ""), "cluster address is required to create a REST config"),
        (
            at("http://x", described(None, "")),
            "failed to parse cluster address http://x: the Kubernetes API server address \
             'http://x' must use https scheme",
        ),
        (
            Description { authority: "canary".into(), ..there.clone() },
            "unable to load root certificates: unable to parse bytes as PEM block",
        ),
    ] {
        assert_eq!(shown(clouds.cluster(&description, &account("shop", &[])).await), text);
    }
    let gone = shown(clouds.cluster(&there, &account("gone", &[])).await);
    let text = "failed to get access token for cluster: failed to create kubernetes token for \
                service account 'ns/gone': serviceaccounts \"gone\" not found";
    assert_eq!(gone, text);
}
