SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run up test prove lint bench pictures notebooks clean

VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 3000
WORKERS ?= 2

# The lock was resolved on 3.11, so that comes first; a name that exists may still not run.
PYTHONS := python3.11 python3.12 python3.13 python3

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Raw files in, a gated champion and its predictions out
	@$(BIN)/mlsys run

up: $(VENV)/.installed ## The asset graph and the models in the browser (HOST, PORT)
	@$(BIN)/mlsys up --host $(HOST) --port $(PORT)

test: lint ## Lint, then every test but the long proofs (WORKERS)
	@$(BIN)/python -m pytest -m "not prove" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

prove: $(VENV)/.scale ## The long proofs of the promises
	@$(BIN)/python -m pytest -m prove

lint: $(VENV)/.installed ## Style, types and import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/.installed ## Measure against the bare chain, side by side
	@$(BIN)/python tests/benchmarks/run.py

pictures: $(VENV)/.installed ## Take the README's pictures anew, of what `make run` lived
	@copy=$$(mktemp -d) && cp -a .mlsys/. "$$copy" && \
	$(BIN)/python tests/browser/screenshots.py "$$copy" notebooks/pictures; code=$$?; rm -rf "$$copy"; exit $$code

notebooks: $(VENV)/.installed ## Execute the notebooks anew on the life in .mlsys
	@$(BIN)/python tests/notebooks/execute.py

clean: ## Remove the environment and the caches; the state in .mlsys stays
	@rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .tmp_dagster_home_*
	@find mlsys_assets mlsys_resources tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Lines of the recipes below: install with uv where there is one. --no-deps: the locks are complete.
define INSTALL
install() { \
	  if command -v uv >/dev/null 2>&1; then \
	    uv pip install --quiet --python $(BIN)/python --no-deps "$$@" && return; \
	    echo "uv failed, as it says above; trying pip" >&2; \
	  fi; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps "$$@"; \
	}
endef

# Touched last, so that an interrupted build is taken up again. Compiled here on all cores, so that a test that turns
# warnings into errors is not the first to read another package's old escapes, and that each process of ours starts
# quickly where Python is told to keep no bytecode.
$(VENV)/.installed: requirements.lock pyproject.toml
	@set -eu; \
	python=; \
	for name in $(PYTHONS); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$name"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "mlsys needs Python 3.11 or newer; none of these is: $(PYTHONS)" >&2; exit 1; fi; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
	  echo "Building $(VENV) with $$("$$python" --version) from requirements.lock ..."; \
	  "$$python" -m venv --clear $(VENV); \
	fi; \
	$(INSTALL); \
	install -r requirements.lock; \
	install --no-build-isolation -e .; \
	echo "Compiling it ..."; \
	$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib mlsys_assets mlsys_resources || true; \
	touch $@

# Spark and a Java for it, half a gigabyte, which only the long proofs need.
$(VENV)/.scale: requirements-scale.lock $(VENV)/.installed
	@set -eu; \
	$(INSTALL); \
	install -r requirements-scale.lock; \
	touch $@
