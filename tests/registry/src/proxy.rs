//! A proxy inside the test's own process: HTTP (forwarding and CONNECT) and SOCKS5 on one port, or HTTP
//! over TLS.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::server::Transport;
use crate::tls::Tls;

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A running proxy; it stops when dropped. Whatever host it is asked for, it connects to one
/// address, or to the one that is given for that host, so that tests can name hosts that do not
/// exist.
pub struct Proxy {
    host: String,
    authority: Option<String>,
    log: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a connection is served with.
struct Rules {
    target: String,
    /// Host and target of those that lead elsewhere.
    routes: Vec<(String, String)>,
    credentials: Option<(String, String)>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy to `target` (`host:port`), for everybody or for this user with this password.
    pub async fn start(target: &str, credentials: Option<(&str, &str)>) -> Self {
        Self::serve(target, &[], credentials, None).await
    }

    /// The same, spoken to over TLS under an authority of its own, and without SOCKS5.
    pub async fn start_tls(target: &str, credentials: Option<(&str, &str)>) -> Self {
        Self::serve(target, &[], credentials, Tls::new(Transport::Tls)).await
    }

    /// Like [`start`](Self::start); a host that is named leads to the target beside it.
    pub async fn start_with_routes(
        target: &str,
        routes: &[(&str, &str)],
        credentials: Option<(&str, &str)>,
    ) -> Self {
        Self::serve(target, routes, credentials, None).await
    }

    async fn serve(
        target: &str,
        routes: &[(&str, &str)],
        credentials: Option<(&str, &str)>,
        tls: Option<Tls>,
    ) -> Self {
        let (acceptor, client) = tls.map(|tls| (tls.acceptor, tls.client)).unzip();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let rules = Arc::new(Rules {
            target: target.into(),
            routes: routes.iter().map(|(host, to)| ((*host).into(), (*to).into())).collect(),
            credentials: credentials.map(|(user, password)| (user.into(), password.into())),
            log: Arc::clone(&log),
        });
        let server = tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (rules, acceptor) = (Arc::clone(&rules), acceptor.clone());
                connections.spawn(async move {
                    // A client that went away is not this proxy's problem.
                    let _ = match acceptor {
                        None => rules.serve(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(mut stream) => rules.http(&mut stream).await,
                            Err(error) => Err(error),
                        },
                    };
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { host, authority: client.map(|client| client.authority), log, server }
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// PEM of the authority of a proxy over TLS.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Every connection so far that was let through, as `http|connect|socks5 <host>:<port>`.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rules {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut first = [0];
        client.peek(&mut first).await?;
        if first == [5] { self.socks(client).await } else { self.http(&mut client).await }
    }

    fn target(&self, authority: &str) -> &str {
        let host = authority.split(':').next().unwrap_or("");
        let route = self.routes.iter().find(|(named, _)| named == host);
        route.map_or(&self.target, |(_, target)| target)
    }

    fn passed(&self, line: String) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    async fn http(
        &self,
        client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            head.push(client.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        if let Some((user, password)) = &self.credentials {
            let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let given = text.lines().filter_map(|line| line.split_once(": "));
            let mut given =
                given.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
            if !given.any(|(_, value)| value == wanted) {
                let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                    content-length: 0\r\nconnection: close\r\n\r\n";
                return client.write_all(refusal.as_bytes()).await;
            }
        }
        let mut words = text.split(' ');
        let (method, address) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let authority = address.strip_prefix("http://").unwrap_or(address);
        let authority = authority.split('/').next().unwrap_or("");
        let mut server = TcpStream::connect(self.target(authority)).await?;
        if method == "CONNECT" {
            self.passed(format!("connect {address}"));
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        } else {
            self.passed(format!("http {authority}"));
            server.write_all(&head).await?;
        }
        copy_bidirectional(client, &mut server).await.map(drop)
    }

    /// RFC 1928 and 1929, as far as clients of registries use it.
    async fn socks(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.read_u8().await?;
        let mut methods = vec![0; client.read_u8().await?.into()];
        client.read_exact(&mut methods).await?;
        let method = if self.credentials.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, method]).await?;
        if let Some((user, password)) = &self.credentials {
            client.read_u8().await?;
            let given = (sized(&mut client).await?, sized(&mut client).await?);
            let known = given == (user.clone().into_bytes(), password.clone().into_bytes());
            client.write_all(&[1, u8::from(!known)]).await?;
            if !known {
                return Ok(());
            }
        }
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        let host = match request[3] {
            3 => String::from_utf8_lossy(&sized(&mut client).await?).into_owned(),
            _ => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        };
        let port = client.read_u16().await?;
        self.passed(format!("socks5 {host}:{port}"));
        let mut server = TcpStream::connect(&self.target).await?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }
}

/// Bytes with their length before them.
async fn sized(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
