# Targets a person needs; `make demo` and `make test` are all a newcomer runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-full check format bench docs sample clean
.DEFAULT_GOAL := demo

$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is missing or older than 3.11. Name another one: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "error: no virtual environment could be made. Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@echo "installing pinned dependencies into $(VENV): 1.5 GB, one to four minutes ..."
	@start=$$(date +%s); $(PIP) install --quiet -c constraints.txt -e . && \
	  echo "installed in $$(( $$(date +%s) - start )) s"
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.runtime  ## value data/sample and say where the results are
	@start=$$(date +%s); $(BIN)/plantation-rwa run configs/sample.yaml && \
	  echo "run took $$(( $$(date +%s) - start )) s; open the summary in a browser, then see README.md"

test: $(VENV)/.dev  ## the suite that needs only Python
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not server and not long"

test-full: $(VENV)/.dev  ## adds slow and server suites, and draws new examples for the property tests
	$(BIN)/python -m pytest -q --hypothesis-profile explore

check: $(VENV)/.dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## ratios, not absolute times
	$(BIN)/python benchmarks/run_sample.py

docs: $(VENV)/.runtime  ## regenerate what is generated: dictionary, assumptions, configuration schema
	$(BIN)/python -m plantation_rwa.docs_build

clean:
	rm -rf $(VENV) out build dist
