# Two commands do everything on a machine with Python 3.11 or 3.12 and make:
#   make demo    set up, search the quick start, print the front, export the best model
#   make test    set up, then lint, types, layers and tests

PYTHON ?= $(firstword $(foreach name,python3.12 python3.11 python3 python,$(shell $(name) -c 'import sys, venv, ensurepip; print("$(name)" if sys.version_info[:2] in ((3, 11), (3, 12)) else "")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
RUN := artifacts/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The tests run in two processes, one a core; all that starts Ray is in the second.
FIRST := tests/deployment tests/graph tests/resource_models tests/search_space tests/training

.PHONY: demo test first-tests other-tests lint clean

demo: $(VENV)/installed
	$(BIN)/python driver.py configs/digits_aging.py --name demo $(if $(wildcard $(RUN)),--resume)
	$(BIN)/python driver.py show $(RUN) --pick best
	$(BIN)/python driver.py export $(RUN) --pick best

test: lint
	$(MAKE) --no-print-directory --jobs 2 first-tests other-tests

first-tests:
	$(BIN)/python -m pytest -q -o cache_dir=.pytest_cache/first $(FIRST)

other-tests:
	$(BIN)/python -m pytest -q -o cache_dir=.pytest_cache/others $(FIRST:%=--ignore=%)

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "edgevolve needs Python 3.11 or 3.12 with venv; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
