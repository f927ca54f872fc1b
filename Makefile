# make run: set up what is missing, then the main job.   make test: the same set-up, then the tests.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV ?= .venv
CORES ?= all
ARGUMENTS ?=

BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: run test lint format environment clean-environment

run: environment
	$(BIN)/snakemake --cores $(CORES) $(ARGUMENTS)

test: environment
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGUMENTS)

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

environment: $(READY)

# The mark is set last, so an interrupted installation is taken up again.
$(READY): requirements.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not installed; install Python 3.11, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version), but Python 3.11 is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.txt
	touch $@

clean-environment:
	rm -rf $(VENV)
