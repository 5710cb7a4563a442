# gateward: every command of the project. `make` alone lists them.
# There is no rust-toolchain.toml on purpose: any stable Rust from `rust-version` in Cargo.toml on will do, and a file that
# names one exact toolchain breaks machines that have another and cannot download.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check fmt bench bench-cold bench-flood bench-guard bench-million bench-open bench-revocation bench-trickle bench-abuse bench-peers torture-peers tls-dev model fuzz clean setup setup-test setup-fuzz setup-abuse setup-guard setup-peers setup-bench-peers

# Some environments (containers, service managers) start without HOME; cargo may be installed but not in PATH.
ifndef HOME
export HOME := $(shell cd ~ && pwd)
endif
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(PATH):$(CARGO_BIN)
# cargo has its own job control; make's would only confuse it.
unexport MAKEFLAGS MFLAGS

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r c t; do printf '%-16s %s\n' "$$c" "$$t"; done

run: setup ## build (release) and start on 127.0.0.1:8080; UPSTREAM=http://host:port, ARGS="more flags"
	@echo 'building; the first time takes some minutes' >&2
	cargo build --release --locked
	@exec scripts/run.sh

tls-dev: setup ## make a certificate for localhost (and DOMAIN="a.test b.test") and say how to use it
	cargo build --release --locked
	@"$${CARGO_TARGET_DIR:-target}/release/gateward" tls-dev $(foreach name,$(DOMAIN),--name '$(name)')

test: setup-test ## run every test; each brings its own PostgreSQL and Redis
	@exec scripts/test.sh

check: setup ## formatting, clippy, documentation, dependencies: all must be clean
	cargo fmt --all --check
	rustfmt --check --edition 2024 fuzz/fuzz_targets/*.rs
	scripts/deny.sh
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

fmt: ## format the code
	cargo fmt --all

bench: setup ## measure the hot path (criterion)
	cargo bench --locked --bench hot_path

bench-guard: setup-guard ## compare instruction counts with those kept; UPDATE=1 keeps new ones; ONLY=request TOP=40 CALLERS=memcpy
	cargo bench --locked --bench guard -- $(if $(UPDATE),--update) $(if $(ONLY),--only '$(ONLY)') $(if $(TOP),--top '$(TOP)') \
	  $(if $(CALLERS),--callers '$(CALLERS)') $(if $(CONNECTIONS),--connections '$(CONNECTIONS)')

bench-cold: setup ## measure what a token that was never seen costs besides its signature
	cargo bench --locked --bench cold

bench-million: setup-test ## measure a gateway with a million sessions and a million revocations beside an empty one
	cargo build --release --locked
	cargo bench --locked --bench million

bench-flood: setup ## measure logins at 20 times capacity and protected requests beside them; SECONDS=20
	GATEWARD_BENCH_SECONDS=$(or $(SECONDS),20) cargo bench --locked --bench login_flood

bench-open: setup ## measure how soon 100 of 10 000 open WebSockets close when their session ends
	cargo bench --locked --bench open_requests

bench-trickle: setup ## measure what 10 000 trickling connections cost the others, and memory
	cargo bench --locked --bench trickle

bench-abuse: setup-abuse ## measure good clients beside slowhttptest, and load with h2load; CONNECTIONS=5000
	cargo build --release --locked
	@exec scripts/bench-abuse.sh $(or $(CONNECTIONS),5000)

bench-revocation: setup-test ## measure how soon ends are known elsewhere, and a million of them
	cargo bench --locked --bench revocation

bench-peers: setup-bench-peers ## put it beside nginx, HAProxy, pingora and FastAPI, into docs/benchmarks.md; ROUNDS=5 SPAN=4 ONLY=names
	ROUNDS='$(ROUNDS)' SPAN='$(SPAN)' ONLY='$(ONLY)' cargo bench --locked --bench peers

model: setup-test ## check the model of the revocation feed further than the tests do (release, minutes)
	GATEWARD_MODEL_FAULTS=$(or $(FAULTS),2) GATEWARD_MODEL_STEPS=$(or $(STEPS),9) \
	  cargo test --release --locked --test it -- model::feed::no_replica --nocapture

fuzz: setup-fuzz ## search for inputs that break a property; SECONDS=30 each, TARGETS="names" for some
	@SECONDS_EACH=$(or $(SECONDS),30) exec scripts/fuzz.sh $(TARGETS)

torture-peers: setup-peers ## the score card of this gateway, nginx and HAProxy as a table
	cargo build --release --locked
	@scripts/torture-peers.sh

clean: ## remove what was built (accounts and keys in .gateward/ stay)
	cargo clean

setup: ## install what the build needs and is missing
	@scripts/setup.sh build

setup-test: ## install what the tests need and is missing
	@scripts/setup.sh test

setup-abuse: ## install what bench-abuse needs and is missing
	@scripts/setup.sh abuse

setup-guard: ## install what bench-guard needs and is missing
	@scripts/setup.sh guard

setup-peers: ## install what torture-peers needs and is missing
	@scripts/setup.sh peers

setup-bench-peers: ## install what bench-peers needs and is missing
	@scripts/setup.sh bench-peers

setup-fuzz: ## install what the fuzz targets need and is missing
	@scripts/setup.sh fuzz
