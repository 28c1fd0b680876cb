# Every target does its own set-up; `make help` lists them.

CARGO ?= cargo
PORT ?= 6432
HTTP_PORT ?= 9432
FUZZ_SECONDS ?= 60
NEXTEST := $(shell $(CARGO) nextest --version 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test drivers test-drivers test-superset regress large fmt lint deny bench bench-engine fuzz fuzz-diff clean

help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a throwaway PostgreSQL with the sample shop, pgask in front of it (PORT, HTTP_PORT)
	@scripts/ensure-postgres.sh
	@$(CARGO) run --locked --quiet -- demo --port $(PORT) --http-port $(HTTP_PORT)

test: drivers ## every test, against PostgreSQL servers of their own
	@scripts/ensure-postgres.sh
ifdef NEXTEST
	$(CARGO) nextest run --locked
else
	$(CARGO) test --locked -- --skip drivers::packaged:: --skip drivers::superset::
endif

drivers: ## the Python and Node clients that the driver tests use, below target/
	@scripts/driver-env.sh

test-drivers: ## every driver there is, direct and through pgask; prints the table and writes it to docs/clients.md
	@scripts/ensure-postgres.sh
	@scripts/test-drivers.sh

test-superset: ## Apache Superset with datasets that are asks (installs 800 MB; three minutes the first time, then one)
	@scripts/ensure-postgres.sh
	@scripts/superset-env.sh
ifdef NEXTEST
	$(CARGO) nextest run --locked --ignore-default-filter --profile superset -E 'test(drivers::superset::)'
else
	$(CARGO) test --locked --test it -- drivers::superset::
endif

large: ## results of 10 GB through the proxy, whose memory must stay where it is
	@scripts/ensure-postgres.sh
	LARGE_RESULT_GIGABYTES=10 $(CARGO) nextest run --locked --cargo-profile release --profile large \
		--success-output final -E 'test(faults::memory::gigabytes)'

regress: ## PostgreSQL's own regression suite, directly and through pgask (REGRESS="--pool 5 --mode session ...")
	@scripts/ensure-postgres.sh
ifdef REGRESS
	@scripts/regress.sh $(REGRESS)
else
	@scripts/regress.sh --pool 20 --schedule parallel
	@scripts/regress.sh --pool 3 --schedule serial
endif

fmt: ## format the code
	$(CARGO) fmt

lint: ## check formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

deny: ## check licences, advisories and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --locked check

bench: ## pgbench direct, through PgBouncer and through pgask, in one run
	@scripts/ensure-postgres.sh
	@scripts/bench-poolers.sh

bench-engine: ## the built-in engine over generated schemas: building its index, and time per question
	$(CARGO) bench --locked --bench engine

fuzz: ## feed each target in fuzz/ random bytes for FUZZ_SECONDS (needs a nightly compiler and cargo-fuzz)
	@cd fuzz && for target in frame lexer startup route; do \
	    mkdir -p corpus/$$target && $(CARGO) +nightly fuzz run --fuzz-dir . $$target corpus/$$target seeds/$$target \
	        -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

fuzz-diff: ## random clients, directly and through pgask (SEED, SEQUENCES, SECONDS, WORKERS, FAILURES)
	@scripts/ensure-postgres.sh
	@FUZZ_SEED=$(or $(SEED),$$(date +%s%N)) FUZZ_SEQUENCES=$(or $(SEQUENCES),20000) \
	    $(if $(SECONDS),FUZZ_SECONDS=$(SECONDS)) $(if $(WORKERS),FUZZ_WORKERS=$(WORKERS)) \
	    $(if $(FAILURES),FUZZ_FAILURES=$(FAILURES)) \
	    $(CARGO) test --release --locked --test it -- \
	    --exact fuzz_diff::random_clients_are_answered_as_directly --nocapture

clean: ## remove what was built
	$(CARGO) clean
