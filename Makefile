# Everything a person or CI does here; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch, MLflow, Optuna and the rest into $(VENV): some minutes, once ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/installed ## set up .venv with everything needed here

quickstart: $(VENV)/installed ## the main job: which optimizer, with a report, in about five minutes
	$(BIN)/selector run quickstart

check: $(VENV)/installed ## what CI runs: format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 2 --dist worksteal

slow: $(VENV)/installed ## the tests that take longer: real studies, a real browser, a real server
	$(BIN)/pytest -m slow

chaos: $(VENV)/installed ## 100 kill -9 of a real study, and every crash point of a small one
	$(BIN)/python -m tests.chaos.kills
	SELECTOR_CHAOS_POINTS=all $(BIN)/pytest -m "slow or not slow" tests/chaos

test-gpu: $(VENV)/installed ## the tests that need a CUDA device
	$(BIN)/pytest -m gpu

fix: $(VENV)/installed ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

smoke: $(VENV)/installed ## a study of a few runs from end to end
	$(BIN)/selector run quickstart budget=smoke name=smoke
	test -s reports/smoke/index.html

known: $(VENV)/installed ## does it find what the literature found?
	$(BIN)/python -m benchmarks.known

.PHONY: help install quickstart check slow chaos test-gpu fix smoke known
