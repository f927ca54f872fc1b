# make alone lists what there is. make run: install the environment if necessary, then run the workflow.
# make run CONFIG=my.yaml: the same with a configuration file of your own, as in snakemake --configfile my.yaml.
# make run system=V-O seed=2: the same with keys of the configuration, as in snakemake --config system=V-O seed=2.

PYTHON ?=
VENV ?= .venv
CORES ?= all
ARGUMENTS ?=
CONFIG ?=
FILE ?= $(CONFIG)
TORCH_INDEX_DEFAULT := https://download.pytorch.org/whl/cpu
TORCH_INDEX ?= $(TORCH_INDEX_DEFAULT)

BIN := $(VENV)/bin
READY := $(VENV)/ready
READY_DEV := $(VENV)/ready-dev

TARGETS := help run check test lint format docs environment development gpaw gpu lock slurm-profile clean-environment
.PHONY: $(TARGETS)

# make would run the first target and complain about an unknown one afterwards.
UNKNOWN := $(filter-out $(TARGETS) $(READY) $(READY_DEV),$(MAKECMDGOALS))
ifneq ($(UNKNOWN),)
  $(error $(firstword $(UNKNOWN)) is not a target of this Makefile ($(TARGETS)); stages and files are targets of \
    Snakemake: $(BIN)/snakemake $(UNKNOWN), and a system is set with: make run system=V-O)
endif

ifneq ($(filter check,$(MAKECMDGOALS)),)
  $(if $(FILE),,$(error name the configuration file to check: make check FILE=my.yaml))
endif

# Variables on the command line of make, other than those above, are keys of the configuration, in any case. Names of
# environment variables are left alone.
ifneq ($(filter run,$(or $(MAKECMDGOALS),run)),)
  GIVEN := $(sort $(foreach word,$(MAKEOVERRIDES),$(firstword $(subst =, ,$(word)))))
  GIVEN := $(foreach name,$(GIVEN),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
  GIVEN := $(filter-out PYTHON VENV CORES ARGUMENTS CONFIG TORCH_INDEX MAKEFLAGS SHELL CC CFLAGS PATH HOME TMPDIR LANG,$(GIVEN))
  SCHEMAS := $(dir $(lastword $(MAKEFILE_LIST)))schemas
  KEYS := $(if $(GIVEN),$(shell sed -n 's/^\([a-z_]*\):.*/\1/p' "$(SCHEMAS)/defaults.yaml"; \
    sed -n 's/^  \([a-z_]*\):.*/\1/p' "$(SCHEMAS)/renamed_keys.yaml"))
  lower = $(shell printf %s '$(1)' | tr 'A-Z' 'a-z')
  quoted = '$(subst ','\'',$(1))'
  $(foreach name,$(GIVEN),$(if $(filter $(call lower,$(name)),$(KEYS)),\
    $(eval SETTINGS += $$(call quoted,$(call lower,$(name))=$$(value $(name)))),\
    $(if $(and $(findstring _,$(name)),$(filter-out $(call lower,$(name)),$(name))),,\
      $(error $(name) is neither a key of the configuration (schemas/defaults.yaml lists them; type, say: make run \
        system=V-O) nor a variable of this Makefile (PYTHON, VENV, CORES, ARGUMENTS, CONFIG, TORCH_INDEX); an environment variable is written before make: \
        $(name)=... make run))))
  ENVIRONMENT_SYSTEM := $(firstword $(foreach name,SYSTEM system,$(if $(filter environment,$(origin $(name))),$($(name)))))
  ifneq ($(shell printf %s '$(ENVIRONMENT_SYSTEM)' | grep -E '^([A-Z][a-z]?-)+[A-Z][a-z]?$$'),)
    $(error the environment variable SYSTEM=$(ENVIRONMENT_SYSTEM) does not set the system; type: make run \
      system=$(ENVIRONMENT_SYSTEM))
  endif
endif

# make with keys of the configuration or a file, and no target, means make run.
.DEFAULT_GOAL := $(if $(strip $(GIVEN) $(filter command,$(firstword $(origin CONFIG)))),run,help)

help: ## list the targets of this Makefile
	@echo "Usage: make TARGET [key=value ...]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo
	@echo "Variables: CONFIG=my.yaml (of run and check), CORES=4 (of run; default: all), ARGUMENTS=\"...\" (of snakemake or pytest),"
	@echo "PYTHON=/path/to/python3.12, VENV=folder (default: .venv), TORCH_INDEX= (empty: the CUDA build of torch also where no GPU is found)."

run: environment ## run the workflow: make run, make run system=V-O seed=2, make run CONFIG=my.yaml
	$(BIN)/snakemake --cores $(CORES)$(if $(CONFIG), --configfile $(CONFIG))$(if $(ARGUMENTS), $(ARGUMENTS))$(if $(SETTINGS), --config $(SETTINGS))

check: environment ## check a configuration file without running anything: make check FILE=my.yaml
	@PYTHONPATH=$(CURDIR)/workflow_scripts $(BIN)/python -m ccdcgan_workflow.check "$(FILE)"

test: development ## run the tests (25 minutes on two cores); a part: ARGUMENTS="-n 0 tests/database"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGUMENTS)

lint: development ## check the style of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: development ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# Install the Slurm profile, so that snakemake --profile slurm works in any checkout; an existing site.yaml is kept.
SLURM_PROFILE := $(or $(XDG_CONFIG_HOME),$(HOME)/.config)/snakemake/slurm

slurm-profile: ## install the profile for Slurm clusters, for snakemake --profile slurm
	mkdir -p "$(SLURM_PROFILE)"
	cp profiles/slurm/config.yaml profiles/slurm/site.example.yaml "$(SLURM_PROFILE)/"
	@if [ -e "$(SLURM_PROFILE)/site.yaml" ]; then :; \
	elif [ -e profiles/slurm/site.yaml ]; then cp profiles/slurm/site.yaml "$(SLURM_PROFILE)/"; \
	else cp profiles/slurm/site.example.yaml "$(SLURM_PROFILE)/site.yaml"; fi
	@echo "Now edit $(SLURM_PROFILE)/site.yaml, then: snakemake --profile slurm"

docs: development ## build the documentation, site/index.html, without network access
	PYTHONPATH=workflow_scripts $(BIN)/python docs/site/configuration_page.py
	PYTHONPATH=workflow_scripts $(BIN)/python docs/site/tables_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The documentation is in site/index.html. To use its search, start a server: $(BIN)/python -m http.server --directory site"

environment: $(READY) ## install what a run needs, into .venv (run does it when necessary)

development: $(READY_DEV) ## install what tests, linters and documentation need as well (test does it when necessary)

# The ready files are written last, so that an interrupted installation is resumed.
INSTALL := PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" TORCH_INDEX_DEFAULT=$(TORCH_INDEX_DEFAULT) sh envs/install.sh $(VENV)

$(READY): requirements.txt
	@$(INSTALL) requirements.txt
	@touch $@

$(READY_DEV): requirements-dev.txt requirements.txt
	@$(INSTALL) requirements.txt requirements-dev.txt
	@touch $(READY) $@

# Pin the packages that pyproject.toml asks for: requirements.txt, requirements-dev.txt and environment.yml. Pins that
# fit are kept; ARGUMENTS=--upgrade takes the newest versions, ARGUMENTS="--upgrade-package ase" those of one package.
lock: environment ## pin the packages of pyproject.toml in requirements*.txt and environment.yml
	@uv=$$(command -v uv) || { uv=.snakemake/uv/bin/uv; \
	  $(BIN)/python -m pip install --disable-pip-version-check --quiet --upgrade --target .snakemake/uv uv; }; \
	  $(BIN)/python envs/lock.py "$$uv" $(ARGUMENTS)

# Install the optional engine gpaw. It is compiled against three system libraries:
#   apt-get install gcc libxc-dev libopenblas-dev libfftw3-dev
gpaw: environment ## install the optional engine gpaw (needs a compiler and three libraries)
	@for header in xc.h fftw3.h; do echo "#include <$$header>" | $(CC) -E - >/dev/null 2>&1 || { \
	  echo "$$header is missing; install gcc libxc-dev libopenblas-dev libfftw3-dev (as root, apt-get install ...)" >&2; exit 1; }; done
	GPAW_CONFIG=$(CURDIR)/envs/gpaw_siteconfig.py $(BIN)/python -m pip install --disable-pip-version-check gpaw==26.7.0 gpaw-data==1.2.1
	$(BIN)/python -c 'import gpaw; print("GPAW", gpaw.__version__, "is ready: relaxation.engine: gpaw")'

# Install torch-sim, with which a GPU relaxes many crystals at once. The pinned packages keep their versions.
gpu: environment ## install torch-sim, with which a GPU relaxes many crystals at once (needs Python 3.12 or 3.13)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' || { \
	  echo "torch-sim needs Python 3.12 or 3.13, but $(VENV) has $$($(BIN)/python --version); install one of them, then type:" \
	  "make environment PYTHON=python3.12, and make gpu" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --constraint requirements.txt torch-sim-atomistic==0.5.2
	@$(BIN)/python -c 'import torch_sim, torch; print("torch-sim", torch_sim.__version__, "is ready: relaxation.mlip.batched;", \
	  "torch finds a GPU" if torch.cuda.is_available() else "torch finds no GPU on this machine")'

clean-environment: ## delete .venv
	rm -rf $(VENV)
