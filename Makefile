# Commonwatt. Two commands need nothing but Python 3.11+ and make: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.commonwatt-ready
PROGRAMS := build/.programs-ready
JOBS ?= 2
DEMO ?=
PACKAGES := app contracts grid matching meters

# Python caches and temporary files of the checks stay inside build/, which is not committed.
export RUFF_CACHE_DIR := build/ruff
export MYPY_CACHE_DIR := build/mypy

.PHONY: help setup demo test check format bench bench-fresh comparison messages lock clean

help: ## Show this list
	@echo "Commonwatt: a peer-to-peer energy market that a neighbourhood runs itself."
	@echo
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Options: make demo DEMO='--speed 60 --households 40'   make test TESTS='tests/grid -k voltage'"

setup: $(READY) $(PROGRAMS) ## Prepare .venv from the lock, and programs that tests use (once)

$(READY): deploy/setup-venv locked/bootstrap.txt locked/platform.txt pyproject.toml
	@deploy/setup-venv $(VENV)
	@touch $@

$(PROGRAMS): $(READY) deploy/setup-programs locked/slither.txt $(wildcard package-lock.json */package-lock.json */*/package-lock.json)
	@mkdir -p build
	@deploy/setup-programs $(BIN)
	@touch $@

demo: $(READY) ## A simulated day in a community of 118 homes, with its web app (DEMO='...' for options)
	@$(BIN)/commonwatt demo $(DEMO)

test: setup ## All tests (at most 12 minutes; TESTS='...' for some)
	@$(BIN)/pytest -n $(JOBS) --dist loadfile $(TESTS)

check: setup ## Everything that must hold without running the product: format, lint, types, floors, security, compose
	@deploy/check $(BIN) $(PACKAGES)

format: $(READY) ## Format the sources in place and apply the linter's safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Benchmarks and the full counts of the property tests; goes on where it was stopped
	@$(BIN)/python tests/benchmarks/run.py

bench-fresh: setup ## The same from the beginning
	@$(BIN)/python tests/benchmarks/run.py --fresh

comparison: setup ## Clear the same books with other programs too, and renew docs/comparison.md (about 15 minutes)
	@$(BIN)/python tests/benchmarks/run.py --fresh comparison
	@$(BIN)/python tests/benchmarks/render_comparison.py

messages: $(READY) ## Carry new texts of the pages into the translations, and compile those
	@$(BIN)/python deploy/messages.py

lock: $(READY) ## Renew the locked requirements from pyproject.toml (UPGRADE=1 moves every version)
	@deploy/lock $(BIN) $(if $(UPGRADE),--upgrade)

clean: ## Remove build products and caches; .venv and state stay
	rm -rf build dist .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
