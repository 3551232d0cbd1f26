# syntax=docker/dockerfile:1
# The operator's image. The binary is linked against glibc (the allocator and the TLS provider hold
# C code that the toolchain builds for the host), so the final image is distroless `cc`: glibc, CA
# certificates and nothing else, no shell.

FROM docker.io/library/rust:1.95.0-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY crates ./crates
# The workspace's manifest names them; no line of theirs gets into the image.
COPY tests ./tests
# The image has the pinned toolchain already; without this rustup would fetch clippy and rustfmt.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package sluice-controller --bin sluice-controller \
    && cp target/release/sluice-controller /sluice-controller \
    && mkdir -p /rootfs/data

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sluice-controller" \
      org.opencontainers.image.description="Follows OCI artifacts and keeps what they hold applied to the cluster." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE /licenses/LICENSE
COPY --from=build /sluice-controller /sluice-controller
# Where a volume is mounted; the root file system may be read-only.
COPY --from=build --chown=65532:65532 /rootfs/data /data
USER 65532:65532
EXPOSE 8080 9090 9440
ENTRYPOINT ["/sluice-controller"]
