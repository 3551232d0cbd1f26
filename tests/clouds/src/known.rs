//! Who the clouds know.

/// The role that trusts ServiceAccounts, and this process's web identity.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/shop";
/// The key that the role, the container and the instance give.
pub const KEY_ID: &str = "ASIAIMITATION";
/// Its secret.
pub const KEY_SECRET: &str = "canary-secret/of+the+imitation";
/// What goes with it.
pub const KEY_SESSION: &str = "canary-session-of-the-imitation";
/// Shows a container to its endpoint.
pub const CONTAINER_TOKEN: &str = "canary-container-token";
/// The tenant on Azure.
pub const TENANT: &str = "11111111-1111-1111-1111-111111111111";
/// The application on Azure.
pub const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
/// Its password.
pub const CLIENT_PASSWORD: &str = "canary-password-of-the-application";
/// Key and certificate of the application, which are the Google service account's too
/// (`keys/remake.sh`).
pub const CLIENT_PEM: &str = include_str!("../keys/application.pem");
/// What every bearer token begins with; its scope follows.
pub const BEARER: &str = "canary-bearer-for:";
/// The provider on Google Cloud that trusts ServiceAccounts.
pub const PROVIDER: &str =
    "projects/1234/locations/global/workloadIdentityPools/pool/providers/cluster";
/// The service account on Google Cloud.
pub const EMAIL: &str = "shop@project.iam.gserviceaccount.com";
/// What registries' passwords begin with.
pub const PASSWORD: &str = "canary-registry-password";
/// What every wrapped key begins with; the key follows.
pub const WRAPPED: &str = "wrapped:";
/// The key of AWS KMS.
pub const KMS_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/shop";
/// What it is told beside the ciphertext, as `purpose`.
pub const KMS_PURPOSE: &str = "sops";
/// The key of Google Cloud KMS.
pub const GCP_KEY: &str = "projects/project/locations/global/keyRings/ring/cryptoKeys/shop";
/// The vault on Azure, whose key is `shop` in version 1.
pub const AZURE_VAULT: &str = "https://shop.vault.azure.net";
/// The Vault server, whose transit engine `sops/transit` has the key `shop`.
pub const VAULT: &str = "https://vault.example.com";
/// Its token.
pub const VAULT_TOKEN: &str = "canary-token-of-the-vault";
/// The cluster on AWS.
pub const EKS: &str = "arn:aws:eks:eu-central-1:123456789012:cluster/shop";
/// The cluster on Azure.
pub const AKS: &str = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/shop\
                       /providers/Microsoft.ContainerService/managedClusters/shop";
/// The cluster on Google Cloud.
pub const GKE: &str = "projects/project/locations/europe-west1/clusters/shop";
/// Where each of them is.
pub const CLUSTER_HOST: &str = "shop.example.com";
/// Whom each of them is known by.
pub const CLUSTER_AUTHORITY: &str =
    "-----BEGIN CERTIFICATE-----\nYXV0aG9yaXR5\n-----END CERTIFICATE-----\n";
