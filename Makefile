# Two commands do everything on a machine with Python 3.11 or 3.12 and make:
#   make demo    set up, search the quick start, print the front, export the best model
#   make test    set up, then lint, types, layers and tests; `make slow` runs the tests that take longer
# `make docs` builds the site of the documentation in build/site; a warning is an error.

PYTHON ?= $(firstword $(foreach name,python3.12 python3.11 python3 python,$(shell $(name) -c 'import sys, venv, ensurepip; print("$(name)" if sys.version_info[:2] in ((3, 11), (3, 12)) else "")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
RUN := artifacts/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test slow docs lint clean

demo: $(VENV)/installed
	$(BIN)/python driver.py configs/digits_aging.py --name demo $(if $(wildcard $(RUN)),--resume)
	$(BIN)/python driver.py show $(RUN) --pick best
	$(BIN)/python driver.py export $(RUN) --pick best

test: lint
	$(BIN)/python -m pytest -m "not slow" --numprocesses 3 --dist loadfile

slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

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

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
