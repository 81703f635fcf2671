# Everything a person runs. `make setup` is called by the other targets and is safe to repeat.
PYTHON ?= python3
BIN := .venv/bin
VAR := $(or $(SHELFWISE_VAR),var)
export PYTHONDONTWRITEBYTECODE ?=
export npm_config_update_notifier := false

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: .venv/.installed node_modules/.installed .cache/shopify/.installed .cache/chromium/.installed frontend/dist/.built extensions/pixel/dist/.built ## Install everything; start nothing

demo: setup ## Run the whole product on a local Shopify: make demo [STORE=folder] [ARGS=--once]
	@exec $(BIN)/python -m shopify_app.local.demo $(if $(STORE),--store "$(STORE)") $(ARGS)

run: setup ## Run the app alone against the Shopify of your environment
	@exec $(BIN)/python -m shopify_app.local.run $(ARGS)

test: setup ## Run all tests, browser tests included
	@npx --no-install tsc -p frontend --noEmit
	@npx --no-install tsc -p extensions/pixel
	@npx --no-install vitest run --root frontend
	@npx --no-install vitest run --root extensions/pixel
	@$(BIN)/python -m pytest $(ARGS)

test-kafka: setup ## The event bus against a real broker: make test-kafka KAFKA_URL=kafka://host:9092
	@test -n "$(KAFKA_URL)" || { echo "give KAFKA_URL=kafka://host:port"; exit 2; }
	@KAFKA_URL="$(KAFKA_URL)" $(BIN)/python -m pytest tests/tenancy/test_bus_on_kafka.py $(ARGS)

fuzz: setup ## Made-up input against every operation and translator: make fuzz [EXAMPLES=500]
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest -m "fuzz or hypothesis" $(ARGS)

lint: setup ## Formatting, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@SHELFWISE_LOCAL=1 $(BIN)/mypy .
	@npx --no-install tsc -p frontend --noEmit
	@npx --no-install tsc -p extensions/pixel

audit-deps: .cache/audit/.installed ## Published advisories against what the lock files install; exit code 3: nobody to ask
	@exec $(BIN)/python -m shopify_app.local.audit_deps --pip-audit .cache/audit/bin/pip-audit

types: setup openapi ## Regenerate openapi.json and the front end's types
	@npm run --silent types

openapi: .venv/.installed
	@SHELFWISE_LOCAL=1 $(BIN)/python manage.py spectacular --fail-on-warn --format openapi-json --file openapi.json

bench-serving: setup ## Requests per second and latency of the storefront path, beside a constant view
	@SHELFWISE_LOCAL=1 $(BIN)/python manage.py bench_serving $(ARGS)

bench-features: setup ## Reading the vectors of 200 products beside a bare MGET; with STORE=folder computing those of a shop
	@$(if $(STORE),exec $(BIN)/python -m shopify_app.local.bench_ingest --features --store "$(STORE)",SHELFWISE_LOCAL=1 $(BIN)/python manage.py bench_features) $(ARGS)

bench-budget: setup ## 10,000 Admin API calls from 4 processes within one shop's rate limit: ARGS="--calls 2000"
	@exec $(BIN)/python -m shopify_app.local.bench_budget $(ARGS)

bench-webhooks: setup ## Latency of 200 webhook deliveries a second while a history is imported: ARGS=--write
	@exec $(BIN)/python -m shopify_app.local.bench_webhooks $(ARGS)

bench-calls: setup ## Calls to Shopify for 1,000 storefront requests, beside an app that asks for each: ARGS="--requests 200"
	@exec $(BIN)/python -m shopify_app.local.bench_calls $(ARGS)

bench-ingest: setup ## A million orders through bulk into the event log: make bench-ingest [STORE=folder] [ARGS=--write]
	@exec $(BIN)/python -m shopify_app.local.bench_ingest $(if $(STORE),--store "$(STORE)") $(ARGS)

bench-models: setup ## Both models on sets of files, beside others: make bench-models DATA=folder [ARGS="floors --sizes 100"]
	@test -n "$(DATA)" || { echo "give DATA=folder (docs/benchmarks.md says which files it holds)"; exit 2; }
	@exec $(BIN)/python manage.py bench_models $(or $(ARGS),recommend cold-start forecast) --data "$(DATA)" $(if $(wildcard .cache/peers/.installed),--peers .cache/peers/bin/python)

bench-peers: .cache/peers/.installed ## Others' models for `make bench-models`, in a place of their own

kill-drill: setup ## Kill everything at random for two minutes and count what was lost: ARGS="--seed 3 --minutes 5"
	@exec $(BIN)/python -m shopify_app.local.kill_drill $(ARGS)

chaos-ingest: setup ## Faults and kills on every way in, then one reconciliation: ARGS="--seeds 7"
	@exec $(BIN)/python -m shopify_app.local.chaos_ingest $(ARGS)

screenshots: setup ## Pictures of the running demo into docs/images
	@$(BIN)/python -m tests.browser.screenshots

stop: ## Stop the demo, and the private Postgres and Valkey
	@test ! -x $(BIN)/python || $(BIN)/python -m shopify_app.local.stop

clean: stop ## Remove everything that setup and the demo made
	rm -rf .venv node_modules frontend/dist extensions/pixel/dist .cache var

.venv/.installed: requirements-dev.lock
	@echo "· Python packages into .venv"
	@$(PYTHON) -c 'import sys; sys.exit("Shelfwise needs Python 3.11 or newer; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.cache/audit/.installed: requirements-audit.lock .venv/.installed
	@echo "· pip-audit, apart from the rest"
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

.cache/peers/.installed: requirements-peers.lock .venv/.installed
	@echo "· Others' models, apart from the rest"
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@touch $@

node_modules/.installed: package-lock.json package.json
	@echo "· Node packages into node_modules"
	@npm ci --silent --no-audit --no-fund
	@touch $@

.cache/shopify/.installed: .venv/.installed
	@echo "· Shopify's published Admin schema"
	@$(BIN)/python -m devstore.fetch_schema
	@mkdir -p $(@D) && touch $@

.cache/chromium/.installed: node_modules/.installed tests/browser/unpack.mjs
	@echo "· A browser for the tests"
	@node tests/browser/unpack.mjs
	@touch $@

frontend/dist/.built: node_modules/.installed $(shell find frontend -type f -not -path 'frontend/dist/*' 2>/dev/null)
	@echo "· The admin"
	@npx --no-install vite build frontend --logLevel error
	@touch $@

extensions/pixel/dist/.built: node_modules/.installed $(wildcard extensions/pixel/src/*.ts) extensions/pixel/vite.config.ts
	@echo "· The web pixel, for the local Shopify"
	@npx --no-install vite build extensions/pixel --logLevel error
	@touch $@
