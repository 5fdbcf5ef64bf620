PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
DATA ?= ../shared/data
# Of all that is installed few modules are imported; each is compiled when it first is.
INSTALL := $(BIN)/pip install -q --no-compile
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
# Tests compile more than they compute, and two run at once. A version of XLA that does not know the flag would end every process.
QUICKLY := JAX_DISABLE_MOST_OPTIMIZATIONS=1 OMP_NUM_THREADS=1
FLAGS := XLA_FLAGS=--xla_cpu_use_fusion_emitters=false
KNOWN = $(shell $(FLAGS) $(BIN)/python -c "import jax; jax.devices()" >/dev/null 2>&1 && echo $(FLAGS))

.PHONY: demo test quick test-all test-oldest lint fuzz mutants docs bench experiments

demo: $(VENV)/.installed
	$(BIN)/bl demo

test: $(VENV)/.tested
	@$(MAKE) --no-print-directory -j 2 quick lint

quick: $(VENV)/.tested
	$(QUICKLY) $(KNOWN) $(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-all: lint
	$(BIN)/pytest -n 2 --dist loadfile

test-oldest: $(OLDEST)/.tested
	$(OLDEST)/bin/pytest -n 2 --dist loadfile -m "not slow" -W ignore::DeprecationWarning -W ignore::FutureWarning

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

fuzz: $(VENV)/.tested
	$(BIN)/python -m tests.fuzz --minutes 10

docs: $(VENV)/.documented
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

mutants: $(VENV)/.tested
	$(QUICKLY) $(KNOWN) $(BIN)/python -m tests.mutants --sample 300 --record --page benchmarks/results/mutants.md

bench: $(VENV)/.compared
	JAX_COMPILATION_CACHE_DIR= $(BIN)/python benchmarks/run.py --data $(DATA)

# Resumable; `ONLY="--sections prediction --seeds 0"` runs a part. Baselines that cannot be installed are skipped by name.
experiments: $(VENV)/.experimented
	BL_DATA=$${BL_DATA-$(wildcard $(abspath $(DATA)))} $(BIN)/python -m experiments.paper $(ONLY)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.compared: $(VENV)/.tested
	$(INSTALL) -e ".[experiments]"
	touch $@

$(VENV)/.experimented: pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[evidence]"
	touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(INSTALL) -e ".[docs]"
	touch $@

$(VENV)/.tested: pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[test]"
	touch $(VENV)/.installed $@

$(OLDEST)/.tested: pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install -q uv
	$(OLDEST)/bin/uv pip install -q --python $(OLDEST)/bin/python --resolution lowest-direct -e ".[test]"
	touch $@
