# Everything a developer or a visitor runs. `make help` lists it.

BUILT := $(abspath $(or $(CARGO_TARGET_DIR),target))/debug

.DEFAULT_GOAL := help
.PHONY: help demo test serve build openapi sqlx lint fmt clean dependencies

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)$$/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: dependencies ## Show a real failover in namespaces (root); writes target/demo/report.json
	cargo build --workspace --bins
	@BATON_BIN_DIR=$(BUILT) exec $(BUILT)/baton-demo

test: ## Check style, lints and generated files, then run every test (root)
	@scripts/test.sh

serve: dependencies ## Run a server on 127.0.0.1 with embedded Postgres, state in target/serve/
	cargo build --workspace --bins
	@exec scripts/serve.sh $(BUILT)/baton-server

build: ## Build the three programs for release
	cargo build --release --package baton-server --package baton-agent --package baton-cli

openapi: ## Write openapi/baton.json from the code
	@cargo run --quiet --package baton-server --bin baton-server -- openapi > openapi/.baton.json.new
	@mv openapi/.baton.json.new openapi/baton.json

sqlx: ## Write .sqlx/ (query metadata) from the code and the migrations
	@scripts/sqlx-prepare.sh

lint: ## Run clippy as the tests do
	cargo clippy --workspace --all-targets -- -D warnings

fmt: ## Format every Rust file
	cargo fmt --all

clean: ## Remove what builds, the demo and serve have written
	cargo clean

dependencies:
	@scripts/install-dependencies.sh
