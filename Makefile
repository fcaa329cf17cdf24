# make demo: a small study, end to end, from nothing.  make test: the whole test suite.
# Both need Python 3.11 to 3.13 and make; everything else comes locked from uv.lock.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.synced
FILES  := repro figures tests docker docs
# One thread: networks of tests are small, and as many processes as cores work.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

DOCKERFILES := Dockerfile docker/dev.Dockerfile docker/cluster/Dockerfile

.DEFAULT_GOAL := help
.PHONY: help setup demo partners test test-quick thorough test-container docs bench lint format clean

help:            ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

setup: $(READY)  ## the locked environment in .venv

$(READY): pyproject.toml uv.lock docker/locked.sh
	$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("The lock is for Python 3.11 to 3.13; this is %s. Try: make PYTHON=python3.11" % sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.7,<1"
	PATH="$(abspath $(BIN)):$$PATH" VIRTUAL_ENV=$(abspath $(VENV)) docker/locked.sh --all-extras
	@touch $@

DEMO   ?=
demo: setup      ## a small study, end to end: results/index.html
	$(BIN)/python -m repro.reproduce run --scale smoke --fallback phantom $(DEMO)
	$(BIN)/python -m figures

partners: setup  ## which selector finds the best partners? five seeds on procedural images, one table
	$(BIN)/python -m repro.reproduce run --scale partners
	$(BIN)/python -m figures selectors

test: setup      ## the whole test suite
	$(PYTEST) --numprocesses auto --dist worksteal --durations 10

test-quick: setup ## the unit tests of every part, minutes; no server, nothing slow
	$(PYTEST) --numprocesses auto --dist worksteal -m 'not slow and not server'

thorough: setup  ## tests that take minutes each, which `make test` skips: half an hour
	$(PYTEST) --thorough -m thorough

test-container: setup  ## the image and the compose file, for real; needs a Docker engine; 25 minutes
	$(BIN)/python -m pytest --container -m container --durations=0 tests/container

docs: setup      ## README and docs as a site without scripts from elsewhere: site/index.html
	PATH="$(abspath $(BIN)):$$PATH" VIRTUAL_ENV=$(abspath $(VENV)) docker/locked.sh --only-group docs
	$(BIN)/python docs/build.py

bench: setup     ## benchmarks against other libraries and theoretical limits
	$(BIN)/python -m repro.bench

lint: setup      ## ruff (lint and format), mypy, hadolint and shellcheck
	$(BIN)/ruff check $(FILES)
	$(BIN)/ruff format --check $(FILES)
	$(BIN)/mypy
	$(BIN)/hadolint $(DOCKERFILES)
	$(BIN)/shellcheck docker/*.sh docker/*/*.sh

format: setup    ## let ruff rewrite the code in the house style
	$(BIN)/ruff check --fix $(FILES)
	$(BIN)/ruff format $(FILES)

clean:           ## remove the environment and caches; runs and results stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
