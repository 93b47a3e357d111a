# Yunkan: what a developer or a visitor types. `make help` explains every target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?=
PORT ?= 8080

.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo serve test test-js test-fast bench-media bench-events bench-archive bench-evidence check format messages migration screenshots lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# An environment that was left half-made (no pip in it) is made anew.
MAKE_VENV = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	{ echo "The environment could not be made: Python's venv module is missing (Debian: python3-venv)."; exit 1; }

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Yunkan needs Python 3.11 or newer; say make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml
	@$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed ## Make the environment that the service runs in (.venv)
install-dev: $(VENV)/.installed-dev ## The same, with what tests and checks need

run: install ## Start with demo data and a simulated phone (HOST=0.0.0.0 to reach it from a real phone)
	$(BIN)/yunkan try $(if $(HOST),--host $(HOST)) --port $(PORT)

demo: install ## Send one more simulated phone into the demonstration of `make run`
	$(BIN)/yunkan demo

serve: install ## Start the service alone, with settings from the environment
	$(BIN)/yunkan serve

test: install-dev ## Everything: unit, flows on SQLite and PostgreSQL, media, real browsers
	$(BIN)/python -m tests.tools.system_packages
	@# Three at a time, which keeps two cores busy; two of what sends and hears in real time; each alone what counts frames and milliseconds.
	status=0; \
	$(MAKE) --no-print-directory test-js || status=1; \
	$(BIN)/python -m pytest -m "not realtime" --numprocesses 3 --dist worksteal || status=1; \
	$(BIN)/python -m pytest -m "realtime and not alone" --numprocesses 2 --dist worksteal || status=1; \
	$(BIN)/python -m pytest -m alone || status=1; \
	exit $$status

test-js: ## The pages' pure parts, in Node
	@if command -v node >/dev/null; then node --test tests/js/*.test.mjs; \
	elif [ -n "$$CI" ]; then echo "FAILED tests/js: Node is missing (Debian: nodejs)"; exit 1; \
	else echo "SKIPPED tests/js: Node is missing (Debian: nodejs)"; fi

test-fast: install-dev ## Without browsers: for the minute between two edits
	$(BIN)/python -m pytest -m "not browser" -q

bench-media: install ## The media engine beside its peers, as a table and as build/bench-media.{json,md}
	@mkdir -p build
	$(BIN)/yunkan bench media --viewers 1 3 --rounds 3 --json build/bench-media.json --markdown build/bench-media.md

bench-events: install-dev ## Durable appends a second on SQLite and PostgreSQL, also as build/bench-events.{json,md}
	@mkdir -p build
	$(BIN)/python -m tests.tools.bench_with_postgres events --json build/bench-events.json --markdown build/bench-events.md

bench-archive: install-dev ## List, search and replay of many inspections on both, also as build/bench-archive.{json,md}
	@mkdir -p build
	$(BIN)/python -m tests.tools.bench_with_postgres archive --json build/bench-archive.json --markdown build/bench-archive.md

bench-evidence: bench-events ## The events, then sealing, verifying and zipping, also as build/bench-evidence.{json,md}
	$(BIN)/yunkan bench evidence --json build/bench-evidence.json --markdown build/bench-evidence.md

check: install-dev ## Lint, types, import contracts, templates, catalogues, migrations
	$(BIN)/ruff check server tests
	$(BIN)/ruff format --check server tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python -m tests.tools.catalogues --check
	$(BIN)/python -m tests.tools.migrations

format: install-dev ## Put code, templates and catalogues into shape
	$(BIN)/ruff check --fix --quiet server tests
	$(BIN)/ruff format --quiet server tests

messages: install-dev ## Take new messages from code and templates into both catalogues
	$(BIN)/python -m tests.tools.catalogues --update

migration: install-dev ## Draft a migration from the tables: make migration MESSAGE="Add a table"
	$(BIN)/python -m tests.tools.draft_migration "$(MESSAGE)"

screenshots: install-dev ## Pictures of every page, both sizes and languages, into build/screenshots
	$(BIN)/python -m tests.tools.screenshots

lock: install-dev ## Pin the dependencies anew
	$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --generate-hashes --allow-unsafe --build-deps-for editable -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --extra dev --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --generate-hashes --allow-unsafe --build-deps-for editable -o requirements-dev.lock pyproject.toml


clean: ## Remove what was built; recordings stay
	rm -rf build .mypy_cache .ruff_cache .pytest_cache
