# The few entrances; cargo does the work. Each does its own set-up.
.PHONY: demo test corpus differential fuzz bench-build bench-source bench-floor ci fmt lint deny docs tools
SHELL := /bin/bash

# Arguments of the demo: ARGS=--exit, ARGS="--cluster current"; of the differential test:
# ARGS="--cases 20000 --keep differences"
ARGS ?=

# Fuzzing: TARGET=tree SECONDS=60. Sanitizers need a nightly toolchain, so it is a dated one.
TARGET ?= yaml sops kustomization strategic json6902 cel tree signature reference headers answers archive \
  ignore credentials versions webhook substitution inventory annotations
SECONDS ?= 900
NIGHTLY ?= nightly-2026-05-20

demo: tools
	@cargo build --release -p demo -p sluice-controller -p sluice-cli
	@"$${CARGO_TARGET_DIR:-target}/release/demo" $(ARGS)

test: tools
	cargo test --workspace

corpus: tools
	@cargo run --quiet --release -p corpus

differential: tools
	@cargo run --quiet --release -p differential -- $(ARGS)

fuzz: tools
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz@0.13.2
	@rustup toolchain list | grep -q $(NIGHTLY) || rustup toolchain install $(NIGHTLY) --profile minimal
	@for target in $(TARGET); do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo +$(NIGHTLY) fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=1024 || exit 1; \
	done

# Whole builds against the reference, on the corpus of real builds.
bench-build: tools
	@cargo build --quiet --release -p sluice-cli -p corpus
	@"$${CARGO_TARGET_DIR:-target}/release/corpus" bench-build

# OCIRepositories against a client that does the least. ARGS=first, steady or layer: one of them.
bench-source: tools
	@cargo build --quiet --release -p sluice-controller -p corpus
	@"$${CARGO_TARGET_DIR:-target}/release/corpus" bench-source $(ARGS)

# The least that the API server can be asked for, for many applications. ARGS="100", or
# ARGS="100 kubeconfig" for a cluster that runs already.
bench-floor: tools
	@cargo build --quiet --release -p corpus
	@"$${CARGO_TARGET_DIR:-target}/release/corpus" bench-floor $(ARGS)

ci: fmt lint deny docs test corpus

fmt: tools
	cargo fmt --all --check

lint: tools
	cargo clippy --workspace --all-targets -- -D warnings

deny: tools
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny@0.20.2
	cargo deny --workspace check bans licenses sources

docs: tools
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# One clear line for what is missing.
tools:
	@command -v cargo >/dev/null || { echo "cargo is not installed: install Rust 1.95 or newer (https://rustup.rs)"; exit 1; }
	@v=$$(cargo --version | sed 's/cargo 1\.\([0-9]*\).*/\1/'); [ "$$v" -ge 95 ] || { echo "$$(cargo --version) is too old: install Rust 1.95 or newer (rustup update)"; exit 1; }
	@command -v go >/dev/null || { echo "go is not installed: install Go 1.26 or newer (https://go.dev/dl)"; exit 1; }
