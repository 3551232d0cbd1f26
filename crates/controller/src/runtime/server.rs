//! The ports: metrics, probes, artifacts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::runtime::clock::Clock;

/// Connections of one port at once.
const CONNECTIONS_MAX: usize = 256;
/// How long the head of a request may take, from the end of the one before it.
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// How large the head of a request may be.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may last, whatever is sent over it: longer than the slowest download.
const CONNECTION_TIME_MAX: Duration = Duration::from_hours(1);
/// After a connection could not be taken.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`.
pub(crate) fn metrics(metrics: Arc<Metrics>) -> Router {
    let answer = move || {
        let metrics = Arc::clone(&metrics);
        async move { ([(CONTENT_TYPE, OPEN_METRICS)], metrics.render()) }
    };
    Router::new().route("/metrics", get(answer))
}

/// `/healthz`, and `/readyz` that turns good when the caches are filled.
pub(crate) fn probes(ready: Arc<AtomicBool>) -> Router {
    let readiness = move || {
        let ready = ready.load(Ordering::Relaxed);
        async move {
            if ready {
                (StatusCode::OK, "ok")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "the caches are not filled yet")
            }
        }
    };
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(readiness))
}

/// Opens a port.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::Error::new(error).context(format!("failed to listen on {address}"))
    })
}

/// Serves until `stop`, then lets open requests end.
///
/// Who comes while [`CONNECTIONS_MAX`] others are there waits until one of them has gone.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Clock,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let talk = converse(stream, router.clone(), clock.clone(), stop.clone());
                let clock = clock.clone();
                connections.spawn(async move {
                    clock.timeout(CONNECTION_TIME_MAX, talk).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Too many open files, or a client that went away before its turn.
                tracing::warn!(%error, "a connection could not be taken");
                clock.sleep(ACCEPT_WAIT).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection. A client that went away is nobody's problem.
async fn converse(stream: TcpStream, router: Router, clock: Clock, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(clock)
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server whose answers wait for the gate to open, its address, and how many requests are in.
    async fn begin(
        clock: &Clock,
        gate: &CancellationToken,
    ) -> anyhow::Result<(SocketAddr, Arc<AtomicUsize>)> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let inside = Arc::new(AtomicUsize::new(0));
        let (gate, counted) = (gate.clone(), Arc::clone(&inside));
        let answer = move || {
            let (gate, counted) = (gate.clone(), Arc::clone(&counted));
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
                gate.cancelled().await;
                "in"
            }
        };
        let router = Router::new().route("/", get(answer));
        tokio::spawn(serve(listener, router, clock.clone(), CancellationToken::new()));
        Ok((address, inside))
    }

    async fn connect(address: SocketAddr, request: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// Everything until the server closes the connection.
    async fn rest(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    /// security.md, G1.
    #[tokio::test]
    async fn connections_are_bounded_and_who_waits_gets_in_afterwards() -> anyhow::Result<()> {
        const MORE: usize = 8;
        let (clock, gate) = (Clock::default(), CancellationToken::new());
        let (address, inside) = begin(&clock, &gate).await?;
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS_MAX + MORE {
            streams.push(connect(address, WHOLE).await?);
        }
        while inside.load(Ordering::Relaxed) < CONNECTIONS_MAX {
            tokio::task::yield_now().await;
        }
        // Not a wait: turns in which those who are too many could come in.
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(inside.load(Ordering::Relaxed), CONNECTIONS_MAX);
        gate.cancel();
        for stream in streams {
            assert!(rest(stream).await.ends_with("in"));
        }
        Ok(())
    }

    /// security.md, G1: whoever never ends the head of a request is sent away, and so is whoever
    /// sends too much of it, or stays for ever.
    #[tokio::test]
    async fn a_head_may_take_so_long_and_be_so_large() -> anyhow::Result<()> {
        let (clock, gate) = (Clock::default(), CancellationToken::new());
        let (address, inside) = begin(&clock, &gate).await?;
        let large = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(2 * HEADER_BYTES_MAX));
        assert!(rest(connect(address, &large).await?).await.starts_with("HTTP/1.1 431 "));
        let slow = connect(address, "GET / HTTP/1.1\r\nhost: a\r\n").await?;
        let patient = connect(address, WHOLE).await?;
        while inside.load(Ordering::Relaxed) < 1 {
            tokio::task::yield_now().await;
        }
        clock.advance(HEADER_TIME_MAX);
        let sent = rest(slow).await;
        assert!(sent.is_empty() || sent.starts_with("HTTP/1.1 408 "), "{sent}");
        clock.advance(CONNECTION_TIME_MAX);
        assert_eq!(rest(patient).await, "", "its answer never came");
        Ok(())
    }
}
