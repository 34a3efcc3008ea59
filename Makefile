# `make help` lists what there is.

PYTHON ?= python3
HOSTS ?= 2
SUITE ?= trixie
UPGRADE ?= --upgrade
PORT ?= 11435

BUILD := .build
VENV := $(BUILD)/venv
SERVE := $(BUILD)/serve
BIN := $(CURDIR)/$(VENV)/bin
PIS := $(PYTHON) -m emulator.fleet
SUBNET_OPTION := $(if $(SUBNET),--subnet "$(SUBNET)")
UP_OPTIONS := --hosts "$(HOSTS)" --suite "$(SUITE)"
INVENTORY := .fleet/hailo/inventory
RUNTIME_LOCK := roles/hailo_vision/files/requirements.lock
TEST_LOCKS := tests/requirements.txt tests/abuse/requirements-fuzz.txt $(wildcard emulator/requirements-cpu.txt)
PHOTO := tests/data/chelsea.jpg
QUESTION := What is in this picture?

# Ansible refuses to run without UTF-8, and root's programs are not on every PATH.
export LC_ALL := C.UTF-8
export PATH := $(BIN):$(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PYTHONUNBUFFERED := 1
# Images of Python often set it. The tests start hundreds of processes, each of which would compile anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down status ask test unit lint types serve venv lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "Start with make up (root, four minutes at first) or make serve (no root, one minute)."

# What the machine lacks is told before anything is made; a Python that is missing or too old, by venv.sh.
up:  ## boot HOSTS=2 emulated Pis (SUITE=trixie), deploy the service to them, ask each about a photo (root)
	@! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    $(PIS) $(SUBNET_OPTION) check $(UP_OPTIONS)
	@$(MAKE) --no-print-directory venv
	@$(PIS) $(SUBNET_OPTION) up $(UP_OPTIONS)
	@echo "Deploying to $(HOSTS) Pis over SSH (at first about 50 s for each; 20 s where nothing changes)"
	@ANSIBLE_DISPLAY_SKIPPED_HOSTS=no ansible-playbook -i $(INVENTORY) playbooks/site.yml || \
	    { echo "The deployment failed (above): \`make up\` tries again, \`make down\` removes the Pis." >&2; exit 1; }
	@status=0; $(MAKE) --no-print-directory ask || status=$$?; $(PIS) guide; exit $$status

down:  ## remove the emulated Pis and every trace of them (root)
	@$(PIS) down --all

status:  ## tell how the emulated Pis and their services are (root)
	@$(PIS) status

ask: venv  ## ask the emulated Pis about PHOTO=... QUESTION="..."
	@services=$$($(PIS) services) && python tests/clients/ask.py "$(PHOTO)" "$(QUESTION)" $$services

# Whole files, in their order; each process has servers and Pis of its own.
SIDE_BY_SIDE := pytest --dist loadfile --no-loadscope-reorder --numprocesses

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "make test boots emulated Pis: run it as root. make unit needs no root." >&2; exit 1; }

# More processes than cores, as tests wait; those of the second line have Pis of their own each. The emulator's
# files come last in the first, as they are short and many: no process is left alone with a long one.
test: root $(BUILD)/test-venv  ## everything: lint, types, unit, API, emulator, deployment (root)
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target lint types packages clients
	$(SIDE_BY_SIDE) 4 tests/unit tests/api tests/npu tests/clients tests/bench tests/abuse emulator/tests
	$(SIDE_BY_SIDE) 3 tests/deploy

.PHONY: packages
packages:
	@sh tests/tools/packages.sh

unit: venv  ## the quick tests only, in less than a minute
	$(SIDE_BY_SIDE) 2 tests/unit

REQUESTS ?= 20000
ROUNDS ?= 60
SEED ?= 1
FUZZ_SECONDS ?= 600
TARGETS ?= request image settings message
ABUSE := PYTHONPATH=.:tests python -m tests.abuse

.PHONY: soak chaos fuzz
soak: venv  ## REQUESTS=20000 by clients of every kind; what they got and what they left behind
	@$(ABUSE).soak --requests $(REQUESTS) --seed $(SEED)

chaos: venv  ## ROUNDS=60 of random faults under load; how soon the service answered again (root: disk full, too; faketime: clock)
	@$(ABUSE).chaos --rounds $(ROUNDS) --seed $(SEED)

fuzz: $(BUILD)/test-venv  ## FUZZ_SECONDS=600 for each of TARGETS: requests, pictures, configuration, messages
	@for target in $(TARGETS); do \
	    mkdir -p $(BUILD)/fuzz/$$target && echo "Fuzzing $$target" && \
	    $(ABUSE).fuzz $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	        -verbosity=0 -artifact_prefix=$(BUILD)/fuzz/$$target- $(BUILD)/fuzz/$$target tests/abuse/corpus/$$target || exit 1; \
	done

.PHONY: bench
bench: venv  ## what everything but the NPU costs: docs/performance.md (root; FLEET=0 without emulated Pis; ONLY=gateway)
	@PYTHONPATH=.:tests python -m tests.bench $(if $(filter 0,$(FLEET)),--no-fleet) $(if $(ONLY),--only "$(ONLY)")

# The applications themselves: not part of `make test`, as they weigh gigabytes.
TRY := PYTHONPATH=emulator:tests:. python tests/clients/applications
.PHONY: try-openwebui try-homeassistant
try-openwebui: venv  ## Open WebUI itself, asked about PHOTO in a browser by both APIs (10 GB)
	@[ -x $(BUILD)/openwebui/bin/open-webui ] || \
	    { uv venv --quiet $(BUILD)/openwebui && uv pip install --quiet --python $(BUILD)/openwebui open-webui==0.12.4; }
	@$(TRY)/try_openwebui.py $(BUILD)/openwebui $(PHOTO)

try-homeassistant: venv  ## Home Assistant itself on an emulated Pi, PHOTO described by an AI Task (root, 3 GB)
	@$(TRY)/try_homeassistant.py $(PHOTO)

lint: venv  ## ruff, import-linter, yamllint, ansible-lint, the links of these pages
	ruff check .
	rumdl check --no-cache .
	yamllint --strict .
	lint-imports
	ansible-lint --offline

types: venv  ## mypy, strict
	mypy

serve:  ## the service alone with an emulated NPU on PORT=11435, no root needed
	@PYTHON="$(PYTHON)" sh tests/tools/venv.sh $(SERVE) $(RUNTIME_LOCK)
	@sh tests/tools/serve.sh $(SERVE) "$(PORT)"

venv:
	@PYTHON="$(PYTHON)" sh tests/tools/venv.sh $(VENV) tests/requirements.txt

.PHONY: clients
clients:
	@PYTHON="$(PYTHON)" sh tests/tools/venv.sh $(BUILD)/clients tests/clients/requirements.txt

.PHONY: $(BUILD)/test-venv
$(BUILD)/test-venv:
	@PYTHON="$(PYTHON)" sh tests/tools/venv.sh $(VENV) $(TEST_LOCKS)

PIN := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-annotate --custom-compile-command "make lock" --quiet $(UPGRADE)

# What is deployed is what was tested: the hosts' lock takes its versions from the tests' own.
lock: venv  ## pin every lock anew from its .in file (UPGRADE= keeps the versions that are pinned)
	$(PIN) tests/requirements.in pyproject.toml --output-file tests/requirements.txt
	$(PIN) --constraint tests/requirements.txt pyproject.toml roles/hailo_vision/files/requirements.in \
	    --output-file $(RUNTIME_LOCK)
	$(PIN) tests/abuse/requirements-fuzz.in --output-file tests/abuse/requirements-fuzz.txt
	$(PIN) tests/clients/requirements.in --output-file tests/clients/requirements.txt

clean:  ## delete what was built; emulated Pis must be down
	@[ -z "$$(ls .fleet 2>/dev/null)" ] || { echo "Emulated Pis are up: make down first." >&2; exit 1; }
	rm -rf $(BUILD)
