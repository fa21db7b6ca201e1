# The only entry points; CI calls the same ones.

PYTHON ?= python3
BIN := .venv/bin
ONLY ?=
NEWEST ?= python3.13
KILLS ?= 50
# Rings of tests: those that run two at once, browsers, where what fails beside another is tried again alone, and those
# that measure time and want the machine for themselves.
TIMED := $(filter-out %_errors.py,$(wildcard tests/contract/test_sandbox_*.py))
# Experiments by the thousand: measuring their coverage would take longer than they do.
HEAVY := $(patsubst %,tests/unit/debugger/test_%.py,authenticity corpus hostile nothing_found pairs paste_hostile)
ABREAST := tests/unit tests/contract tests/pages tests/policy $(addprefix --ignore=,$(TIMED) $(HEAVY))
BROWSERS := tests/e2e
ALONE := $(TIMED) tests/crash
MINUTES ?= 10
# MARKED="-m 'not long'" leaves out what takes longest in each ring.
MARKED ?=

.PHONY: run setup test test-newest check format bench crash soak help

help:
	@echo "make run | test | check | bench [ONLY=name] | crash [KILLS=50] | soak [MINUTES=10] | format | setup"

.venv/run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lamina Desk needs Python 3.11 or newer; name one by: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "This Python lacks venv. On Debian: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: .venv/run
	@exec $(BIN)/python dashboard.py

setup: .venv/dev

test: setup
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(or $(ONLY), -n 2 --dist loadfile $(MARKED) $(ABREAST))
	$(if $(ONLY),,$(BIN)/python -m pytest -n 2 $(MARKED) $(HEAVY))
	$(if $(ONLY),,$(BIN)/python -m pytest -n 2 --dist worksteal $(MARKED) $(BROWSERS) \
		|| $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(MARKED) $(BROWSERS))
	$(if $(ONLY),,$(BIN)/python -m pytest $(MARKED) $(ALONE))
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --fail-under=90
	$(BIN)/python -m coverage report --fail-under=100 \
		--include='lamina_core/signing.py,lamina_core/intake.py,lamina_core/triage/noting.py,lamina_core/webhooks/receiver.py'

# The same pins on another Python: unit tests only, for the rest does not depend on the interpreter.
test-newest:
	test -x .venv-newest/bin/python || $(NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	.venv-newest/bin/python -m pytest -q tests/unit

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks $(ONLY)

# The real process killed again and again under load; `make test` has a short form of it.
crash: setup
	$(BIN)/python -m tests.crash --kills $(KILLS)

# The real process under a steady load; what it holds has to stay flat.
soak: setup
	$(BIN)/python -m tests.crash.soak --minutes $(MINUTES)
