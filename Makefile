# Few verbs; `make help` lists them. Nothing but Python 3.11 and make is needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
# Dozens of processes start in a run: none is to compile Airflow and MLflow anew because the environment keeps no bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv and install the pinned requirements
$(STAMP): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet $$(grep -E '^uv==' requirements.txt)
	@$(BIN)/uv pip install --python $(BIN)/python -r requirements.txt
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps -e .
	@touch $@

.PHONY: test test-fast lint bench lock
# Two workers for two cores, a thread each; a file stays on one, because its tests share what is dear to build.
TEST := PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 AUDIENCEFLOW_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: setup ## every test; sets itself up
	@$(TEST)

test-fast: setup ## the tests that need no Airflow and are quick
	@$(TEST) -m "not airflow and not slow and not browser"

lint: setup ## ruff, mypy and formatting; checks and never repairs
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: setup ## ratios against named alternatives on ten million events
	@PYTHONUNBUFFERED=1 $(BIN)/python -m tests.bench.run

lock: ## compile requirements.in into pinned requirements.txt
	@$(BIN)/uv pip compile -q --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" requirements.in -o requirements.txt

.PHONY: demo run up down clean
LOCAL := $(BIN)/python -m orchestration.local
SERVICES := $(BIN)/python -m orchestration.services

demo: setup ## the whole path on the demo's data, in one process: make demo AS_OF=2017-11-01
	@$(LOCAL) demo --as-of '$(AS_OF)'

run: setup ## one DAG in one process: make run DAG=sync_segments CONF='{"dry_run": true}'
	@$(LOCAL) run '$(DAG)' --conf '$(CONF)'

up: setup ## Airflow, MLflow and the sandbox CRM on this machine, over the demo's state
	@$(SERVICES) up

down: ## stop what `make up` started
	@if test -x $(BIN)/python; then $(SERVICES) down; fi

clean: ## stop everything and forget everything below AUDIENCEFLOW_HOME
	@if test -x $(BIN)/python; then $(SERVICES) clean; fi
