# The few entrances; cargo does the work. Each does its own set-up.
.PHONY: demo test corpus differential ci fmt lint deny docs tools
SHELL := /bin/bash

# Arguments of the demo: ARGS=--exit, ARGS="--cluster current"; of the differential test:
# ARGS="--cases 20000 --keep differences"
ARGS ?=

demo: tools
	@cargo build --release -p demo -p sluice-controller -p sluice-cli
	@"$${CARGO_TARGET_DIR:-target}/release/demo" $(ARGS)

test: tools
	cargo test --workspace

corpus: tools
	@cargo run --quiet --release -p corpus

differential: tools
	@cargo run --quiet --release -p differential -- $(ARGS)

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
