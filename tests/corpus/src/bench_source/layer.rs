//! One large layer, copied and extracted.

use std::time::Instant;

use kube::api::PostParams;
use serde_json::json;

use super::operator::Operator;
use super::{Bench, MIB, line, noise, source};

const LAYER_BYTES: usize = 500_000_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let content = {
        let file = noise(LAYER_BYTES, 1);
        registry::layer(&[("noise", &file)])
    };
    let layers = [("application/vnd.cncf.flux.content.v1.tar+gzip", content.as_slice())];
    bench.registry.push_image("large", "latest", &layers, &[]);
    drop(content);
    for operation in ["copy", "extract"] {
        let namespace = format!("large-{operation}");
        bench.make_namespace(&namespace).await?;
        let operator = Operator::start(bench, &namespace, 4)?;
        let small = json!({"url": bench.registry.url("r/0"), "interval": "1h"});
        bench.registry.push_files("r/0", "latest", &[("cm.yaml", b"x")]);
        let sources = bench.sources(&namespace);
        sources.create(&PostParams::default(), &source("small", &small)?).await?;
        bench.all_ready(&namespace, 1).await?;
        let idle = operator.bytes()?;
        let spec = json!({"url": bench.registry.url("large"), "interval": "1h", "timeout": "10m",
            "layerSelector": {"operation": operation}});
        let began = Instant::now();
        sources.create(&PostParams::default(), &source("large", &spec)?).await?;
        bench.all_ready(&namespace, 2).await?;
        let seconds = began.elapsed().as_secs_f64();
        let above = operator.peak_bytes()? - idle;
        line(
            &format!("a layer of 500 MB, {operation}"),
            &format!("{seconds:.1} s, {:.1} MiB above idle", above / MIB),
            "30 MiB",
        );
    }
    Ok(())
}
