//! Other clusters, as kubeconfigs of users describe them (kustomization.md, 13; security.md, C1).
//!
//! A kubeconfig comes from a tenant: it may not run programs, read files or leave TLS out, unless the
//! operator's settings trust it that far.

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use manifest::{Value, yaml};

use crate::error::Refusal;

/// How large a kubeconfig may be.
const BYTES_MAX: usize = 1 << 20;
/// How long a connection to another cluster may take.
pub(crate) const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// What kubeconfigs are trusted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// Running programs that give credentials.
    pub exec: bool,
    /// Leaving out TLS or its checks.
    pub insecure_tls: bool,
}

/// The configuration that a kubeconfig stands for, without what it is not trusted with.
pub(crate) async fn read(bytes: &[u8], trust: Trust) -> Result<kube::Config, Refusal> {
    let refuse = |why: String| Refusal::Kubeconfig(why);
    if bytes.len() > BYTES_MAX {
        return Err(refuse(format!("kubeconfig exceeds the limit of {BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?;
    // Read by ourselves: aliases and depth are bounded.
    let value = yaml::read_one(text).map_err(|error| {
        let why = match error {
            syntax @ yaml::Error::Syntax { .. } => syntax.to_string(),
            // Others quote what they found, which may be a token.
            _ => "yaml: not the tree of a kubeconfig".to_owned(),
        };
        refuse(format!("couldn't get version/kind; json parse error: {why}"))
    })?;
    if let Some(found) = go_kind(&value) {
        return Err(refuse(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go \
             value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind \
             string \"json:\\\"kind,omitempty\\\"\" }}"
        )));
    }
    // Why it does not fit would quote a field's value.
    let misfit = |_| refuse("a field of the kubeconfig is not of its type".to_owned());
    let json = serde_json::to_value(&value).map_err(misfit)?;
    let kubeconfig: Kubeconfig = serde_json::from_value(json).map_err(misfit)?;
    let kubeconfig = trusted(kubeconfig, trust)?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| refuse(format!("invalid configuration: {error}")))?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Ok(config)
}

/// What Go calls a tree that is no mapping.
fn go_kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Map(_) | Value::Null => None,
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("string"),
        Value::List(_) => Some("array"),
    }
}

fn trusted(mut kubeconfig: Kubeconfig, trust: Trust) -> Result<Kubeconfig, Refusal> {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        cluster.certificate_authority = None;
        if !trust.insecure_tls {
            cluster.insecure_skip_tls_verify = None;
        }
        let server = cluster.server.as_deref().unwrap_or_default();
        if !trust.insecure_tls && server.starts_with("http://") {
            let text = "kubeconfig refused: its server is reached without TLS, which needs \
                        --insecure-kubeconfig-tls";
            return Err(Refusal::Kubeconfig(text.into()));
        }
    }
    for auth in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        let exec = auth.exec.take().filter(|_| trust.exec);
        *auth = AuthInfo {
            exec,
            token_file: None,
            client_certificate: None,
            client_key: None,
            auth_provider: None,
            ..std::mem::take(auth)
        };
    }
    Ok(kubeconfig)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  \
        context: {cluster: k, user: u}\nclusters:\n- name: k\n  cluster: {server: 'https://10.0.0.1', \
        insecure-skip-tls-verify: true, certificate-authority: /etc/passwd}\nusers:\n- name: u\n  \
        user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false}\n    \
        tokenFile: /etc/passwd\n    client-certificate: /etc/passwd\n    client-key: /etc/passwd\n    \
        auth-provider: {name: gcp, config: {}}\n";

    async fn read_now(text: &str, trust: Trust) -> Result<kube::Config, String> {
        read(text.as_bytes(), trust).await.map_err(|refusal| refusal.to_string())
    }

    /// security.md, C1: nothing is run, no file is opened.
    #[tokio::test]
    async fn a_kubeconfig_can_neither_run_nor_read_anything() {
        let config = read_now(HOSTILE, Trust::default()).await;
        let Ok(config) = config else { unreachable!("it is only stripped: {config:?}") };
        assert!(!config.accept_invalid_certs);
        assert!(config.root_cert.is_none());
        let auth = &config.auth_info;
        assert!(auth.exec.is_none() && auth.auth_provider.is_none());
        assert_eq!(
            (&auth.token_file, &auth.client_certificate, &auth.client_key),
            (&None, &None, &None)
        );
        let trust = Trust { exec: true, insecure_tls: true };
        // Trusted, the CA file is still not read.
        let trusted = read_now(HOSTILE, trust).await;
        assert!(trusted.is_ok_and(|config| config.accept_invalid_certs));
    }

    #[tokio::test]
    async fn what_is_no_kubeconfig_is_refused_with_its_cause() {
        let http = HOSTILE.replace("https", "http");
        let long = "x".repeat(BYTES_MAX + 1);
        for (text, part) in [
            ("garbage", "json: cannot unmarshal string into Go value of type struct { APIVersion"),
            ("a: [", "couldn't get version/kind; json parse error: yaml: "),
            ("users: [{name: u, user: canary}]", "a field of the kubeconfig is not of its type"),
            ("token: !!int canary", "not the tree of a kubeconfig"),
            (&http, "--insecure-kubeconfig-tls"),
            ("current-context: x\n", "invalid configuration: "),
            (&long, "exceeds the limit"),
        ] {
            let refusal = read_now(text, Trust::default()).await.err().unwrap_or_default();
            assert!(refusal.contains(part), "{part}: {refusal}");
            assert!(!refusal.contains("canary"), "{refusal}");
        }
    }
}
