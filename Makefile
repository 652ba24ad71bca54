# Everything sets itself up: `make site` needs Python 3.11 or newer, `make test` gets the rest from Debian's packages.
# `make help` lists what there is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := tests/tools
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet -c constraints.txt

# Looked for when a recipe runs, as the set-up may have just installed it.
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || true)

.PHONY: help site setup test lint pytest golden faults parity bench edge-bench book-bench edits lighthouse serve clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

site: $(VENV)/.stamp-site ## Set up, and build this site into public/
	$(BIN)/magnetgen build

# Opens the browser where somebody sits before one: CI is set where nobody does.
serve: $(VENV)/.stamp-site ## Set up, and show this site while it is written; ARGS="--port 9000"
	$(BIN)/magnetgen serve $(if $(CI),,--open) $(ARGS)

# All at once: each waits for a registry most of its time.
setup: ## Get all that the tests need
	@$(MAKE) -j4 $(VENV)/.stamp-test $(addprefix $(TOOLS)/,node_modules/.stamp netlify/node_modules/.stamp aws/.venv/.stamp)

test: setup lint pytest ## Set up, and run every check

lint: $(VENV)/.stamp-test ## Ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A tool that is missing is a failure here, never a skipped test. The order of the files is that of tests/conftest.py. One
# process more than there are cores: most of what takes long waits for a browser or a server now and then.
pytest: setup ## Only the tests; ARGS="-k word" chooses among them
	REQUIRE_TOOLS=1 $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder $(ARGS)

golden: $(VENV)/.stamp-test ## Write the golden trees anew
	$(BIN)/python tests/golden/update.py

faults: $(VENV)/.stamp-test ## The handler under faults, in full, into docs/reliability.md; ARGS="--only kill --limit 600"
	$(BIN)/python -m tests.handler_faults.run --write $(ARGS)

parity: setup ## The same requests to all hosts of the handler, into docs/reliability.md; ARGS="--hosts python,node --requests 500"
	$(BIN)/python -m tests.edge.table --write $(ARGS)

edge-bench: setup ## Size, start and request times of the edge handlers, into docs/performance.md
	$(BIN)/python -m bench.edge --write $(ARGS)

book-bench: $(VENV)/.stamp-test .venv-bench/.stamp ## A book as PDF, beside WeasyPrint's, into docs/performance.md
	sh scripts/setup-test.sh books
	$(BIN)/python -m bench.books --write $(ARGS)

bench: $(VENV)/.stamp-site .venv-bench/.stamp bench/node_modules/.stamp ## Compare with other generators; ARGS="--sizes 100"
	.venv-bench/bin/python bench/run.py --magnetgen $(BIN)/python $(ARGS)

lighthouse: setup $(TOOLS)/lighthouse/node_modules/.stamp ## Lighthouse on this site's page types
	$(BIN)/python -m tests.validators.lighthouse

edits: $(VENV)/.stamp-site .venv-bench/.stamp ## Time from saving a file to seeing it in a browser, beside Hugo's server
	.venv-bench/bin/python bench/edits.py --magnetgen $(BIN)/python $(ARGS)

clean: ## Remove all that these commands have made, the packages too
	rm -rf $(VENV) .venv-bench public .magnetgen/cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf $(TOOLS)/node_modules $(TOOLS)/lighthouse/node_modules $(TOOLS)/netlify/node_modules $(TOOLS)/aws/.venv bench/node_modules
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made from, or is made again.

$(BIN)/python:
	sh scripts/setup-test.sh python $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-site: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.stamp-test: pyproject.toml constraints.txt scripts/setup-test.sh | $(BIN)/python
	sh scripts/setup-test.sh tools
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.stamp-site

$(TOOLS)/node_modules/.stamp: $(TOOLS)/package.json $(TOOLS)/package-lock.json | $(VENV)/.stamp-test
	cd $(TOOLS) && npm ci --loglevel=error
	@touch $@

# Netlify's own runtime: 420 MB.
$(TOOLS)/netlify/node_modules/.stamp: $(TOOLS)/netlify/package.json $(TOOLS)/netlify/package-lock.json | $(VENV)/.stamp-test
	cd $(TOOLS)/netlify && npm ci --loglevel=error
	@touch $@

$(TOOLS)/aws/.venv/.stamp: $(TOOLS)/aws/requirements.txt | $(BIN)/python
	$(PYTHON) -m venv $(TOOLS)/aws/.venv
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(TOOLS)/aws/.venv/bin/python -m pip install --quiet -r $(TOOLS)/aws/requirements.txt
	@touch $@

$(TOOLS)/lighthouse/node_modules/.stamp: $(TOOLS)/lighthouse/package.json | $(VENV)/.stamp-test
	cd $(TOOLS)/lighthouse && npm install --loglevel=error
	@touch $@

.venv-bench/.stamp: bench/requirements.txt
	sh scripts/setup-test.sh python $(PYTHON)
	$(PYTHON) -m venv .venv-bench
	PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-bench/bin/python -m pip install --quiet -r bench/requirements.txt
	@touch $@

bench/node_modules/.stamp: bench/package.json
	cd bench && npm install --loglevel=error
	@touch $@
