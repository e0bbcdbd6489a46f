# Every command a developer, an operator or a CI needs. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000

.DEFAULT_GOAL := help

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed ## make the virtual environment with everything in it

run: install ## install if needed, start the service on loopback, print a line to try
	$(BIN)/cds-service run --host $(HOST) --port $(PORT)

check: install ## manifest, knowledge, value sets: are they sound, whose review is due
	$(BIN)/cds-service check

evaluate: install ## REQUEST=file.json: each rule's outcome, the facts it used, the cards
	$(BIN)/cds-service evaluate $(REQUEST)

trace: install ## write the printed trace and the sample cards anew, after a change of knowledge or vignettes
	$(BIN)/python -m tests.samples
	env -u CDS_MANIFEST $(BIN)/cds-service knowledge > docs/trace.md

test: install ## all tests but those with peers of their own
	$(BIN)/python -m pytest -n auto

test-integration: install ## every patient fetched, floods, alarms, real peers; needs node, npm, redis-server, postgresql, chromium, promtool
	$(BIN)/python -m pytest -n auto -m integration

bench: install ## the service under load beside a floor, a quarter of an hour; needs wrk (docs/performance.md)
	$(BIN)/python -m benchmarks

bench-short: install ## the same in about a minute: whether it works, figures to be doubted
	$(BIN)/python -m benchmarks --short

lint: install ## ruff
	$(BIN)/ruff check .

types: install ## mypy, strict
	$(BIN)/mypy

layers: install ## which room may import which
	$(BIN)/lint-imports

verify: lint types layers check test test-integration ## everything that must hold

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install run check evaluate trace test test-integration bench bench-short lint types layers verify clean
