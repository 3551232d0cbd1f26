//! The ports: metrics, probes, artifacts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

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
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let end = stop.clone().cancelled_owned();
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(end).await {
        tracing::error!(%error, "a server ended");
        stop.cancel();
    }
}
