# Every target does its own set-up; `make help` lists them.

CARGO ?= cargo
PORT ?= 6432
HTTP_PORT ?= 9432
NEXTEST := $(shell $(CARGO) nextest --version 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test drivers regress large fmt lint deny bench clean

help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a throwaway PostgreSQL with the sample shop, pgask in front of it (PORT, HTTP_PORT)
	@scripts/ensure-postgres.sh
	@$(CARGO) run --locked --quiet -- demo --port $(PORT) --http-port $(HTTP_PORT)

test: drivers ## every test, against PostgreSQL servers of their own
	@scripts/ensure-postgres.sh
ifdef NEXTEST
	$(CARGO) nextest run --locked
else
	$(CARGO) test --locked
endif

drivers: ## the Python and Node clients that the driver tests use, below target/
	@scripts/driver-env.sh

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

clean: ## remove what was built
	$(CARGO) clean
