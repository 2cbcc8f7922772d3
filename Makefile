# make run    the gateway with a built-in demo provider      make test   all tests
# make check  format, lint, types, layers                    make bench  side by side with nginx and the other peers
# Everything happens in $(VENV); PYTHON=/path/to/python chooses the interpreter (>= 3.11).

VENV ?= .venv
RUN := $(VENV)/bin
PYTHON ?=
export PYTHON
PIP := $(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
TESTS ?= tests
# worksteal leaves the tests of a file to one worker, which then starts the servers that they share once; a third worker
# on two cores gains a minute, and loads the live tests more
WORKERS ?= -n 3 --dist worksteal
FLAGS ?=
POSTGRESQL := postgresql=/usr/lib/postgresql/*/bin/initdb
PEERS := nginx wrk haproxy caddy nodejs npm

.PHONY: run install dev test test-313 check format bench bench-quick bench-gate bench-generator bench-micro soak constraints docker docker-lint clean
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	@$(RUN)/fastproxy serve --demo $(FLAGS)

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

test: $(VENV)/.installed-dev
	@.ci/packages chromium strace wrk nodejs npm '$(POSTGRESQL)'
	$(RUN)/pytest -q $(WORKERS) $(TESTS) $(FLAGS)

# the other supported Python, where it is present
test-313:
	@python=$$(.ci/python 3.13) && $(MAKE) --no-print-directory test VENV=.venv-313 PYTHON=$$python || \
	  { .ci/python 3.13 >/dev/null 2>&1 && exit 1; echo "python3.13 is not here: nothing tested"; }

check: $(VENV)/.installed-dev
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/pytest -q tests/test_layers.py tests/test_house_rules.py

format: $(VENV)/.installed-dev
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

# FLAGS="--only edge_1k --pairs 7 --seconds 5"; bench/README.md explains the tables
bench: $(VENV)/.installed-dev
	@.ci/packages $(PEERS)
	$(RUN)/python -m bench.compare $(FLAGS)

bench-quick: $(VENV)/.installed-dev
	@.ci/packages $(PEERS)
	$(RUN)/python -m bench.compare --quick $(FLAGS)

# the ratios to nginx against bench/baseline.json; FLAGS=--save writes it
bench-gate: $(VENV)/.installed-dev
	@.ci/packages nginx wrk
	$(RUN)/python -m bench.gate $(FLAGS)

# single functions against bench/micro/baseline.json; FLAGS=--save writes it
bench-micro: $(VENV)/.installed-dev
	$(RUN)/python -m bench.micro_baseline $(FLAGS)

# what the load generator itself costs, beside wrk
bench-generator: $(VENV)/.installed-dev
	@.ci/packages nginx wrk
	$(RUN)/python -m bench.generator $(FLAGS)

soak: $(VENV)/.installed-dev
	@.ci/packages nginx wrk
	$(RUN)/python -m bench.soak $(FLAGS)

$(RUN)/python:
	@.ci/venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(RUN)/python
	@echo "installing fastproxy into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(RUN)/python
	@echo "installing fastproxy with its test tools into $(VENV)"
	@$(PIP) --editable '.[dev,sdk]'
	@touch $(VENV)/.installed $@

constraints: $(VENV)/.installed-dev
	@{ sed -n '/^#/p' constraints.txt; $(RUN)/pip freeze --exclude-editable | grep '=='; } > constraints.new
	@mv constraints.new constraints.txt

docker:
	docker build --tag fastproxy $(FLAGS) .

docker-lint: $(VENV)/.installed-dev
	$(PIP) '.[docker-lint]'
	$(RUN)/hadolint Dockerfile
	$(RUN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

clean:
	rm -rf $(VENV) .venv-313 .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .bench dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
