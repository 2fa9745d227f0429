# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One word per job. `make help` lists them; what a target needs, it makes first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Everything that is big or slow to get is kept here, outside the checkout.
export STT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stt-engine
# Ansible refuses to start without a UTF-8 locale.
export LC_ALL := C.UTF-8
export PATH := $(CURDIR)/.venv/bin:$(PATH)

MODEL := $(STT_CACHE)/fixtures/whisper-tiny-en-ko
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make .venv from the locked packages, and the link that lets Ansible find the collection
	@scripts/setup.sh $(SETUP)

.PHONY: wheels
wheels: setup
	@echo "==> Wheels of the engine into $(STT_CACHE)/wheels (3.7 GB, 3 minutes the first time, seconds after)"
	@python docker/locks/fill_wheelhouse.py --lock docker/locks/full-cu128 --lock docker/locks/slim-cu128 --lock docker/locks/resolver.txt --dest "$(STT_CACHE)/wheels"

.PHONY: model
model: setup
	@echo "==> Tiny model for the lab: $(MODEL) (seconds)"
	@python tests/fixtures/make_tiny_whisper.py --out "$(MODEL)" | tail -n 1

.PHONY: lab-up
lab-up: setup wheels model ## start the lab: a build server and a model hub as containers (5 minutes once, then seconds)
	@echo "==> Lab: build server and model hub (5 minutes the first time, seconds after)"
	@python -m tests.lab up
	@echo "    The lab is up. Next: make release. To stop it: make lab-down."

.PHONY: lab-down
lab-down: setup ## stop the lab and remove its containers; caches are kept
	@echo "==> Stopping the lab (seconds)"
	@python -m tests.lab down
	@echo "    The lab is down. What was downloaded stays in $(STT_CACHE)."

.PHONY: release
release: lab-up ## make one complete release in the lab, ending in the checklist and the report (ARGS= goes to ansible-playbook)
	@echo "==> Release: build, fetch, convert, check, seal (about 10 minutes the first time, seconds when nothing changed)"
	@ansible-playbook playbooks/release.yml -i inventory/lab $(ARGS)

.PHONY: faults
faults: lab-up ## plant every fault that a test knows, and hold how each ended against the catalogue (about 15 minutes)
	@echo "==> Faults: one line for each, results in results/faults.json"
	@python -m tests.bench faults $(ARGS)

.PHONY: bench-model
bench-model: lab-up ## measure fetching and converting 1.6 GB beside hf, curl and the converter (about 15 minutes; after make release)
	@python -m tests.bench model $(ARGS)

.PHONY: bench-image
bench-image: lab-up ## measure building the image beside a plain docker build: cold, app-only, no change (about 12 minutes; after make lab-up)
	@python -m tests.bench image $(ARGS)

.PHONY: bench-service
bench-service: lab-up ## load the service with 8 clients, bad uploads and a stop in mid-flight (2 to 3 minutes; after make release)
	@python -m tests.bench service $(ARGS)

.PHONY: bench-flips
bench-flips: lab-up ## flip single bits of model.bin and see which gates catch them (about 10 minutes; after make release)
	@python -m tests.bench flips $(ARGS)

.PHONY: test
test: SETUP := test
test: setup ## run the tests: lint, units, sanity, integration, molecule and a whole release in the lab
	@python scripts/run_tests.py $(ARGS)

.PHONY: test-long
test-long: SETUP := test
test-long: setup ## run what is too long for every run: releases with drift, brought models, slim, an engine of one's own, every gate of the image (about 40 minutes)
	@python scripts/run_tests.py lab long

.PHONY: lint
lint: setup ## run the quick judges only: ruff, mypy, yamllint, ansible-lint, licences, specs, build
	@python scripts/run_tests.py lint

.PHONY: project
project: setup ## write an operator's own directory: make project DIR=/path/to/releases
	@python scripts/project.py $(if $(DIR),"$(DIR)")

.PHONY: lock
lock: setup ## resolve requirements/*.in again and write the hash-locked *.txt beside them
	@scripts/lock.sh
