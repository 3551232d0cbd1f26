//! What describes clusters, and what their tokens are asked about.

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::asked::{Asked, agree, refuse};
use crate::aws::{check_presigned, check_signature};
use crate::known::{AKS, BEARER, CLUSTER_AUTHORITY, CLUSTER_HOST, GKE};

pub(crate) fn answer(asked: &Asked) -> Option<Response> {
    let aks = asked.path.strip_prefix(AKS);
    Some(match (asked.host.as_str(), asked.path.as_str()) {
        ("eks.eu-central-1.amazonaws.com", "/clusters/shop") => eks(asked),
        ("sts.eu-central-1.amazonaws.com", "/") if asked.method == "GET" => caller(asked),
        ("management.azure.com", _) if aks.is_some() => azure(asked, aks.unwrap_or_default()),
        ("container.googleapis.com", path) if path == format!("/v1/{GKE}") => gke(asked),
        _ => return None,
    })
}

fn eks(asked: &Asked) -> Response {
    if let Err(problem) = check_signature(asked, "eks", "eu-central-1") {
        let message = format!("{problem}: {:?}", asked.headers);
        return refuse(403, &json!({"__type": "SignatureDoesNotMatch", "message": message}));
    }
    let authority = json!({"data": STANDARD.encode(CLUSTER_AUTHORITY)});
    agree(&json!({"cluster": {
        "endpoint": format!("https://{CLUSTER_HOST}"), "certificateAuthority": authority}}))
}

/// What a cluster asks with its client's token: the signature covers the cluster's name.
fn caller(asked: &Asked) -> Response {
    match check_presigned(asked, "sts", "eu-central-1", &["host", "x-k8s-aws-id"]) {
        Ok(()) => "<GetCallerIdentityResponse/>".into_response(),
        Err(problem) => refuse(403, &json!({"message": problem})),
    }
}

fn bears(asked: &Asked, scope: &str) -> bool {
    asked.header("authorization") == format!("Bearer {BEARER}{scope}")
}

fn azure(asked: &Asked, operation: &str) -> Response {
    if !bears(asked, "https://management.core.windows.net//.default") {
        let shown = asked.header("authorization");
        return refuse(401, &json!({"error": {"code": "InvalidToken", "message": shown}}));
    }
    if asked.parameter("api-version").is_empty() {
        return refuse(400, &json!({"error": {"code": "MissingApiVersionParameter"}}));
    }
    match (asked.method.as_str(), operation) {
        ("GET", "") => agree(&json!({"properties": {"aadProfile": {"managed": true}}})),
        ("POST", "/listClusterUserCredential") => {
            let authority = STANDARD.encode(CLUSTER_AUTHORITY);
            let kubeconfig = format!(
                "clusters:\n- name: shop\n  cluster:\n    certificate-authority-data: {authority}\n    \
                 server: https://{CLUSTER_HOST}:443\n"
            );
            let value = STANDARD.encode(kubeconfig);
            agree(&json!({"kubeconfigs": [{"name": "clusterUser", "value": value}]}))
        }
        _ => refuse(404, &json!({"error": {"code": "NotFound"}})),
    }
}

fn gke(asked: &Asked) -> Response {
    let scopes = "https://www.googleapis.com/auth/cloud-platform \
                  https://www.googleapis.com/auth/userinfo.email";
    if !bears(asked, scopes) {
        let shown = asked.header("authorization");
        return refuse(401, &json!({"error": {"status": "UNAUTHENTICATED", "message": shown}}));
    }
    let authority = STANDARD.encode(CLUSTER_AUTHORITY);
    agree(&json!({"endpoint": "10.0.0.1", "masterAuth": {"clusterCaCertificate": authority},
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": CLUSTER_HOST}}}))
}
