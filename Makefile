# Everything a person or CI does here. `make demo` and `make test` work on a fresh machine
# with Python 3.11, JDK 17, Maven and make; the rest is set up on the way.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
# Enough to run the service: a tenth of what the tests need.
RUNTIME := .venv/.runtime

.DEFAULT_GOAL := help
.PHONY: help setup registries demo up run test lint fmt types unit proto lock docs bench fuzz faults soak clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(RUNTIME): requirements/runtime.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements/runtime.txt
	touch $@

$(STAMP): $(RUNTIME) requirements/dev.txt pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

setup: $(STAMP) ## make .venv with the locked dependencies

registries: $(STAMP) ## build the real registries that the tests start (Maven, cached)
	$(BIN)/python -m tests.support.registries prepare

demo: $(RUNTIME) ## run the service on a simulated registry (REGISTRY=nacos, zookeeper, eureka or all), with a mesh client attached
	$(BIN)/python -m meshregistry demo --registry $(or $(REGISTRY),nacos)

up: $(STAMP) ## run the picture of docker-compose.yml without containers (istiod and Envoy: ISTIOD_BIN=program)
	$(BIN)/python -m tests.support.whole_mesh

run: $(RUNTIME) ## run the service: make run CONFIG=file.yaml
	$(BIN)/python -m meshregistry run --config $(or $(CONFIG),$(error CONFIG=file.yaml is missing))

lint: $(STAMP) ## ruff, format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy --strict on package, tests and benchmarks
	$(BIN)/mypy

unit: $(STAMP) ## the fast tests only: unit and conformance
	$(BIN)/pytest -q tests/unit tests/conformance

# What needs no registry is checked while they are built; what they are needed for has the machine to itself.
test: $(STAMP) ## everything: lint, types, unit, conformance, integration on real registries, end to end
	$(MAKE) -j2 registries lint types unit
	$(BIN)/pytest tests/integration tests/e2e

proto: $(STAMP) ## generate meshregistry/_proto from proto/; leaves no diff
	$(BIN)/python proto/generate.py

lock: ## lock the dependencies again (needs uv)
	uv pip compile -q pyproject.toml --extra uvloop --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal --upgrade -o requirements/runtime.txt
	uv pip compile -q pyproject.toml --extra uvloop --group dev --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal --upgrade -c requirements/runtime.txt -o requirements/dev.txt
	uv pip compile -q --group build --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal --upgrade -o requirements/build.txt

docs: $(STAMP) ## write docs/settings.md, docs/telemetry.md and the table of docs/slime-migration.md
	$(BIN)/python -m meshregistry.settings.reference > docs/settings.md
	$(BIN)/python -m meshregistry.telemetry.reference > docs/telemetry.md
	$(BIN)/python -m meshregistry.settings.slime_keys docs/slime-migration.md

bench: $(STAMP) ## measure speed and memory, print a table
	$(BIN)/python -m benchmarks.run

fuzz: $(STAMP) ## the fuzzers of every decoder, fifty times as long as in the tests
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -q --timeout 1800 $$($(BIN)/python -m tests.unit.test_fuzzers)

faults: $(STAMP) registries ## make every fault of the campaign: make faults ARGS="--only kill --times 10"
	$(BIN)/python -m tests.campaign $(ARGS)

soak: $(STAMP) ## churn with random faults for 15 minutes: make soak ARGS="--minutes 60"
	$(BIN)/python -m tests.campaign.soak $(ARGS)

clean: ## remove what was built; downloads in Maven's own cache stay
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	rm -rf tests/integration/registries/*/{lib,classes,target}
