# The whole set-up is a prerequisite: `make demo` and `make test` each work in a fresh clone.

PYTHON ?= python3
TASK ?=
SEED ?= 0
ROUNDS ?= 1

BIN := .venv/bin
SOURCES := $(wildcard world4rl_core ros2_ws launch calibration tests benchmarks results scripts)
# Two test processes with one thread each: more threads than cores make torch slower, not faster.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --tb=short -n 2
# What runs against the clock has the machine to itself. A busy neighbour is no fault of ours: two more tries.
REALTIME := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --tb=short -m realtime --reruns 2

.DEFAULT_GOAL := help
.PHONY: help setup demo metaworld test check check-static check-fast lint imports types format golden clean

help:  ## Say what each target does.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed  ## Install what is missing; the other targets do it by themselves.

.venv/.installed: pyproject.toml constraints/cpu.txt scripts/setup.sh ros2_ws/src/world4rl/setup.py
	@PYTHON="$(PYTHON)" bash scripts/setup.sh
	@touch $@

demo: TASK := $(or $(TASK),press_button)
demo: setup  ## The whole loop on the digital twin, trials on its arm included; offline for TASK=…-v3 (SEED=…, ROUNDS=…).
	$(BIN)/world4rl demo $(if $(filter %-v3,$(TASK)),metaworld,twin) --task $(TASK) --seed $(SEED) --rounds $(ROUNDS) --out runs/demo/$(TASK)-$(SEED)

metaworld: TASK := $(or $(TASK),button-press-topdown-v3)
metaworld: setup  ## The offline loop on one Meta-World task (TASK=…, SEED=…).
	$(BIN)/world4rl demo metaworld --task $(TASK) --seed $(SEED) --out runs/demo/$(TASK)-$(SEED)

test: setup  ## Run all tests.
	$(PYTEST) -m "not realtime"
	$(REALTIME)

check: check-static check-fast  ## Everything a commit must pass: format, lint, layers, types, fast tests.

check-static: lint imports types

check-fast: setup
	$(PYTEST) -m "not slow and not realtime"

lint: setup
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

imports: setup
	$(BIN)/lint-imports --no-logo

types: setup
	$(BIN)/pyright

format: setup  ## Rewrite the sources as `make check` wants them.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

golden: setup  ## Rewrite the golden arrays after an intended change of numbers.
	$(PYTEST) --rewrite-golden

clean:  ## Remove the environment and caches; runs/ and datasets/ stay.
	rm -rf .venv *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
