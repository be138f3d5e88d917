# Everything works on a fresh clone with python3, make and the package registries.
#   make run    a running server with example scripts, one of which has just run in the sandbox
#   make test   what the tests need, and the tests
#   make machine-tests   what needs a machine of its own, in a virtual one: not part of the others, as it takes long
#   make check  lint, types, contracts, tests: what CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export AUTOMA_HOME ?= $(CURDIR)/.automa

.PHONY: run test check lint types contracts bench docs clean machine-tests

run: $(VENV)/.installed
	@$(BIN)/automa init --examples
	@echo; echo "One of the examples, in the sandbox:"; echo
	@$(BIN)/automa run "$$($(BIN)/automa init --where watch-log)"
	@echo
	@exec $(BIN)/automa serve

test: $(VENV)/.developing
	@sh tests/support/provision.sh
	$(BIN)/pytest -n 2 --dist loadfile

check: lint types contracts test

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developing
	$(BIN)/pyright

contracts: $(VENV)/.developing
	$(BIN)/lint-imports

bench: $(VENV)/.developing
	$(BIN)/python -m tests.benchmarks

machine-tests: $(VENV)/.developing
	@sh tests/support/provision.sh machine
	$(BIN)/pytest -m machine tests/machine

docs: $(VENV)/.developing
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist

# Debian's python3 may lack venv's ensurepip: then the package that brings it is named, or installed by root.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Automa needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/support/provision.sh venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.developing: pyproject.toml $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.installed
