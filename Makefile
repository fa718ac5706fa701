# Everything here needs Python >= 3.11, make and the package registries; no Java, Docker or uv beforehand.
# Choose a Python with: make venv PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)-bench
LOCKER := $(VENV)-lock
COMPILED := $(VENV)-compiled

OFFLINE := --ignore=tests/servers
RSIGMA := 0.23.0

PIP_QUIET := --quiet --disable-pip-version-check
PIP_INSTALL := $(BIN)/python -m pip install $(PIP_QUIET)
# Universal: one file for CPython 3.11 to 3.14 on every platform, with the hash of each wheel.
# `fewest`: one version of numpy and scipy on every Python, so that a baseline is the same on all of them.
UV_COMPILE := $(LOCKER)/bin/uv pip compile --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

.DEFAULT_GOAL := help
.PHONY: help venv compiled demo test test-offline test-fast test-corpus test-servers chaos figures drill lint schema scorecard corpus bench lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 24

venv: $(INSTALLED)  ## installs chainbrake and all it needs, pinned and hashed, into .venv

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "chainbrake needs Python 3.11 or later, and there is no $(PYTHON). Choose one with: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "chainbrake needs Python 3.11 or later, but $(PYTHON) is $$($(PYTHON) -V 2>&1). Choose another with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP_INSTALL) --only-binary :all: --require-hashes -r constraints.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

compiled: $(COMPILED)/.installed  ## the same with a compiled fold, into .venv-compiled; needs Python's headers

# Of everything that goes into the wheel: what is installed there is a copy, which no edit reaches.
$(COMPILED)/.installed: pyproject.toml constraints-compile.txt tools/compiled_fold.py tools/slots.h \
		$(shell find models detectors stream -type f -not -path '*/__pycache__/*')
	test -e $(COMPILED)/bin/python || $(PYTHON) -m venv --clear $(COMPILED)
	$(COMPILED)/bin/python -m pip install $(PIP_QUIET) --only-binary :all: --require-hashes -r constraints-compile.txt
	CHAINBRAKE_COMPILED=1 $(COMPILED)/bin/python -m pip install $(PIP_QUIET) --no-deps --no-build-isolation \
		--force-reinstall .
	@touch $@

demo: $(INSTALLED)  ## a real broker, store, worker and hook, and chains being cut
	$(BIN)/python -m demo

test: lint test-offline test-servers  ## everything

# Read into memory once, and shared out once: the two parts below, without a second start.
test-offline: $(INSTALLED)  ## what needs no server, whatever it takes
	$(BIN)/pytest -n auto --dist worksteal $(OFFLINE)

test-fast: $(INSTALLED)  ## of that, what takes under a minute together
	$(BIN)/pytest -n auto --dist worksteal $(OFFLINE) -m "not corpus and not slow"

test-corpus: $(INSTALLED)  ## of that, recorded traffic (from ../shared, where that is), mutations of it, and what takes seconds
	$(BIN)/pytest -n auto --dist worksteal $(OFFLINE) -m "corpus or slow"

# Three files at once on two cores: most of their time they wait for a broker that is away, or for a session that ends.
# In the order of their collection, the longest first: by their number of tests they would come near the end.
test-servers: $(INSTALLED)  ## against a real Kafka and Valkey
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder tests/servers

# Sockets that kafka-python leaves when a broker dies are told when Python ends, where no test can forgive them.
chaos: $(INSTALLED)  ## workers, broker and store die at random for SECONDS each (150), as SEED has it (1)
	TEST_CHAOS=$(or $(SECONDS),150) TEST_CHAOS_SEED=$(or $(SEED),1) $(BIN)/pytest -q -s -p no:unraisableexception tests/servers/test_chaos.py

figures: $(INSTALLED)  ## measures docs/baselines.md anew, where ../shared is at hand; minutes
	TEST_FIGURES=1 $(BIN)/pytest -q tests/test_figures.py tests/test_training_cost.py

drill: $(INSTALLED)  ## poisons the history of an invented agent, and looks what is still found; writes docs/poisoning.md
	$(BIN)/python -m benchmarks.poisoning --write docs/poisoning.md

lint: $(INSTALLED)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schema: $(INSTALLED)  ## writes docs/event.schema.json, the tables of docs/event.md and docs/policy.md, docs/coverage.md and docs/vocabulary
	$(BIN)/python -c 'from pathlib import Path; from stream.reference.schema import write; write(Path("docs"))'

scorecard: $(INSTALLED)  ## what is found in recordings beside the repository, and wrongly stopped; writes docs/scorecard.md
	$(BIN)/python -m benchmarks.scorecard --write docs/scorecard.md

corpus: $(INSTALLED)  ## how rightly the sources are read, and mutated records (TEST_MUTATIONS=N); writes docs/corpora.md
	$(BIN)/python -m benchmarks.corpus --write docs/corpora.md

bench: $(INSTALLED) $(PEERS)/.installed  ## measures chainbrake, compiled too where that can be, and its peers
	-@$(MAKE) --no-print-directory compiled
	$(BIN)/python -m benchmarks

$(PEERS)/.installed: $(INSTALLED) constraints-bench.txt
	$(BIN)/python -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install $(PIP_QUIET) --only-binary :all: --require-hashes -r constraints-bench.txt
	@if command -v cargo >/dev/null; then cargo install --quiet --locked --root $(PEERS) rsigma@$(RSIGMA); \
		else echo "no cargo here: Sigma rules are measured without their peer" >&2; fi
	@touch $@

lock:  ## renews the constraints (everything; what the image needs of it; peers) from pyproject.toml
	$(PYTHON) -m venv $(LOCKER)
	$(LOCKER)/bin/python -m pip install $(PIP_QUIET) --upgrade uv
	$(UV_COMPILE) pyproject.toml --extra science --extra sandbox --extra test --group build --output-file constraints.txt
	$(UV_COMPILE) pyproject.toml --group build --constraint constraints.txt --output-file constraints-image.txt
	$(UV_COMPILE) pyproject.toml --group build --group compile --constraint constraints.txt --output-file constraints-compile.txt
	$(UV_COMPILE) --group bench --output-file constraints-bench.txt

clean:  ## removes what can be made again
	rm -rf $(VENV) $(PEERS) $(LOCKER) $(COMPILED) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
