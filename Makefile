# Everything a developer or a visitor runs. `make help` lists it.
#
# No path is expanded by make, which splits at spaces: recipes run in the checkout and let the shell say where
# it is.

.DEFAULT_GOAL := help
SECONDS = 600
.PHONY: help demo test serve soak bug-bank mutants hostile-packets fuzz build openapi sqlx lint fmt clean dependencies root

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/make \1	\2/p' Makefile | expand -t 16

demo: root dependencies ## Show a real failover in namespaces (root); writes target/demo/report.json
	@if [ -z "$$BATON_BIN_DIR" ]; then \
		echo "cargo build --workspace --bins" && cargo build --workspace --bins || exit; \
		BATON_BIN_DIR="$${CARGO_TARGET_DIR:-$$PWD/target}/debug"; export BATON_BIN_DIR; \
	fi; exec "$$BATON_BIN_DIR/baton-demo"

test: root ## Check style, lints and generated files, then run every test (root)
	@scripts/test.sh

serve: dependencies ## Run a server on 127.0.0.1 with embedded Postgres, state in target/serve/
	@exec scripts/serve.sh

.PHONY: interop
interop: root dependencies ## Run Baton beside keepalived and FRR (root); writes docs/interop.md
	@scripts/interop.sh

.PHONY: fences
fences: root dependencies ## Judge fences and planned moves from outside, an hour (root); writes docs/fences.md
	@scripts/fences.sh

soak: ## Run seeded faults against the core for SECONDS (600; 0: until Ctrl-C); keeps the seeds that fail
	cargo run --profile soak --package simulator --bin baton-soak -- --seconds $(SECONDS)

bug-bank: ## Plant each known fault in a copy of the core and say who finds it; writes docs/bug-bank.md
	@scripts/bug-bank.sh

mutants: ## Change the core in one place after the other and say which tests mind; writes docs/mutants.md
	@scripts/mutants.sh

hostile-packets: root ## Send every hostile packet to two agents (root); writes docs/hostile-packets.md
	BATON_WRITE_DOCS=1 cargo test --package baton-agent --test kernel hostile::each_hostile

fuzz: root ## Feed readers of packets, messages and tokens with bad input for SECONDS (600), and agents with 10^6 packets (root)
	@scripts/fuzz.sh $(SECONDS)

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

clean: ## Remove what builds, tests, the demo and serve have written
	@scripts/clean.sh

dependencies:
	@scripts/install-dependencies.sh

root:
	@[ "$$(id -u)" -eq 0 ] || \
		{ echo "run as root: sudo make $(MAKECMDGOALS) (it makes network namespaces)" >&2; exit 1; }
