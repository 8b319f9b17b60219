# lab: open the course · test: everything CI checks · sync: regenerate notebooks · lint
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: lab test sync lint

lab: $(READY)
	$(BIN)/course lab

test: lint
	$(BIN)/python -m pytest

sync: $(READY)
	$(BIN)/python -m course_utils.pairs
	$(BIN)/python -m course_utils.readme

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lab,dev]'
	touch $@
