# lab: open the course · site: its web pages, in build/site/html
# test: lint and all tests but the slow ones, every notebook included · test-slow: the rest
# sync: regenerate what changed: notebooks, the exercises' record, parts of README · lint
# test-oldest: what test runs, on the oldest packages · versions: both, on record
# clean-room: lessons from their published file alone, on Colab's packages (3 GB)
# evidence: every claim under many seeds and on other data, on record (hours; resumes)
# budgets: seconds and megabytes of every notebook, each with its own imports, on record
# kernels: every lesson and solution in an ordinary and in a ready kernel, compared (hours)
# gpu: every lesson and solution on this machine's GPU, on record; installs nothing
# mutants: plant mistakes in every solution; each must be noticed (10 minutes)
# load: many learners on one machine, measured and recorded; needs a quiet machine
# pins: write both files of constraints after a range in pyproject.toml has changed
PYTHON ?= python3
PYTHON_OLDEST ?= python3.10
PYTHON_COLAB ?= python3.13
UV ?= uv
BIN := .venv/bin
# What a learner needs, and what a contributor needs besides.
LEARNER := .venv/.learner
READY := .venv/.contributor
OLDEST := .venv-oldest
RECORDS := src/course_utils/records
RECORD := $(RECORDS)/versions.json
EVIDENCE := $(BIN)/course evidence --output $(RECORDS)/.runs.jsonl --publish $(RECORDS)

.PHONY: lab site test test-slow sync lint evidence budgets gpu kernels mutants load test-oldest \
	versions pins clean-room

lab: $(LEARNER)
	$(BIN)/course lab

site: $(READY)
	$(BIN)/python -m course_utils.authoring.site

PYTEST := $(BIN)/python -m pytest
# Two at once and a file in one process, so that a notebook's cells stay together.
TWO := -n 2 --dist loadfile

# Lessons run alone, because their seconds are compared.
test: lint
	$(PYTEST) $(TWO) -m "not slow" solutions src tests
	$(PYTEST) notebooks

test-slow: $(READY)
	$(PYTEST) $(TWO) -m slow tests

sync: $(READY)
	$(BIN)/python -m course_utils.authoring.collect_cells
	$(BIN)/python -m course_utils.authoring.collect_guards
	$(BIN)/python -m course_utils.authoring.sync
	$(BIN)/python -m course_utils.authoring.readme

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(LEARNER): EXTRAS := lab
$(READY): EXTRAS := lab,evidence,dev,site,browser
$(LEARNER) $(READY): pyproject.toml constraints.txt
	@echo "Installing PyTorch, Lightning and JupyterLab into .venv; the first time takes minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

# Other images are read from COURSE_DATA_DIR, or got with `course data`.
evidence: $(READY)
	$(EVIDENCE) --seeds 30
	$(EVIDENCE) --seeds 10 --data fashion-mnist
	$(EVIDENCE) --seeds 5 --data cifar10
	$(EVIDENCE) --seeds 1 --data fashion-mnist:all,cifar10:all
	$(BIN)/python -m course_utils.authoring.sync --all

budgets: $(READY)
	COURSE_KERNEL=ordinary COURSE_BUDGET_RECORD=$(RECORDS)/budgets.json \
		$(PYTEST) notebooks solutions
	$(BIN)/python -m course_utils.authoring.sync --all
	$(BIN)/python -m course_utils.authoring.readme

# With the Python given, as it is: no environment is made. LESSONS="07 12" for some.
gpu:
	PYTHONPATH="$(CURDIR)/src$${PYTHONPATH:+:$$PYTHONPATH}" \
		$(PYTHON) -m course_utils.authoring.gpu $(LESSONS)

kernels: $(READY)
	$(BIN)/python -m course_utils.authoring.compare_kernels $(LESSONS)

mutants: $(READY)
	$(BIN)/python -m course_utils.authoring.mutants

load: $(READY)
	$(BIN)/course load 12 --learners 1,4,8,10,12 --record $(RECORDS)/learners.json
	$(BIN)/python -m course_utils.authoring.readme

# Budgets are stated for the pinned packages.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -p no:course-budgets $(TWO) -m "not slow" src tests
	$(OLDEST)/bin/python -m pytest -p no:course-budgets notebooks solutions

clean-room: $(READY)
	COLAB_PYTHON=$(PYTHON_COLAB) $(PYTEST) -m slow -rs tests/test_clean_room.py

versions: $(READY)
	COURSE_VERSIONS_RECORD=$(RECORD) $(PYTEST) $(TWO) -m "not slow" src tests
	COURSE_VERSIONS_RECORD=$(RECORD) $(PYTEST) notebooks solutions
	$(BIN)/python -m course_utils.authoring.readme
	COURSE_VERSIONS_RECORD=$(RECORD) $(MAKE) test-oldest
	$(BIN)/python -m course_utils.authoring.readme

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON_OLDEST) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet -c constraints-oldest.txt -e '.[lab,evidence,dev,site,browser]'
	touch $@

# A pin that still fits stays as it is; delete its line to get the newest.
COMPILE := $(UV) pip compile --quiet --universal --all-extras --no-annotate \
	--python-version 3.10 --custom-compile-command 'make pins' pyproject.toml
pins:
	$(COMPILE) -o constraints.txt
	$(COMPILE) --resolution lowest-direct -o constraints-oldest.txt
