# Everything is set up by the target that needs it, in .venv; the second time is quick.
#   make chat ARGS='--as Darcy'        make test        make check

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help chat test test-long check clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

chat: $(VENV)/.core ## talk with a character; flags in ARGS
	@$(BIN)/her $(ARGS)

test: $(VENV)/.all ## the whole fast suite; flags in ARGS
	@$(BIN)/python -m pytest $(ARGS)

test-long: $(VENV)/.all ## the same and the full-length bars
	@HER_HYPOTHESIS=long $(BIN)/python -m pytest -m "long or not long" $(ARGS)

check: $(VENV)/.dev ## formatting, lint and types
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy --strict

clean: ## take away what was built here, the environment too; chats and weights stay
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An install of more holds that of less, so a stamp also stands for those below it.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "HER needs Python 3.11 or newer, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "Name another one, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) </dev/null
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml
	@echo "Setting up HER in $(VENV) ..." >&2
	@$(PIP) -e . </dev/null
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	@echo "Setting up HER and its checks in $(VENV) ..." >&2
	@$(PIP) -e '.[dev]' </dev/null
	@touch $(VENV)/.core $@

$(VENV)/.all: $(VENV)/.made pyproject.toml
	@echo "Setting up HER with everything in $(VENV); torch is large ..." >&2
	@$(PIP) -e '.[train,synth,ray,pages,bench,dev]' </dev/null
	@touch $(VENV)/.core $(VENV)/.dev $@
