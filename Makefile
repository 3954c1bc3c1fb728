# make demo | make test: on a machine with Python 3.11 or newer and nothing else.
# Every target makes its own environment in .venv first; a second call finds it ready.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
TEST_WORKERS ?= 2
TEST_ARGS ?=

.PHONY: help env demo test lint lock clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

env: $(READY) ## make the environment in .venv

# The lock names every version; the package itself is installed in place, so that an edit needs no reinstall.
$(READY): requirements.lock pyproject.toml tools/environment.sh
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh tools/environment.sh
	@touch $(READY)

demo: $(READY) ## make the sample deliveries, run the main job on them, say where to look
	@$(VENV)/bin/survey demo

# Tests marked `browser` drive a real Chromium. Without one they are left out here, aloud, and nowhere else.
test: $(READY) ## run all tests
	@if CHROMIUM=$$(sh tools/chromium.sh); then set --; else \
	  printf '%s\n' '' \
	    '*** No Chromium was found: the tests marked "browser" (report.html in a real browser) are LEFT OUT.' \
	    '*** Install one (apt install chromium), or name one: make test CHROMIUM=/path/to/chrome' '' >&2; \
	  set -- -m 'not browser'; \
	fi; export CHROMIUM; \
	$(PY) -m pytest -n $(TEST_WORKERS) --dist worksteal "$$@" $(TEST_ARGS) < /dev/null

lint: $(READY) ## ruff and mypy
	@$(PY) -m mypy --version > /dev/null 2>&1 || $(VENV)/bin/uv pip install --quiet --python $(PY) "ruff>=0.9" "mypy>=1.14"
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy

# Universal: one file for every Python from 3.11 on, with markers where they differ.
lock: $(READY) ## solve requirements.lock anew from pyproject.toml
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --extra test --upgrade \
	  --no-header --no-emit-find-links pyproject.toml -o requirements.lock.new
	@{ sed -n '1,/^$$/p' requirements.lock; cat requirements.lock.new; } > requirements.lock.tmp
	@rm requirements.lock.new && mv requirements.lock.tmp requirements.lock

clean: ## remove the environment and what was built
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache
