# Needs GNU make, a POSIX shell and Python 3.11, 3.12 or 3.13. `make help` lists what it can do.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Debian keeps servers out of a user's PATH; mosquitto is one.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?=
BROKER ?=
SPEED ?=
SECONDS ?= 60
JOBS ?= 2
DATA ?=
ARCH ?=

# Two minutes of silence look like a fault to whoever watches; a log need not hold the progress of pip.
QUIET := $(shell [ -t 2 ] || echo --quiet)

BIN := .venv/bin
INSTALLED := .venv/.installed
TFLITE_INSTALLED := .venv-tflite/.installed
HASS_INSTALLED := .venv-homeassistant/.installed
# Tests are shared out by file, so that what a file prepares is prepared once; every process that trains takes 1.5 GB.
SHARED := --numprocesses=$(JOBS) --dist=loadfile
# Where the tests leave bundles for the second runtime, and where it finds them.
export TIDEGATE_BUNDLES := $(CURDIR)/build/test-bundles

# A name on the PATH may be a shim with nothing behind it, so each candidate is asked for its version.
in_range = "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
is_3_13 = "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null
is_3_11 = "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
can_make_venv = "$$python" -c 'import ensurepip, venv' 2>/dev/null

.PHONY: help
help: ## list the targets
	@echo "usage: make TARGET [VARIABLE=value]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

# ---- environments

.PHONY: install
install: $(INSTALLED) ## make .venv with tidegate and tidegate-train, for development and training (PYTHON=python3.12)
	@echo "tidegate and tidegate-train are in $(BIN)"

$(INSTALLED): pyproject.toml edge/__init__.py
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do $(in_range) && break; python=; done; \
	  if [ -z "$$python" ]; then \
	    echo "Python 3.11, 3.12 or 3.13 is needed, found none$(if $(PYTHON), at $(PYTHON)). Install one (Debian: apt-get install python3 python3-venv) or name it: make install PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	  if ! $(can_make_venv); then \
	    echo "$$python cannot make virtual environments. On Debian and Ubuntu run: apt-get install python3-venv" >&2; exit 1; fi; \
	  echo "Making .venv with $$("$$python" --version)"; \
	  "$$python" -m venv --clear .venv || exit 1; \
	fi
	@echo "Installing tidegate with training, demo and development tools into .venv (a few minutes, about 2.5 GB: TensorFlow)"
	@$(BIN)/python -m pip install $(QUIET) --editable '.[dev]'
	@touch $@

# The device part on tflite-runtime alone: no LiteRT, no TensorFlow. That runtime ends at Python 3.11 and knows only Linux.
.PHONY: runtimes
runtimes: $(INSTALLED) ## make .venv-tflite: the device part on tflite-runtime 2.14 (needs a Python 3.11)
	@if [ "$$(uname -s)" != Linux ]; then \
	  echo "tflite-runtime has no wheel for $$(uname -s): its tests are skipped"; exit 0; fi; \
	for python in $(BIN)/python python3.11 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.11*/bin/python3.11 python3; do \
	  $(is_3_11) && $(can_make_venv) && break; python=; done; \
	if [ -z "$$python" ]; then \
	  echo "tflite-runtime ends at Python 3.11 and none was found: its tests are skipped"; exit 0; fi; \
	$(MAKE) --no-print-directory $(TFLITE_INSTALLED) PYTHON_3_11="$$python"

$(TFLITE_INSTALLED): pyproject.toml edge/__init__.py tests/tflite_requirements.py
	@echo "Installing the device part on tflite-runtime into .venv-tflite"
	@"$(PYTHON_3_11)" -m venv --clear .venv-tflite
	@.venv-tflite/bin/python tests/tflite_requirements.py >.venv-tflite/requirements.txt
	@.venv-tflite/bin/python -m pip install --quiet --requirement .venv-tflite/requirements.txt
	@.venv-tflite/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

# Debian's package of a program is installed where that is allowed: $(call debian,package,program,who needs it).
define debian
@if command -v $(2) >/dev/null; then exit 0; fi; \
if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else root=no; fi; \
if [ "$$root" = no ] || ! command -v apt-get >/dev/null; then \
  echo "$(3). Run: sudo apt-get install $(1)$(4), then make again" >&2; exit 1; fi; \
echo "Installing $(1) with apt-get"; \
$$root apt-get -qq update && $$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $(1) >/dev/null
endef

.PHONY: mosquitto
mosquitto: ## find mosquitto, or install it with apt-get where that is allowed
	$(call debian,mosquitto,mosquitto,The tests need mosquitto,   (macOS: brew install mosquitto))

.PHONY: valgrind
valgrind: ## find valgrind, or install it with apt-get where that is allowed
	$(call debian,valgrind,valgrind,Counting instructions needs valgrind)

.PHONY: mmdebstrap
mmdebstrap: ## find mmdebstrap, or install it with apt-get where that is allowed
	$(call debian,mmdebstrap,mmdebstrap,The emulated machines need mmdebstrap)

# ---- using it

.PHONY: demo
demo: build/motes.bundle ## train, serve and replay a real recording over MQTT (BROKER=host:port SPEED=factor)
	@$(BIN)/tidegate demo build/motes.bundle --data data/wsn $(if $(BROKER),--broker "$(BROKER)") $(if $(SPEED),--speed "$(SPEED)")

build/motes.bundle: $(wildcard training/*.py) $(wildcard data/wsn/*.csv.gz) | $(INSTALLED)
	@mkdir -p build
	$(BIN)/tidegate-train fit --data data/wsn/*.csv.gz --rows 1500 --out $@

.PHONY: weather
weather: $(INSTALLED) ## the textbook example: a city's next day from its last six, fitted and evaluated
	@mkdir -p build
	$(BIN)/tidegate-train fit --recipe training/recipes/weather.toml --data data/weather/seattle-weather.csv.gz --rows 1169 --out build/weather.bundle
	$(BIN)/tidegate-train evaluate build/weather.bundle --data data/weather/seattle-weather.csv.gz

.PHONY: all-files
all-files: $(INSTALLED) ## fit every recording under a folder and list the failures (DATA=folder)
	@if [ ! -d "$(DATA)" ]; then echo "DATA: must be a folder of recordings, got '$(DATA)': make all-files DATA=data" >&2; exit 2; fi
	$(BIN)/python tests/campaigns/fit_all.py "$(DATA)"

.PHONY: accuracy
accuracy: $(INSTALLED) ## run the whole benchmark and write its tables into training/ACCURACY.md (DATA=folder)
	@if [ ! -d "$(DATA)" ]; then echo "DATA: must be a folder of sets, got '$(DATA)': make accuracy DATA=data" >&2; exit 2; fi
	@mkdir -p build
	$(BIN)/tidegate-train benchmark --data "$(DATA)" --json >build/accuracy.json
	$(BIN)/python -m training.accuracy build/accuracy.json training/ACCURACY.md

.PHONY: bench
bench: build/motes.bundle mosquitto valgrind ## measure the device and the fit, each figure beside a reference of the same run
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.bench.throughput
	$(BIN)/python -m tests.bench.step
	$(BIN)/python -m tests.bench.replay
	$(BIN)/python -m tests.bench.live
	$(BIN)/python -m tests.bench.workers
	$(BIN)/python -m tests.bench.overload
	$(BIN)/python -m tests.bench.sweep
	$(BIN)/python -m tests.bench.fitting
	$(BIN)/python -m tests.bench.budget
	$(BIN)/python -m tests.bench.discovery
	$(BIN)/python -m tests.bench.recorder
	$(BIN)/python -m tests.bench.home_assistant
	$(BIN)/python -m tests.bench.instructions
	$(BIN)/python -m tests.bench.frozen
	$(BIN)/python tests/bench/window_curve.py build/motes.bundle data/wsn/singlehop_indoor_moteid2.csv.gz

# ---- working on it

.PHONY: test
test: $(INSTALLED) mosquitto runtimes ## run every test, then the device's tests on the second runtime (JOBS=processes)
	@mkdir -p "$(TIDEGATE_BUNDLES)"
	$(BIN)/python -m pytest $(SHARED)
	@$(MAKE) --no-print-directory test-runtimes

.PHONY: test-runtimes
test-runtimes: runtimes ## run the device's tests on tflite-runtime, with the bundles that the tests left in build/
	@if [ ! -e $(TFLITE_INSTALLED) ]; then exit 0; fi; \
	set -x; .venv-tflite/bin/python -m pytest $(SHARED) --hypothesis-profile=second -m "not training and not once" tests/edge edge

# A real Home Assistant, of the first year that knows device discovery, needs Python 3.13; it is no part of `make test`.
.PHONY: test-homeassistant
test-homeassistant: $(INSTALLED) $(HASS_INSTALLED) mosquitto ## show a real Home Assistant what the daemon says (needs a Python 3.13 and network)
	$(BIN)/python -m pytest tests/homeassistant

$(HASS_INSTALLED): tests/homeassistant/requirements.txt
	@for python in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13 python3; do \
	  $(is_3_13) && $(can_make_venv) && break; python=; done; \
	if [ -z "$$python" ]; then echo "Home Assistant needs Python 3.13, found none" >&2; exit 1; fi; \
	echo "Installing Home Assistant into .venv-homeassistant (some minutes)"; \
	"$$python" -m venv --clear .venv-homeassistant
	@.venv-homeassistant/bin/python -m pip install --quiet --requirement tests/homeassistant/requirements.txt
	@touch $@

.PHONY: fuzz
fuzz: $(INSTALLED) ## search for payloads that break a reader, guided by coverage (SECONDS=600; Linux)
	@$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	$(BIN)/python -m tests.campaigns.fuzz --seconds "$(SECONDS)"

# Hours. Root is needed to unpack the machines, and Linux 6.7 or newer to start ARM programs in them.
.PHONY: test-arm
test-arm: build/motes.bundle mmdebstrap ## run the device's tests and compare flags on emulated ARM machines (ARCH=arm64 or armhf)
	$(BIN)/python -m tests.campaigns.arm $(if $(ARCH),--arch "$(ARCH)")

.PHONY: lint
lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: format
format: $(INSTALLED) ## lay the code out and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: clean
clean: ## remove all that make made, the environments too
	rm -rf build dist .venv .venv-tflite .venv-homeassistant .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find edge training tests -name __pycache__ -type d -prune -exec rm -rf {} +
