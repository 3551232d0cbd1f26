//! Clusters that are told who asks by tokens which end: every request carries one that is still
//! good (kustomization.md, 13, `kubeConfig.configMapRef`).

use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use kube::Client;
use kube::client::Body;
use tower::BoxError;

use crate::error::Refusal;
use crate::kubeconfig::CONNECT_TIMEOUT;

/// Gives the credentials of a request.
pub trait Bearer: Send + Sync {
    /// The value of its `Authorization` header, or why there is none. Asked for every request, so
    /// whoever answers keeps what is still good.
    fn authorization(&self) -> BoxFuture<'static, Result<HeaderValue, String>>;
}

/// An API server, and who tells it who asks.
pub struct Server {
    /// Its address.
    pub address: String,
    /// Certificates (DER) of whom it is known by; of the usual authorities when empty.
    pub authorities: Vec<Vec<u8>>,
    /// All that makes its credentials what they are, and none of them.
    pub described: String,
    /// Gives them.
    pub bearer: Arc<dyn Bearer>,
}

impl Server {
    pub(crate) fn config(&self) -> Result<kube::Config, Refusal> {
        let address = self.address.parse().map_err(|_| {
            Refusal::Kubeconfig(format!("the address '{}' of the cluster is none", self.address))
        })?;
        let mut config = kube::Config::new(address);
        config.root_cert = (!self.authorities.is_empty()).then(|| self.authorities.clone());
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // What is around the operator is no business of other clusters.
        config.proxy_url = None;
        Ok(config)
    }
}

/// A client that adds the credentials of `bearer` to each request that goes through `inner`.
pub(crate) fn client(inner: Client, bearer: &Arc<dyn Bearer>) -> Client {
    let bearer = Arc::clone(bearer);
    let namespace = inner.default_namespace().to_owned();
    let send = move |mut request: Request<Body>| {
        let (inner, authorization) = (inner.clone(), bearer.authorization());
        async move {
            let mut value = authorization.await.map_err(BoxError::from)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            inner.send(request).await.map_err(BoxError::from)
        }
    };
    Client::new(tower::service_fn(send), namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// Gives another token each time, and none at last.
    struct Counting(AtomicU32);

    impl Bearer for Counting {
        fn authorization(&self) -> BoxFuture<'static, Result<HeaderValue, String>> {
            let nth = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match nth {
                    0..2 => HeaderValue::from_str(&format!("Bearer token-{nth}"))
                        .map_err(|error| error.to_string()),
                    _ => Err("no token".into()),
                }
            })
        }
    }

    /// Answers every request with the `Authorization` header that it came with.
    async fn echo(listener: TcpListener) -> std::io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            let mut seen = String::new();
            while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
                if let Some(value) = line.strip_prefix("authorization: ") {
                    value.clone_into(&mut seen);
                }
            }
            let length = seen.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
            writer.write_all(format!("{head}\r\n\r\n{seen}").as_bytes()).await?;
        }
    }

    #[tokio::test]
    async fn every_request_carries_a_token_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Server {
            address: format!("http://{}", listener.local_addr()?),
            authorities: Vec::new(),
            described: String::new(),
            bearer: Arc::new(Counting(AtomicU32::new(0))),
        };
        let served = tokio::spawn(echo(listener));
        let client = client(Client::try_from(server.config()?)?, &server.bearer);
        let ask = async || {
            let request = Request::get("/version").body(Vec::new());
            match client.request_text(request.map_err(|error| error.to_string())?).await {
                Ok(text) => Ok(text),
                Err(error) => Err(Refusal::from(error).to_string()),
            }
        };
        assert_eq!(ask().await, Ok("Bearer token-0".to_owned()));
        assert_eq!(ask().await, Ok("Bearer token-1".to_owned()));
        let refusal = ask().await.err().unwrap_or_default();
        assert!(refusal.contains("no token"), "{refusal}");
        served.abort();
        Ok(())
    }
}
