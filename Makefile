.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help setup demo test bench lint crash pictures lock
help:            ## what can be made
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

setup: $(STAMP)  ## install everything, hash-locked, into .venv (once)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	$(BIN)/python -m compileall -q engine connectors console
	@touch $(STAMP)

demo: setup      ## the console on a simulated school; without a terminal, a play of it and its report
	$(BIN)/rollcall demo

# A file's tests share what they set up, so a file stays with one worker; three workers, since some tests wait for processes.
test: setup lint ## every check and every test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: setup      ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

bench: setup     ## the budgets: figures on this machine
	$(BIN)/python -m pytest -m bench tests/budgets -s

crash: setup     ## kill the engine at its writes, 50 seeds
	$(BIN)/python -m connectors crash --seeds 50

pictures: setup  ## draw the screens of the demo's school anew, for the README
	$(BIN)/python -m tests.pictures docs/pictures

lock:            ## maintainers: resolve the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras pyproject.toml -o requirements.lock
