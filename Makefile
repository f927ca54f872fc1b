# make run: install the environment if necessary, then run the workflow.   make test: likewise, then run the tests.
# make run system=V-O seed=2: the same with keys of the configuration, as in snakemake --config system=V-O seed=2.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV ?= .venv
CORES ?= all
ARGUMENTS ?=

BIN := $(VENV)/bin
READY := $(VENV)/ready

TARGETS := run test lint format environment gpaw docs clean-environment slurm-profile
.PHONY: $(TARGETS)

# make would run Bi-Se first and complain about an unknown target afterwards.
UNKNOWN := $(filter-out $(TARGETS) $(READY),$(MAKECMDGOALS))
ifneq ($(UNKNOWN),)
  $(error $(firstword $(UNKNOWN)) is not a target of this Makefile ($(TARGETS)); stages and files are targets of \
    Snakemake: $(BIN)/snakemake $(UNKNOWN), and a system is set with: make run system=V-O)
endif

# Variables on the command line of make, other than those above, are keys of the configuration, in any case. Names of
# environment variables are left alone.
ifneq ($(filter run,$(or $(MAKECMDGOALS),run)),)
  GIVEN := $(sort $(foreach word,$(MAKEOVERRIDES),$(firstword $(subst =, ,$(word)))))
  GIVEN := $(foreach name,$(GIVEN),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
  GIVEN := $(filter-out PYTHON VENV CORES ARGUMENTS MAKEFLAGS SHELL CC CFLAGS PATH HOME TMPDIR LANG,$(GIVEN))
  KEYS := $(if $(GIVEN),$(shell sed -n 's/^\([a-z_]*\):.*/\1/p' "$(dir $(lastword $(MAKEFILE_LIST)))config.yaml"))
  lower = $(shell printf %s '$(1)' | tr 'A-Z' 'a-z')
  quoted = '$(subst ','\'',$(1))'
  $(foreach name,$(GIVEN),$(if $(filter $(call lower,$(name)),$(KEYS)),\
    $(eval SETTINGS += $$(call quoted,$(call lower,$(name))=$$(value $(name)))),\
    $(if $(and $(findstring _,$(name)),$(filter-out $(call lower,$(name)),$(name))),,\
      $(error $(name) is neither a key of the configuration (config.yaml lists them; type, say: make run system=V-O) nor a \
        variable of this Makefile (PYTHON, VENV, CORES, ARGUMENTS); an environment variable is written before make: \
        $(name)=... make run))))
  ENVIRONMENT_SYSTEM := $(firstword $(foreach name,SYSTEM system,$(if $(filter environment,$(origin $(name))),$($(name)))))
  ifneq ($(shell printf %s '$(ENVIRONMENT_SYSTEM)' | grep -E '^([A-Z][a-z]?-)+[A-Z][a-z]?$$'),)
    $(error the environment variable SYSTEM=$(ENVIRONMENT_SYSTEM) does not set the system; type: make run \
      system=$(ENVIRONMENT_SYSTEM))
  endif
endif

run: environment
	$(BIN)/snakemake --cores $(CORES)$(if $(ARGUMENTS), $(ARGUMENTS))$(if $(SETTINGS), --config $(SETTINGS))

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

# Install the Slurm profile, so that snakemake --profile slurm works in any checkout; an existing site.yaml is kept.
SLURM_PROFILE := $(or $(XDG_CONFIG_HOME),$(HOME)/.config)/snakemake/slurm

slurm-profile:
	mkdir -p "$(SLURM_PROFILE)"
	cp profiles/slurm/config.yaml profiles/slurm/site.example.yaml "$(SLURM_PROFILE)/"
	@if [ -e "$(SLURM_PROFILE)/site.yaml" ]; then :; \
	elif [ -e profiles/slurm/site.yaml ]; then cp profiles/slurm/site.yaml "$(SLURM_PROFILE)/"; \
	else cp profiles/slurm/site.example.yaml "$(SLURM_PROFILE)/site.yaml"; fi
	@echo "Now edit $(SLURM_PROFILE)/site.yaml, then: snakemake --profile slurm"

# Build the documentation site, site/index.html, without network access.
docs: environment
	PYTHONPATH=workflow_scripts $(BIN)/python docs/site/configuration_page.py
	PYTHONPATH=workflow_scripts $(BIN)/python docs/site/tables_page.py
	$(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html. To use its search, start a server: $(BIN)/python -m http.server --directory site"

environment: $(READY)

# The ready file is written last, so that an interrupted installation is resumed.
$(READY): requirements.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not installed; install Python 3.11, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version), but Python 3.11 is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.txt || { \
	  echo "The packages could not be installed; see the error above. The installation needs a network (or PIP_INDEX_URL," >&2; \
	  echo "PIP_FIND_LINKS, HTTPS_PROXY) and 4 GB of disk. Installed packages are kept: fix the cause and start the same command again." >&2; exit 1; }
	touch $@

# Install the optional engine gpaw. It is compiled against three system libraries:
#   apt-get install gcc libxc-dev libopenblas-dev libfftw3-dev
gpaw: environment
	@for header in xc.h fftw3.h; do echo "#include <$$header>" | $(CC) -E - >/dev/null 2>&1 || { \
	  echo "$$header is missing; install gcc libxc-dev libopenblas-dev libfftw3-dev (as root, apt-get install ...)" >&2; exit 1; }; done
	GPAW_CONFIG=$(CURDIR)/envs/gpaw_siteconfig.py $(BIN)/python -m pip install --disable-pip-version-check gpaw==26.7.0 gpaw-data==1.2.1
	$(BIN)/python -c 'import gpaw; print("GPAW", gpaw.__version__, "is ready: relaxation.engine: gpaw")'

clean-environment:
	rm -rf $(VENV)
